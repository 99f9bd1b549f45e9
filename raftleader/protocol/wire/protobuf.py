"""Trees as protobuf, and back.

What a reader of JSON is kind about does not arise here: types are what they are. A
number of an enum that we do not know is unset, as everywhere in proto2; what must be
set and is not is refused by its path.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol, cast

from google.protobuf.message import DecodeError, EncodeError, Message

from raftleader.errors import InvalidInputError
from raftleader.protocol.wire.descriptors import message_class
from raftleader.protocol.wire.schema import Field, fields_of, labels_of, schema

Tree = dict[str, Any]


class _Checked(Protocol):
    """What the stubs of the package leave out."""

    def FindInitializationErrors(self) -> list[str]: ...


def read_protobuf(kind: str, body: bytes, what: str) -> Tree:
    """The message in ``body`` as a tree. Raises InvalidInputError."""
    message = message_class(kind)()
    try:
        message.ParseFromString(body)
        if not message.IsInitialized():
            missing = cast(_Checked, message).FindInitializationErrors()
            raise InvalidInputError(missing[0], "is required")
        return _tree_of(message, _readers(kind))
    except DecodeError as error:
        raise InvalidInputError(what, f"is not protobuf: {error}") from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(what, f"has text that is not UTF-8: {error}") from error


_Reader = Callable[[Any], Any]


def _tree_of(message: Message, readers: dict[str, _Reader | None]) -> Tree:
    tree = {}
    for descriptor, value in message.ListFields():
        name = descriptor.name
        read = readers[name]
        tree[name] = value if read is None else read(value)
    return tree


@cache
def _readers(kind: str) -> dict[str, _Reader | None]:
    """How each field of this message is read; None is: as it stands."""
    return {name: _reader(field) for name, field in fields_of(kind).items()}


def _reader(field: Field) -> _Reader | None:
    read: _Reader | None = None
    if field.type in schema().messages:
        kind = field.type

        def read(value: Any) -> Any:
            return _tree_of(value, _readers(kind))

    elif field.type in schema().enums:
        read = {number: label for label, number in labels_of(field.type).items()}.get
    if field.is_map:
        return lambda table: {
            key: table[key] if read is None else read(table[key]) for key in table
        }
    if field.is_repeated:
        return list if read is None else lambda values: [read(each) for each in values]
    return read


def write_protobuf(kind: str, tree: Tree) -> bytes:
    """The tree as bytes.

    Raises InvalidInputError for a tree that is no such message: then whoever built it,
    or the schema, is wrong.
    """
    new: Callable[..., Message] = message_class(kind)
    try:
        try:
            message = new(**tree)
        except (TypeError, ValueError):
            # Bytes in what is carried are still base64, as in JSON.
            message = new(**_typed(tree, kind))
        return message.SerializeToString()
    except (TypeError, ValueError, LookupError, AttributeError, EncodeError) as error:
        problem = f"cannot be written: {type(error).__name__}: {error}"
        raise InvalidInputError(kind, problem) from error


def _typed(tree: Tree, kind: str) -> Tree:
    """The tree with every value of the type that protobuf wants."""
    fields = fields_of(kind)
    return {name: _typed_field(value, fields[name]) for name, value in tree.items()}


def _typed_field(value: Any, field: Field) -> Any:
    if field.is_map:
        return {key: _typed_value(each, field.type) for key, each in value.items()}
    if field.is_repeated:
        return [_typed_value(each, field.type) for each in value]
    return _typed_value(value, field.type)


def _typed_value(value: Any, type_: str) -> Any:
    if type_ == "bytes" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error as error:
            raise ValueError(f"not base64: {error}") from error
    if type_ == "double" and isinstance(value, str):
        return -math.inf if value.startswith("-") else math.inf
    return _typed(value, type_) if isinstance(value, dict) else value
