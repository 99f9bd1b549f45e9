"""What we hand on without reading it, as canonical JSON.

A field like ``container`` has a deep message of which we look at little. It is checked
and normalised by the schema (unknown fields go, numbers and enums become what they
should be), so that one meaning has one text on every replica and can be written in
either encoding again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from raftleader.protocol.json_v1_fields import (
    INT64_MAX,
    INT64_MIN,
    MESSAGE_CHARS_MAX,
    Fields,
    JsonObject,
    base64_text,
)
from raftleader.protocol.wire.schema import Field, fields_of, labels_of, schema

CARRIED_BYTES_MAX = 256 * 1024
"""Most that is carried in one message: it is replicated."""
DEPTH_MAX = 32
"""Deepest nesting within what is carried; the schema's own messages need a dozen."""

_encoder = msgspec.json.Encoder(order="deterministic")
_decoder: msgspec.json.Decoder[JsonObject] = msgspec.json.Decoder(JsonObject)


def read_carried(fields: Fields, kind: str, names: Iterable[str]) -> bytes | None:
    """Those of the fields ``names`` of this message of ``kind`` that are set.

    None if none is. Raises InvalidInputError as the readers do.
    """
    tree: JsonObject = {}
    for name in names:
        if fields.has(name):
            value = _field_of(fields, name, fields_of(kind)[name], 0)
            if value is not None:
                tree[name] = value
    return write_carried(fields, tree) if tree else None


def read_whole(fields: Fields, kind: str) -> bytes:
    """The whole of this message of ``kind``, likewise."""
    return write_carried(fields, canonical(fields, kind))


def write_carried(fields: Fields, tree: JsonObject) -> bytes:
    """The tree as canonical JSON; ``fields`` is named if it is too large."""
    carried = _encoder.encode(tree)
    if len(carried) > CARRIED_BYTES_MAX:
        raise fields.invalid("", f"carries more than {CARRIED_BYTES_MAX} bytes")
    return carried


def tree_of_carried(carried: bytes) -> JsonObject:
    """What was carried, as a part of a tree. ``carried`` is what a reader made."""
    return _decoder.decode(carried)


def canonical(fields: Fields, kind: str, depth: int = 0) -> JsonObject:
    """This message of ``kind`` as a tree of what the schema knows, bytes as base64."""
    if depth > DEPTH_MAX:
        raise fields.invalid("", "is nested too deeply")
    tree: JsonObject = {}
    for name, field in fields_of(kind).items():
        value = _field_of(fields, name, field, depth) if fields.has(name) else None
        if value is not None:
            tree[name] = value
        elif field.is_required:
            raise fields.invalid(name, "is required")
    return tree


def _field_of(fields: Fields, name: str, field: Field, depth: int) -> Any:
    if field.type in schema().messages:
        if field.is_map:
            return {
                key: canonical(each, field.type, depth + 1)
                for key, each in fields.entries(name)
            }
        if field.is_repeated:
            children = fields.children(name)
            return [canonical(each, field.type, depth + 1) for each in children]
        return canonical(fields.required_child(name), field.type, depth + 1)
    if field.is_map:
        table = fields.required_child(name)
        return {key: _scalar_of(table, key, field) for key in table.names()}
    if field.is_repeated:
        items = (_scalar_of(*item, field) for item in fields.items(name))
        return [item for item in items if item is not None]
    return _scalar_of(fields, name, field)


def _scalar_of(fields: Fields, name: str, field: Field) -> Any:
    if field.type in schema().enums:
        label = fields.text(name)
        if label is None or label in labels_of(field.type):
            return label
        if field.is_required:
            raise fields.invalid(name, f"{label[:40]!r} is not one of its values")
        return None
    return _SCALARS[field.type](fields, name)


def _double(fields: Fields, name: str) -> float | str | None:
    number = fields.number(name)
    if number is None or math.isfinite(number):
        return number
    return "Infinity" if number > 0 else "-Infinity"


def _octets(fields: Fields, name: str) -> str | None:
    octets = fields.octets(name, bytes_max=CARRIED_BYTES_MAX)
    return None if octets is None else base64_text(octets)


_SCALARS: dict[str, Callable[[Fields, str], Any]] = {
    "bool": Fields.flag,
    "bytes": _octets,
    "double": _double,
    "int32": lambda f, name: f.integer(name, least=-(2**31), most=2**31 - 1),
    "int64": lambda f, name: f.integer(name, least=INT64_MIN, most=INT64_MAX),
    "string": lambda f, name: f.text(name, chars_max=MESSAGE_CHARS_MAX),
    "uint32": lambda f, name: f.integer(name, least=0, most=2**32 - 1),
    "uint64": lambda f, name: f.integer(name, least=0, most=2**64 - 1),
}
