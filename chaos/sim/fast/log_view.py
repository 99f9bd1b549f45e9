"""The log of a simulated node, as its checkers want to see it."""

from __future__ import annotations

from raftleader.replication.raft.core import RaftCore


class LogView:
    """A ``chaos.checkers.committed_safe.Log``."""

    __slots__ = ("core",)

    def __init__(self, core: RaftCore) -> None:
        self.core = core

    @property
    def end(self) -> tuple[int, int]:
        index = self.core.stable_index
        return (self.core.term_at(index), index)

    @property
    def voters(self) -> tuple[str, ...]:
        return self.core.configuration.voters

    def has(self, index: int, term: int) -> bool:
        core = self.core
        if index < core.first_index:
            return True
        return index <= core.stable_index and core.term_at(index) == term
