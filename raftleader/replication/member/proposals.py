"""Proposals of this node that wait for their entry to be applied here.

Proposals of one step get consecutive places in the log, so they are kept as batches
in the order of the log: the one that may be settled next is always the first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from raftleader.errors import (
    NotLeaderError,
    OutcomeUnknownError,
    OverloadedError,
    RaftLeaderError,
)
from raftleader.replication.entries import Entry

Done = Callable[[object, Exception | None], None]
"""``done(result, None)`` or ``done(None, error)``, called exactly once.

It is called in the middle of a step: it must not raise, nor call the member."""

_NEVER = 2**63


class _Batch:
    """Proposals whose entries follow each other, all of one term."""

    __slots__ = ("dones", "first", "position", "size_bytes", "term")

    def __init__(
        self, first: int, term: int, dones: list[Done], size_bytes: int
    ) -> None:
        self.first = first
        self.term = term
        self.dones = dones
        self.size_bytes = size_bytes
        self.position = 0


class Proposals:
    """Bounded in number and bytes; each is settled exactly once.

    Attributes:
        next_index: Index of the first entry that somebody waits for; beyond all
            indexes if there is none.
        count: Proposals that are not settled.
        size_bytes: Their bytes.
    """

    def __init__(self, *, count_max: int, bytes_max: int) -> None:
        self.next_index = _NEVER
        self.count = 0
        self.size_bytes = 0
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._datas: list[bytes] = []
        self._dones: list[Done] = []
        self._gathered_bytes = 0
        self._batches: deque[_Batch] = deque()

    def admit(self, data: bytes, done: Done) -> RaftLeaderError | None:
        """Gather one for the next step; ``data`` with its kind.

        Or return why there is no room; ``done`` is not called then.
        """
        size = len(data)
        if self.count >= self._count_max:
            return OverloadedError(f"{self._count_max} proposals are pending")
        if self.count and self.size_bytes + size > self._bytes_max:
            return OverloadedError(f"{self.size_bytes} bytes of proposals are pending")
        self.count += 1
        self.size_bytes += size
        self._gathered_bytes += size
        self._datas.append(data)
        self._dones.append(done)
        return None

    @property
    def gathered(self) -> list[bytes]:
        """What the next step should propose."""
        return self._datas

    def submitted(self, first: int, term: int) -> None:
        """All that was gathered is in the log now, from ``first`` on."""
        self._batches.append(_Batch(first, term, self._dones, self._gathered_bytes))
        if len(self._batches) == 1:
            self.next_index = first
        self._forget_gathered()

    def waits_for(self, index: int, term: int, size_bytes: int, done: Done) -> None:
        """``done`` waits for one entry that the core made itself."""
        self.count += 1
        self.size_bytes += size_bytes
        self._batches.append(_Batch(index, term, [done], size_bytes))
        self.next_index = self._batches[0].first + self._batches[0].position

    def refuse_gathered(self, error: RaftLeaderError) -> None:
        """All that was gathered will never be in a log: ``error`` is definite."""
        dones, size_bytes = self._dones, self._gathered_bytes
        self._forget_gathered()
        self.count -= len(dones)
        self.size_bytes -= size_bytes
        for done in dones:
            done(None, error)

    def settle(self, entry: Entry, result: object) -> None:
        """``entry``, whose index is ``next_index``, was applied.

        If it is another one than was proposed, of another term, then what was
        proposed there was overwritten and will never be applied.
        """
        batch = self._batches[0]
        position = batch.position
        done = batch.dones[position]
        batch.position = position + 1
        size = len(entry.data) if entry.term == batch.term else 0
        batch.size_bytes -= size
        self.size_bytes -= size
        self.count -= 1
        if position + 1 < len(batch.dones):
            self.next_index += 1
        else:
            self._forget_first()
        if entry.term == batch.term:
            done(result, None)
        else:
            done(None, NotLeaderError(None))

    def skip_to(self, index: int) -> None:
        """The state includes ``index`` now without having applied what is before it:
        what happened to those entries is not known here."""
        while self._batches and self.next_index <= index:
            batch = self._batches[0]
            done = batch.dones[batch.position]
            batch.position += 1
            self.count -= 1
            if batch.position < len(batch.dones):
                self.next_index += 1
            else:
                self._forget_first()
            done(None, OutcomeUnknownError("a snapshot took the place of the entry"))

    def lost_leadership(self, term: int, commit_index: int) -> None:
        """This node leads ``term`` only, or, if it is 0, not at all: nobody can tell
        what becomes of proposals of other terms, but for the committed ones."""
        batches, self._batches = self._batches, deque()
        failed: list[Done] = []
        for batch in batches:
            if batch.term == term:
                self._batches.append(batch)
                continue
            keep = min(max(0, commit_index + 1 - batch.first), len(batch.dones))
            keep = max(keep, batch.position)
            failed.extend(batch.dones[keep:])
            del batch.dones[keep:]
            if batch.position < keep:
                self._batches.append(batch)
            else:
                self.size_bytes -= batch.size_bytes
        self.count -= len(failed)
        self._look_at_first()
        for done in failed:
            done(None, OutcomeUnknownError("leadership was lost"))

    def end(self) -> None:
        """The node stops: settle everything."""
        self.refuse_gathered(NotLeaderError(None))
        batches, self._batches = self._batches, deque()
        self.count = self.size_bytes = 0
        self._look_at_first()
        for batch in batches:
            for done in batch.dones[batch.position :]:
                done(None, OutcomeUnknownError("the node stopped"))

    @property
    def is_waiting(self) -> bool:
        """Some are in the log and not applied yet."""
        return bool(self._batches)

    def _forget_gathered(self) -> None:
        self._datas, self._dones, self._gathered_bytes = [], [], 0

    def _forget_first(self) -> None:
        # Entries that were overwritten have other sizes than what was admitted.
        self.size_bytes -= self._batches.popleft().size_bytes
        self._look_at_first()

    def _look_at_first(self) -> None:
        if self._batches:
            self.next_index = self._batches[0].first + self._batches[0].position
        else:
            self.next_index = _NEVER
