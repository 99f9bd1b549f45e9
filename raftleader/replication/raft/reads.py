"""Reads without an entry in the log (ReadIndex, section 6.4).

A read is answered with an index: a state that includes it includes everything that
was answered before the question. That is the commit index at the time, or the
leader's first entry if it is not committed yet: all that earlier leaders answered is
before that. It holds if we still lead, which a round of heartbeats begun after the
question shows once a majority echoes it. Reads of one step share a round.
"""

from __future__ import annotations

from collections import deque

import msgspec

from raftleader.replication.raft.work import ReadDone


class _Read(msgspec.Struct, frozen=True, gc=False):
    read_id: int
    index: int
    round: int


class Reads:
    """The reads that wait in one reign; their rounds and indexes never fall."""

    def __init__(self) -> None:
        self._waiting: deque[_Read] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, read_id: int, *, index: int, in_round: int) -> None:
        """``in_round`` has not begun yet, and proves leadership for this read."""
        self._waiting.append(_Read(read_id, index, in_round))

    def done(self, *, confirmed_round: int, commit_index: int) -> list[ReadDone]:
        """Those that can be answered now; they wait no more."""
        answered: list[ReadDone] = []
        waiting = self._waiting
        while (
            waiting
            and waiting[0].round <= confirmed_round
            and waiting[0].index <= commit_index
        ):
            read = waiting.popleft()
            answered.append(ReadDone(read_id=read.read_id, index=read.index))
        return answered

    def lost(self) -> list[ReadDone]:
        """All of them, without an answer: we lead no more."""
        answered = [ReadDone(read_id=one.read_id, index=None) for one in self._waiting]
        self._waiting.clear()
        return answered
