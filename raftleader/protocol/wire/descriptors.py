"""Classes of the ``protobuf`` package for our messages, made of the schema.

Made at the first use: whoever speaks only JSON does not load the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from raftleader.protocol.wire.schema import SCALARS, Field, schema

_FILE = "mesos.proto"


@cache
def message_class(kind: str) -> type[Message]:
    """The class of this message, e.g. ``scheduler.Call``."""
    descriptor = _pool().FindMessageTypeByName(f"v1.{kind}")
    return message_factory.GetMessageClass(descriptor)


@cache
def _pool() -> DescriptorPool:
    """All messages, each package a message of its own that holds the others: names
    of packages and files do not reach the wire."""
    file = FileDescriptorProto(name=_FILE, package="v1", syntax="proto2")
    made: dict[str, DescriptorProto] = {}

    def message_of(name: str) -> DescriptorProto:
        if name not in made:
            parent, _, own = name.rpartition(".")
            within = message_of(parent).nested_type if parent else file.message_type
            made[name] = within.add(name=own)
        return made[name]

    for name, fields in schema().messages.items():
        message = message_of(name)
        for field in fields.values():
            _add_field(message, name, field)
    for name, labels in schema().enums.items():
        parent, _, own = name.rpartition(".")
        _add_labels(message_of(parent).enum_type.add(name=own), labels)
    pool = DescriptorPool()
    pool.Add(file)
    return pool


def _add_labels(enum: EnumDescriptorProto, labels: Mapping[str, int]) -> None:
    for label, number in labels.items():
        enum.value.add(name=label, number=number)


def _add_field(message: DescriptorProto, kind: str, field: Field) -> None:
    new = message.field.add(name=field.name, number=field.number)
    if field.is_map:
        entry = message.nested_type.add(name=_entry_name(field.name))
        entry.options.map_entry = True
        entry.field.add(
            name="key",
            number=1,
            type=FieldDescriptorProto.TYPE_STRING,
            label=FieldDescriptorProto.LABEL_OPTIONAL,
        )
        value = entry.field.add(name="value", number=2)
        value.label = FieldDescriptorProto.LABEL_OPTIONAL
        _set_type(value, field.type)
        new.type = FieldDescriptorProto.TYPE_MESSAGE
        new.type_name = f".v1.{kind}.{entry.name}"
    else:
        _set_type(new, field.type)
    if field.is_repeated or field.is_map:
        new.label = FieldDescriptorProto.LABEL_REPEATED
    elif field.is_required:
        new.label = FieldDescriptorProto.LABEL_REQUIRED
    else:
        new.label = FieldDescriptorProto.LABEL_OPTIONAL
    if field.default is not None:
        new.default_value = field.default


def _set_type(new: FieldDescriptorProto, type_: str) -> None:
    if type_ in SCALARS:
        new.type = FieldDescriptorProto.Type.Value(f"TYPE_{type_.upper()}")
        return
    is_enum = type_ in schema().enums
    new.type = (
        FieldDescriptorProto.TYPE_ENUM if is_enum else FieldDescriptorProto.TYPE_MESSAGE
    )
    new.type_name = f".v1.{type_}"


def _entry_name(name: str) -> str:
    """How protobuf calls the messages of which a map consists."""
    return "".join(part.capitalize() for part in name.split("_")) + "Entry"
