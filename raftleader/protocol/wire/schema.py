"""The messages of the Mesos v1 API: which fields they have, of which type.

The tables say it in a notation of our own, one message or enum to a line (an indented
line goes on):

    Offer: id! OfferID 1, url URL 8, resources* Resource 5, ...
    Filters: refuse_seconds double 1=5.0
    TaskInfo: ..., limits {Value.Scalar} 15
    enum Image.Type: APPC 1, DOCKER 2

``!`` is required, ``*`` repeated, ``{T}`` a map from text to T, ``=`` a default. A name
with a dot is nested; a type is looked for from the inside out, then in ``mesos``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import attrs

from raftleader.protocol.wire.tables import (
    agent,
    cluster,
    containers,
    executor,
    leader,
    operators,
    resources,
    scheduler,
    statistics,
    tasks,
)

SCALARS = frozenset(
    {"bool", "bytes", "double", "int32", "int64", "string", "uint32", "uint64"}
)
"""Types of fields that are neither a message nor an enum."""

_TABLES = (
    *((module.PACKAGE, module.TABLE) for module in (cluster, resources, tasks)),
    *((module.PACKAGE, module.TABLE) for module in (containers, statistics)),
    *((module.PACKAGE, module.TABLE) for module in (scheduler, executor, leader)),
    (agent.PACKAGE, agent.TABLE),
    ("quota", operators.QUOTA),
    ("maintenance", operators.MAINTENANCE),
    ("allocator", operators.ALLOCATOR),
    ("google.protobuf", operators.GOOGLE),
)


@attrs.frozen(kw_only=True)
class Field:
    """One field of a message.

    Attributes:
        type: A scalar, or the full name of a message or enum: ``mesos.Offer``.
        is_map: From text to ``type``.
        default: As written in the table, or None.
    """

    name: str
    number: int
    type: str
    is_required: bool = False
    is_repeated: bool = False
    is_map: bool = False
    default: str | None = None


@attrs.frozen(kw_only=True)
class Schema:
    """All messages and enums, by full name (``scheduler.Event.Offers``)."""

    messages: Mapping[str, Mapping[str, Field]]
    enums: Mapping[str, Mapping[str, int]]


@cache
def schema() -> Schema:
    """Everything the tables say. Read once, in a few milliseconds."""
    messages: dict[str, list[str]] = {}
    enums: dict[str, dict[str, int]] = {}
    for package, table in _TABLES:
        for line in table.replace("\n    ", " ").splitlines():
            head, _, rest = line.partition(":")
            parts = [part.strip() for part in rest.split(",") if part.strip()]
            if head.startswith("enum "):
                pairs = (part.rsplit(" ", 1) for part in parts)
                name = f"{package}.{head.removeprefix('enum ')}"
                enums[name] = {label: int(number) for label, number in pairs}
            else:
                messages[f"{package}.{head}"] = parts
    known = messages.keys() | enums.keys()
    return Schema(
        messages={
            name: {field.name: field for field in (_field(p, name, known) for p in ps)}
            for name, ps in messages.items()
        },
        enums=enums,
    )


def _field(part: str, scope: str, known: set[str]) -> Field:
    name, type_, number = part.split(" ", 2)
    number, has_default, default = number.partition("=")
    return Field(
        name=name.rstrip("!*"),
        number=int(number),
        type=_resolve(type_.strip("{}"), scope, known),
        is_required=name.endswith("!"),
        is_repeated=name.endswith("*"),
        is_map=type_.startswith("{"),
        default=default if has_default else None,
    )


def _resolve(name: str, scope: str, known: set[str]) -> str:
    if name in SCALARS:
        return name
    while scope:
        if f"{scope}.{name}" in known:
            return f"{scope}.{name}"
        scope = scope.rpartition(".")[0]
    full = name if name in known else f"mesos.{name}"
    assert full in known, f"no message or enum {name!r}"
    return full


def fields_of(kind: str) -> Mapping[str, Field]:
    """The fields of this message, by name, in the order of the table."""
    return schema().messages[kind]


def labels_of(enum: str) -> Mapping[str, int]:
    """The numbers of this enum, by name."""
    return schema().enums[enum]
