"""What a faulty switch does with each frame. Pure: time and chance are given.

Two frames of a link keep their order, however they are delayed, unless one is drawn to
be out of order: then it is held back while later ones pass. A limited link has a queue
of bounded length, and what finds it full is lost, as at the narrow end of a real road.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Iterable, Iterator

import attrs
import msgspec

HEADER_BYTES = 14
"""Of a frame: target (6 bytes), source (6), kind (2)."""
LINK_BYTES = 12
REORDER_HOLD_S = (0.001, 0.02)
"""A frame out of order is held back so long: some of the next ones overtake it."""
QUEUE_S = 0.2
QUEUE_BYTES_MIN = 32 * 1024
"""The queue before a limited link holds what passes in ``QUEUE_S``, and at least this:
two dozen frames."""
HELD_BYTES_MAX = 64 * 1024 * 1024
"""Of all frames that are waiting; what is more is lost. A second of 64 MB/s."""


class LinkRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``chaos.live.seams.LinkFault`` for frames from one hardware address to another,
    as ``02:00:0a:4d:01:01``."""

    source: str
    target: str
    is_cut: bool = False
    loss: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    reorder: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    bytes_per_s: int | None = None

    @property
    def key(self) -> bytes:
        """How frames of this link begin."""
        return mac_bytes(self.target) + mac_bytes(self.source)


def mac_bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


@attrs.define
class _Road:
    """A link with a fault.

    Attributes:
        free_at: When the narrow end has passed on all that waits before it.
        last_due: When the latest frame is due that is not out of order.
    """

    rule: LinkRule
    free_at: float = 0.0
    last_due: float = 0.0


@attrs.define
class FaultyFrames:
    """The frames that are waiting, and the rules.

    Attributes:
        counts: Frames by what became of them: ``cut``, ``lost``, ``overflowed``,
            ``corrupted``, ``duplicated``, ``reordered``, ``delayed``.
    """

    rng: random.Random
    counts: Counter[str] = attrs.field(factory=Counter)
    _roads: dict[bytes, _Road] = attrs.field(factory=dict)
    _waiting: list[tuple[float, int, bytes]] = attrs.field(factory=list)
    _held_bytes: int = 0
    _number: int = 0

    @property
    def faulty_links(self) -> dict[bytes, _Road]:
        """By the first ``LINK_BYTES`` of their frames; all others pass at once."""
        return self._roads

    def use(self, rules: Iterable[LinkRule]) -> list[bytes]:
        """From now on these rules hold, and no others.

        Returns frames that waited and whose link is whole again: they go at once, in
        order. Those whose link is cut now are dropped; others wait on.
        """
        fresh = {rule.key: rule for rule in rules}
        self._roads = {
            key: attrs.evolve(self._roads[key], rule=rule)
            if key in self._roads
            else _Road(rule)
            for key, rule in fresh.items()
        }
        waiting, released = [], []
        for entry in sorted(self._waiting):
            frame = entry[2]
            road = self._roads.get(frame[:LINK_BYTES])
            if road is None:
                released.append(frame)
            elif road.rule.is_cut:
                self.counts["cut"] += 1
            else:
                waiting.append(entry)
        self._waiting = waiting  # sorted, so a heap
        self._held_bytes = sum(len(entry[2]) for entry in waiting)
        return released

    def arrive(self, frame: bytes, now: float) -> Iterator[bytes]:
        """A frame of a faulty link: what goes on at once, perhaps nothing."""
        road = self._roads[frame[:LINK_BYTES]]
        rule, rng = road.rule, self.rng
        if rule.is_cut:
            self.counts["cut"] += 1
            return
        if rule.loss and rng.random() < rule.loss:
            self.counts["lost"] += 1
            return
        copies = 1
        if rule.duplicate and rng.random() < rule.duplicate:
            self.counts["duplicated"] += 1
            copies = 2
        if rule.corrupt and rng.random() < rule.corrupt:
            self.counts["corrupted"] += 1
            frame = with_flipped_bit(frame, rng)
        for _ in range(copies):
            due = self._due(road, len(frame), now)
            if due is None or self._held_bytes + len(frame) > HELD_BYTES_MAX:
                self.counts["overflowed"] += 1
            elif due <= now:
                yield frame
            else:
                self.counts["delayed"] += 1
                self._number += 1
                self._held_bytes += len(frame)
                heapq.heappush(self._waiting, (due, self._number, frame))

    def due(self, now: float) -> Iterator[bytes]:
        """The frames whose time has come."""
        while self._waiting and self._waiting[0][0] <= now:
            frame = heapq.heappop(self._waiting)[2]
            self._held_bytes -= len(frame)
            yield frame

    @property
    def next_due(self) -> float | None:
        """When the next waiting frame goes; None if none waits."""
        return self._waiting[0][0] if self._waiting else None

    def _due(self, road: _Road, length: int, now: float) -> float | None:
        rule, at = road.rule, now
        if rule.bytes_per_s is not None:
            at = max(now, road.free_at)
            queue_s = max(QUEUE_S, QUEUE_BYTES_MIN / rule.bytes_per_s)
            if at - now > queue_s:
                return None
            at = road.free_at = at + length / rule.bytes_per_s
        at += rule.delay_s
        if rule.jitter_s:
            at += self.rng.uniform(0.0, rule.jitter_s)
        if rule.reorder and self.rng.random() < rule.reorder:
            self.counts["reordered"] += 1
            return at + self.rng.uniform(*REORDER_HOLD_S)
        at = road.last_due = max(at, road.last_due)
        return at


def with_flipped_bit(frame: bytes, rng: random.Random) -> bytes:
    """One bit after the header is another: a checksum finds it, and drops the frame."""
    if len(frame) <= HEADER_BYTES:
        return frame
    changed = bytearray(frame)
    changed[rng.randrange(HEADER_BYTES, len(frame))] ^= 1 << rng.randrange(8)
    return bytes(changed)
