"""What a nemesis does to links: a shared, changing plan of faults between peers.

The plan is the whole state; :mod:`transports.faults` obeys it. Change it at any
time from the same trio loop: links that exist take notice at once.
"""

from __future__ import annotations

import random
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import combinations
from typing import Protocol

import attrs
import trio

ANY = "*"
"""Stands for every peer in a rule."""


class Faulty(Protocol):
    """A link under the plan: told of each change, so that it can look again."""

    def reconsider(self) -> None: ...


@attrs.frozen(kw_only=True)
class Fault:
    """What happens to frames in one direction between two peers.

    Attributes:
        drop_probability: Chance of each frame to vanish on its own.
        delay_s: Least and greatest delay of a frame, in seconds.
        is_silent: Frames vanish, all of them; the sender does not notice.
        is_stalled: Frames are kept back; senders go on until the buffers fill.
        is_cut: No link can be or be made.
    """

    drop_probability: float = attrs.field(default=0.0)
    delay_s: tuple[float, float] = attrs.field(default=(0.0, 0.0))
    is_silent: bool = False
    is_stalled: bool = False
    is_cut: bool = False

    def __attrs_post_init__(self) -> None:
        if not 0.0 <= self.drop_probability <= 1.0:
            raise ValueError(f"no probability: {self.drop_probability}")
        if not 0.0 <= self.delay_s[0] <= self.delay_s[1] < float("inf"):
            raise ValueError(f"want 0 <= least <= greatest delay, not {self.delay_s}")

    def __or__(self, other: Fault) -> Fault:
        """Both at once: the worse of each."""
        return Fault(
            drop_probability=max(self.drop_probability, other.drop_probability),
            delay_s=max(self.delay_s, other.delay_s, key=lambda delay: delay[1]),
            is_silent=self.is_silent or other.is_silent,
            is_stalled=self.is_stalled or other.is_stalled,
            is_cut=self.is_cut or other.is_cut,
        )


NO_FAULT = Fault()


@attrs.define(eq=False)
class FaultPlan:
    """Faults by (from, to). A peer is a label (``n1``) or an address; ``ANY`` is all.

    Rules of one pair add up, and so do a pair's own rules and those with ``ANY``:
    the worse of each holds. Chance comes from ``rng``, through a generator for each
    direction of each link, so links do not disturb each other's chances.
    """

    rng: random.Random
    _seed: int = attrs.field(init=False)
    _rules: dict[tuple[str, str], Fault] = attrs.field(factory=dict, init=False)
    _labels: dict[str, str] = attrs.field(factory=dict, init=False)
    _links: weakref.WeakValueDictionary[int, Faulty] = attrs.field(
        factory=weakref.WeakValueDictionary, init=False
    )
    _links_made: int = attrs.field(default=0, init=False)
    _streams_of_name: Counter[str] = attrs.field(factory=Counter, init=False)
    _dials_under_way: int = attrs.field(default=0, init=False)
    _dials_done: trio.lowlevel.ParkingLot = attrs.field(
        factory=trio.lowlevel.ParkingLot, init=False
    )

    @_seed.default
    def _draw_seed(self) -> int:
        return self.rng.getrandbits(64)

    def drop(self, source: str, target: str, *, probability: float) -> None:
        """Each frame from ``source`` to ``target`` vanishes with this probability."""
        self._change(
            lambda old: attrs.evolve(old, drop_probability=probability),
            (source, target),
        )

    def delay(self, source: str, target: str, *, delay_s: tuple[float, float]) -> None:
        """Frames from ``source`` to ``target`` take so many seconds more.

        From the least to the greatest; order is kept. The time counts from when
        the frame came to the receiver, if that one is waiting in ``receive``.
        """
        self._change(lambda old: attrs.evolve(old, delay_s=delay_s), (source, target))

    def silence(self, source: str, target: str) -> None:
        """One way: what ``source`` sends to ``target`` vanishes, the rest does not."""
        self._change(lambda old: attrs.evolve(old, is_silent=True), (source, target))

    def half_open(self, a: str, b: str) -> None:
        """Links between the two stay up, and nothing is delivered any more.

        Sends succeed until the buffers are full. What is in them when the plan
        heals is then delivered.
        """
        self._change(lambda old: attrs.evolve(old, is_stalled=True), (a, b), (b, a))

    def cut(self, a: str, b: str) -> None:
        """Break all links between the two, and refuse dials either way."""
        self._change(lambda old: attrs.evolve(old, is_cut=True), (a, b), (b, a))

    def partition(self, *groups: Collection[str]) -> None:
        """Cut every peer from those of the other groups."""
        for some, others in combinations(groups, 2):
            for a in sorted(some):
                for b in sorted(others):
                    self.cut(a, b)

    def heal(self, a: str, b: str) -> None:
        """Forget the rules of this pair, both ways (not those with ``ANY``).

        Links that broke stay broken: they are dialled again.
        """
        a, b = self.label_of(a), self.label_of(b)
        self._rules.pop((a, b), None)
        self._rules.pop((b, a), None)
        self._announce()

    def heal_all(self) -> None:
        """Forget every rule."""
        self._rules.clear()
        self._announce()

    def name(self, address: str, label: str) -> None:
        """Say that ``address`` belongs to the peer ``label``.

        Faulty transports do so themselves, for addresses they listen at and links
        they dial; call it for an address that differs from the one listened at.
        """
        self._labels[address] = label
        moved = [pair for pair in self._rules if address in pair]
        for source, target in moved:
            fault = self._rules.pop((source, target))
            pair = self.label_of(source), self.label_of(target)
            self._rules[pair] = self._rules.get(pair, NO_FAULT) | fault
        if moved:
            self._announce()

    def forget_name(self, address: str) -> None:
        """The end of :meth:`name`."""
        self._labels.pop(address, None)

    def label_of(self, peer: str) -> str:
        """The label that an address has; anything else stands for itself."""
        return self._labels.get(peer, peer)

    def fault(self, source: str, target: str) -> Fault:
        """What now happens to frames from ``source`` to ``target``."""
        if not self._rules:
            return NO_FAULT
        source, target = self.label_of(source), self.label_of(target)
        found = NO_FAULT
        for pair in ((source, target), (source, ANY), (ANY, target), (ANY, ANY)):
            rule = self._rules.get(pair)
            if rule is not None:
                found |= rule
        return found

    def is_cut(self, a: str, b: str) -> bool:
        return self.fault(a, b).is_cut or self.fault(b, a).is_cut

    def stream(self, name: str) -> random.Random:
        """A generator of its own for ``name``; another one each time it is asked."""
        self._streams_of_name[name] += 1
        return random.Random(f"{self._seed}/{name}/{self._streams_of_name[name]}")

    def watch(self, link: Faulty) -> None:
        """Tell ``link`` of changes, for as long as somebody holds it."""
        self._links_made += 1
        self._links[self._links_made] = link

    @contextmanager
    def dialling(self) -> Iterator[None]:
        """A dial is under way; inside, the new link's own address gets its name."""
        self._dials_under_way += 1
        try:
            yield
        finally:
            self._dials_under_way -= 1
            self._dials_done.unpark_all()

    async def wait_named(self, address: str) -> str:
        """The label of an accepted link's peer; ``address`` if it has none.

        A link may be accepted a moment before its dialler has named it. Waits
        only while a dial is under way.
        """
        while address not in self._labels and self._dials_under_way:
            await self._dials_done.park()
        return self.label_of(address)

    def _change(
        self, change: Callable[[Fault], Fault], *pairs: tuple[str, str]
    ) -> None:
        for source, target in pairs:
            pair = self.label_of(source), self.label_of(target)
            self._rules[pair] = change(self._rules.get(pair, NO_FAULT))
        self._announce()

    def _announce(self) -> None:
        for number in sorted(self._links):
            link = self._links.get(number)
            if link is not None:
                link.reconsider()
