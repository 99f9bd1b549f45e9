"""Sums over what offers hold."""

from __future__ import annotations

from collections.abc import Iterable

from raftleader.protocol.resource_keys import is_shared_key
from raftleader.protocol.resources import Resources, subtract_ranges


def joined(offers: Iterable[Resources]) -> Resources:
    """All that offers of one agent hold. A shared volume in several of them is one."""
    first, *others = offers
    if not others:
        return first
    whole, shared = first, set(filter(is_shared_key, first.scalars))
    for offer in others:
        new = {
            key: millis
            for key, millis in offer.scalars.items()
            if is_shared_key(key) and key not in shared
        }
        shared.update(new)
        whole += offer.exclusive() + Resources.of(new)
    return whole


def declined(remainder: Resources, offered: Resources) -> Resources:
    """What is left of offers as it was offered: what operations made of them is not
    declined, its framework wants it."""
    if offered.contains(remainder):
        return remainder
    scalars = {
        key: min(millis, offered.scalars[key])
        for key, millis in remainder.scalars.items()
        if key in offered.scalars
    }
    ranges = {
        key: subtract_ranges(spans, subtract_ranges(spans, offered.ranges.get(key, ())))
        for key, spans in remainder.ranges.items()
    }
    sets = {
        key: [item for item in items if item in offered.sets.get(key, ())]
        for key, items in remainder.sets.items()
    }
    return Resources.of(scalars, ranges, sets)
