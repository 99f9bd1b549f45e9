"""Resources and attributes in Mesos' messages.

Our value sums what is of one kind; a list in a message may name a kind several times.
What else a resource is than an amount stands in ``json_v1_kinds.py``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import pairwise

from raftleader.errors import InvalidInputError
from raftleader.limits import RESOURCE_NAMES_MAX
from raftleader.protocol.agents import Attribute
from raftleader.protocol.json_v1_fields import Fields, JsonObject
from raftleader.protocol.json_v1_kinds import (
    ReservationForm,
    checked_role,
    kind_to_json,
    read_kind,
    unfit,
)
from raftleader.protocol.resource_keys import (
    KIND_BYTES_MAX,
    is_shared_key,
    is_too_long,
    key_of_kind,
)
from raftleader.protocol.resources import Range, Resources, key_of

SCALAR_MAX = 10**12
"""Largest scalar: three decimals of it are still exact in a double."""
RANGES_MAX = 10_000
"""Ranges and set items of one message's resources: subtracting is quadratic."""
_RANGE_VALUE_MAX = 2**63 - 1
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,255}\Z")
_ALWAYS_OFFERED = ("cpus", "mem", "disk")
_PLAIN = frozenset(
    {"name", "type", "scalar", "ranges", "set", "role", "allocation_info"}
)
"""Fields of a resource of which there is no more to say than name and role."""


def number_of_millis(millis: int) -> float:
    """Thousandths as the number on the wire, exact to three decimals."""
    return millis / 1000


def read_millis(fields: Fields, name: str) -> int:
    """A scalar, never negative, in thousandths, rounded as Mesos does."""
    value = fields.number(name)
    if value is None:
        raise fields.invalid(name, "is required")
    if not 0 <= value <= SCALAR_MAX:
        raise unfit(fields, name, f"must be from 0 to {SCALAR_MAX}")
    return math.floor(value * 1000 + 0.5)


def read_amounts(fields: Fields, name: str) -> dict[str, int]:
    """Thousandths by the name of a scalar, from a map to ``Value.Scalar``."""
    return {key: read_millis(item, "value") for key, item in fields.entries(name)}


def amounts_to_json(amounts: Mapping[str, int]) -> JsonObject:
    """A map to ``Value.Scalar``."""
    return {name: {"value": millis / 1000} for name, millis in sorted(amounts.items())}


def read_resources(
    fields: Fields, name: str, *, kinds_max: int = RESOURCE_NAMES_MAX
) -> tuple[Resources, tuple[str, ...]]:
    """The resources in a repeated field, and what of them we cannot honour.

    Raises InvalidResourceError for what is no amount, kind or role; a plain
    InvalidInputError for what no client means.
    """
    scalars: dict[str, int] = {}
    ranges: dict[str, list[Range]] = {}
    sets: dict[str, list[str]] = {}
    unsupported: tuple[str, ...] = ()
    parts = 0
    for item in fields.children(name):
        if item.has("provider_id"):
            unsupported = (f"{name}.provider_id",)
        key = _read_key(item)
        kind = item.required_text("type")
        if kind == "SCALAR":
            millis = read_millis(item.required_child("scalar"), "value")
            if key not in scalars:
                scalars[key] = millis
            elif not is_shared_key(key):
                scalars[key] += millis
        elif kind == "RANGES":
            spans = read_ranges(item.required_child("ranges"))
            if len(spans) > 1 and _overlap(spans):
                raise unfit(item, "ranges", "has overlapping ranges")
            ranges.setdefault(key, []).extend(spans)
            parts += len(spans)
        elif kind == "SET":
            members = item.required_child("set").texts("item")
            if len(set(members)) < len(members):
                raise unfit(item, "set", "has duplicated elements")
            sets.setdefault(key, []).extend(members)
            parts += len(members)
        else:
            raise unfit(item, "type", f"{kind!r} is not SCALAR, RANGES or SET")
    if parts > RANGES_MAX:
        raise fields.invalid(name, f"has more than {RANGES_MAX} ranges and items")
    if len(scalars) + len(ranges) + len(sets) > kinds_max:
        raise fields.invalid(name, f"has more than {kinds_max} names")
    if any(millis > SCALAR_MAX * 1000 for millis in scalars.values()):
        raise unfit(fields, name, f"has a sum larger than {SCALAR_MAX}")
    try:
        return Resources.of(scalars, ranges, sets), unsupported
    except InvalidInputError as error:
        raise unfit(fields, name, str(error)) from error


def _read_key(item: Fields) -> str:
    name = item.required_text("name")
    if name not in _ALWAYS_OFFERED and not _NAME.match(name):
        raise unfit(item, "name", f"{name[:40]!r} is not the name of a resource")
    if item.has_only(_PLAIN):
        role = item.text("role")
        if role is None or role == "*":
            return name
        return key_of(name, checked_role(item, role))
    kind = read_kind(item, name)
    if is_too_long(kind):
        raise unfit(item, "", f"is described by more than {KIND_BYTES_MAX} bytes")
    return key_of_kind(kind)


def read_ranges(ranges: Fields) -> list[Range]:
    """The ranges in a ``Value.Ranges``, as written."""
    spans: list[Range] = []
    for item in ranges.children("range"):
        begin = item.integer("begin", least=0, most=_RANGE_VALUE_MAX)
        end = item.integer("end", least=0, most=_RANGE_VALUE_MAX)
        if begin is None or end is None:
            raise item.invalid("begin" if begin is None else "end", "is required")
        if end < begin:
            raise unfit(item, "end", f"{end} is before the begin, {begin}")
        spans.append((begin, end))
    return spans


def _overlap(spans: list[Range]) -> bool:
    return any(end >= begin for (_, end), (begin, _) in pairwise(sorted(spans)))


def resources_to_json(
    resources: Resources,
    *,
    allocated_to: str | None = None,
    form: ReservationForm = ReservationForm.REFINED,
    is_offer: bool = False,
) -> list[JsonObject]:
    """The list of resources.

    Args:
        allocated_to: Role for ``allocation_info``, or None to leave it out.
        form: How reservations are written; only REFINED keeps all they say.
        is_offer: Name cpus, mem, disk and ports even when there is none of them,
            since schedulers look them up without asking.
    """
    common: JsonObject = {}
    if allocated_to is not None:
        common["allocation_info"] = {"role": allocated_to}
    items: list[JsonObject] = []
    for key, millis in resources.scalars.items():
        value = {"value": millis / 1000}
        items.append(
            {"type": "SCALAR", "scalar": value, **kind_to_json(key, form), **common}
        )
    for key, spans in resources.ranges.items():
        ranges = ranges_to_json(spans)
        items.append(
            {"type": "RANGES", "ranges": ranges, **kind_to_json(key, form), **common}
        )
    for key, members in resources.sets.items():
        item = {"item": list(members)}
        items.append({"type": "SET", "set": item, **kind_to_json(key, form), **common})
    if is_offer:
        names = {item["name"] for item in items}
        items += [
            _none_of(name) | kind_to_json(name, form) | common
            for name in (*_ALWAYS_OFFERED, "ports")
            if name not in names
        ]
    return items


def _none_of(name: str) -> JsonObject:
    if name == "ports":
        return {"type": "RANGES", "ranges": {"range": []}}
    return {"type": "SCALAR", "scalar": {"value": 0.0}}


def ranges_to_json(spans: tuple[Range, ...]) -> JsonObject:
    """A ``Value.Ranges``."""
    return {"range": [{"begin": begin, "end": end} for begin, end in spans]}


def read_attributes(fields: Fields, name: str) -> tuple[Attribute, ...]:
    """The attributes in a repeated field."""
    attributes = []
    for item in fields.children(name):
        label = item.required_text("name")
        kind = item.required_text("type")
        if kind == "TEXT":
            text = item.required_child("text").required_text("value")
            attributes.append(Attribute(name=label, text=text))
        elif kind == "SCALAR":
            millis = read_millis(item.required_child("scalar"), "value")
            attributes.append(Attribute(name=label, scalar_millis=millis))
        elif kind == "RANGES":
            spans = tuple(read_ranges(item.required_child("ranges")))
            attributes.append(Attribute(name=label, ranges=spans))
        elif kind == "SET":
            members = item.required_child("set").texts("item")
            attributes.append(Attribute(name=label, items=members))
        else:
            raise item.invalid("type", f"{kind!r} is not the type of a value")
    return tuple(attributes)


def attributes_to_json(attributes: tuple[Attribute, ...]) -> list[JsonObject]:
    """The list of attributes."""
    items: list[JsonObject] = []
    for attribute in attributes:
        item: JsonObject = {"name": attribute.name}
        if attribute.text is not None:
            item |= {"type": "TEXT", "text": {"value": attribute.text}}
        elif attribute.scalar_millis is not None:
            value = number_of_millis(attribute.scalar_millis)
            item |= {"type": "SCALAR", "scalar": {"value": value}}
        elif attribute.items:
            item |= {"type": "SET", "set": {"item": list(attribute.items)}}
        else:
            item |= {"type": "RANGES", "ranges": ranges_to_json(attribute.ranges)}
        items.append(item)
    return items
