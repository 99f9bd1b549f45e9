"""The log has things in the order in which they were done, as far as time tells.

What was answered before something else was asked for must have the smaller index. This
is complete for everything whose index is known, and takes no search: it is linear in
the number of operations, but for sorting them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs


@attrs.frozen(kw_only=True)
class Placed:
    """Something whose place in the log is known.

    Attributes:
        began_ns: When it was asked for first.
        ended_ns: When it was answered first; None if it never was.
    """

    name: str
    began_ns: int
    ended_ns: int | None
    index: int


def out_of_order(placed: Iterable[Placed]) -> Iterator[tuple[Placed, Placed]]:
    """For each that has too small an index one that shows it: it was answered before
    the other was asked for, and has at least its index."""
    known = list(placed)
    asked = sorted(known, key=lambda one: one.began_ns)
    answered = sorted(
        ((one.ended_ns, one) for one in known if one.ended_ns is not None),
        key=lambda pair: pair[0],
    )
    newest: Placed | None = None
    place = 0
    for one in asked:
        while place < len(answered) and answered[place][0] < one.began_ns:
            candidate = answered[place][1]
            if newest is None or candidate.index > newest.index:
                newest = candidate
            place += 1
        if newest is not None and newest is not one and newest.index >= one.index:
            yield newest, one
