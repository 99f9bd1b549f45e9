"""Resources as Mesos' ``/state`` has them: one object, four scalars always in it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from raftleader.protocol.resource_keys import kind_of_key
from raftleader.protocol.resources import Range, Resources, split_key

_ALWAYS = ("cpus", "disk", "gpus", "mem")
_REVOCABLE = "_revocable"
_encoder = msgspec.json.Encoder()


def state_resources(resources: Resources) -> msgspec.Raw:
    """Everything, whoever it is reserved for, by name; written already, since most of
    the time it was written before."""
    if not (resources.ranges or resources.sets):
        return _scalars_written(tuple(resources.scalars.items()))
    return _written(
        tuple(resources.scalars.items()),
        tuple(resources.ranges.items()),
        tuple(resources.sets.items()),
    )


def quantities(amounts: Mapping[str, int]) -> dict[str, float]:
    """Amounts in thousandths, by name, as numbers."""
    return {name: millis / 1000 for name, millis in sorted(amounts.items())}


def v0_name(key: str) -> str:
    """The name under which a resource is summed; what is revocable has its own."""
    if "|" in key:
        kind = kind_of_key(key)
        return kind.name + _REVOCABLE if kind.is_revocable else kind.name
    return key.partition("(")[0]


@lru_cache(maxsize=8_192)
def _scalars_written(scalars: tuple[tuple[str, int], ...]) -> msgspec.Raw:
    """Nearly all that is used or offered; the shorter key is found sooner."""
    return _written(scalars, (), ())


@lru_cache(maxsize=8_192)
def _written(
    scalars: tuple[tuple[str, int], ...],
    ranges: tuple[tuple[str, tuple[Range, ...]], ...],
    sets: tuple[tuple[str, tuple[str, ...]], ...],
) -> msgspec.Raw:
    sums = dict.fromkeys(_ALWAYS, 0)
    for key, millis in scalars:
        name = v0_name(key)
        sums[name] = sums.get(name, 0) + millis
    joined: dict[str, list[Range]] = {}
    for key, spans in ranges:
        joined.setdefault(v0_name(key), []).extend(spans)
    members: dict[str, list[str]] = {}
    for key, items in sets:
        members.setdefault(v0_name(key), []).extend(items)
    fields: dict[str, Any] = {name: millis / 1000 for name, millis in sums.items()}
    for name, spans_of in joined.items():
        texts = (f"{begin}-{end}" for begin, end in sorted(spans_of))
        fields[name] = f"[{', '.join(texts)}]"
    for name, items_of in members.items():
        fields[name] = f"{{{', '.join(sorted(items_of))}}}"
    return msgspec.Raw(_encoder.encode(fields))


def by_reservation(total: Resources) -> tuple[dict[str, Resources], Resources]:
    """An agent's total, apart: by role it is reserved for, and the unreserved."""
    roles = {split_key(key)[1] for key in (*total.scalars, *total.ranges, *total.sets)}
    reserved = {role: _of_role(total, role) for role in sorted(roles - {"*"})}
    return reserved, _of_role(total, "*")


def _of_role(total: Resources, role: str) -> Resources:
    return total.only(lambda key: split_key(key)[1] == role)
