"""Resources and attributes in Mesos' JSON.

Our value sums what has the same name and role; the list in JSON may name a
resource several times. Reservations are read in all three of Mesos' forms
(``role``, ``reservation``, ``reservations``); who may see the newest one is told
by capability RESERVATION_REFINEMENT.
"""

from __future__ import annotations

import math
import re

from raftleader.errors import InvalidInputError
from raftleader.limits import RESOURCE_NAMES_MAX
from raftleader.protocol.agents import Attribute
from raftleader.protocol.json_v1_fields import Fields, JsonObject
from raftleader.protocol.resources import Range, Resources, key_of, split_key

SCALAR_MAX = 10**12
"""Largest scalar: three decimals of it are still exact in a double."""
RANGES_MAX = 10_000
"""Ranges and set items of one message's resources: subtracting is quadratic."""
_RANGE_VALUE_MAX = 2**63 - 1
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,255}\Z")
_ROLE = re.compile(r"[^()\s]{1,255}\Z")
_ALWAYS_OFFERED = ("cpus", "mem", "disk")


def number_of_millis(millis: int) -> float:
    """Thousandths as the number on the wire, exact to three decimals."""
    return millis / 1000


def read_millis(fields: Fields, name: str) -> int:
    """A scalar, never negative, in thousandths, rounded as Mesos does."""
    value = fields.number(name)
    if value is None:
        raise fields.invalid(name, "is required")
    if not 0 <= value <= SCALAR_MAX:
        raise fields.invalid(name, f"must be from 0 to {SCALAR_MAX}")
    return math.floor(value * 1000 + 0.5)


def read_resources(fields: Fields, name: str) -> tuple[Resources, tuple[str, ...]]:
    """The resources in a repeated field, and what of them we cannot honour."""
    scalars: dict[str, int] = {}
    ranges: dict[str, list[Range]] = {}
    sets: dict[str, list[str]] = {}
    unsupported: dict[str, None] = {}
    parts = 0
    for item in fields.children(name):
        for extra in ("disk", "revocable", "shared", "provider_id"):
            if item.has(extra):
                unsupported[f"{name}.{extra}"] = None
        key = key_of(_read_name(item), _read_role(item))
        kind = item.required_text("type")
        if kind == "SCALAR":
            millis = read_millis(item.required_child("scalar"), "value")
            scalars[key] = scalars.get(key, 0) + millis
        elif kind == "RANGES":
            spans = read_ranges(item.required_child("ranges"))
            ranges.setdefault(key, []).extend(spans)
            parts += len(spans)
        elif kind == "SET":
            members = item.required_child("set").texts("item")
            sets.setdefault(key, []).extend(members)
            parts += len(members)
        else:
            raise item.invalid("type", f"{kind!r} is not SCALAR, RANGES or SET")
    if parts > RANGES_MAX:
        raise fields.invalid(name, f"has more than {RANGES_MAX} ranges and items")
    if len(scalars) + len(ranges) + len(sets) > RESOURCE_NAMES_MAX:
        raise fields.invalid(name, f"has more than {RESOURCE_NAMES_MAX} names")
    if any(millis > SCALAR_MAX * 1000 for millis in scalars.values()):
        raise fields.invalid(name, f"has a sum larger than {SCALAR_MAX}")
    try:
        return Resources.of(scalars, ranges, sets), tuple(unsupported)
    except InvalidInputError as error:
        raise fields.invalid(name, str(error)) from error


def _read_name(item: Fields) -> str:
    name = item.required_text("name")
    if not _NAME.match(name):
        raise item.invalid("name", f"{name[:40]!r} is not the name of a resource")
    return name


def _read_role(item: Fields) -> str:
    """Whom the resource is reserved for: the innermost reservation decides."""
    role = item.text("role")
    reservations = item.children("reservations")
    old = item.child("reservation")
    if reservations:
        role = reservations[-1].text("role")
    elif old is not None:
        role = old.text("role") or role
    role = role or "*"
    if not _ROLE.match(role):
        raise item.invalid("role", f"{role[:40]!r} is not a role")
    return role


def read_ranges(ranges: Fields) -> list[Range]:
    """The ranges in a ``Value.Ranges``, as written."""
    spans: list[Range] = []
    for item in ranges.children("range"):
        begin = item.integer("begin", least=0, most=_RANGE_VALUE_MAX)
        end = item.integer("end", least=0, most=_RANGE_VALUE_MAX)
        if begin is None or end is None:
            raise item.invalid("begin" if begin is None else "end", "is required")
        if end < begin:
            raise item.invalid("end", f"{end} is before the begin, {begin}")
        spans.append((begin, end))
    return spans


def resources_to_json(
    resources: Resources,
    *,
    allocated_to: str | None = None,
    refined: bool = False,
    is_offer: bool = False,
) -> list[JsonObject]:
    """The list of resources.

    Args:
        allocated_to: Role for ``allocation_info``, or None to leave it out.
        refined: Write ``reservations``, for RESERVATION_REFINEMENT.
        is_offer: Name cpus, mem, disk and ports even when there is none of them,
            since schedulers look them up without asking.
    """
    items: list[JsonObject] = []

    def add(key: str, kind: str, value: JsonObject) -> None:
        name, role = split_key(key)
        item: JsonObject = {"name": name, "type": kind, kind.lower(): value}
        if not refined:
            item["role"] = role
        elif role != "*":
            item["reservations"] = [{"type": "STATIC", "role": role}]
        if allocated_to is not None:
            item["allocation_info"] = {"role": allocated_to}
        items.append(item)

    for key, millis in resources.scalars.items():
        add(key, "SCALAR", {"value": number_of_millis(millis)})
    for key, spans in resources.ranges.items():
        add(key, "RANGES", ranges_to_json(spans))
    for key, members in resources.sets.items():
        add(key, "SET", {"item": list(members)})
    if is_offer:
        names = {item["name"] for item in items}
        for name in _ALWAYS_OFFERED:
            if name not in names:
                add(name, "SCALAR", {"value": 0.0})
        if "ports" not in names:
            add("ports", "RANGES", {"range": []})
    return items


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
        else:
            raise item.invalid("type", f"{kind!r} is not TEXT, SCALAR or RANGES")
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
        else:
            item |= {"type": "RANGES", "ranges": ranges_to_json(attribute.ranges)}
        items.append(item)
    return items
