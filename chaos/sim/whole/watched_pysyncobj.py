"""The log of a simulated node with the engine pysyncobj, judged like our own."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import attrs

from chaos.checkers.committed_safe import Log
from chaos.checkers.told_is_durable import Position
from chaos.sim.fast.log_view import LogView
from chaos.sim.whole.history import History
from chaos.sim.whole.watched_log import RaftJudge
from raftleader.replication.pysyncobj_backend.guards import GuardedSyncObj
from raftleader.replication.pysyncobj_backend.library import LEADER
from raftleader.replication.pysyncobj_backend.log import PySyncObjLog
from raftleader.replication.raft_log import RaftLog


@attrs.frozen
class LibraryConsensus:
    """``Consensus`` of this engine. Its entries begin at 1 and are never compacted."""

    name: str
    engine: GuardedSyncObj

    @property
    def identity(self) -> Hashable:
        return self.name

    @property
    def term(self) -> int:
        return self.engine.term

    @property
    def vote(self) -> str | None:
        return self.engine._vote

    @property
    def end(self) -> Position:
        last = self.engine._entries[-1]
        return (last.term, last.index)

    @property
    def first_index(self) -> int:
        return 1

    @property
    def commit_index(self) -> int:
        return self.engine.commit_index

    @property
    def is_leader(self) -> bool:
        return self.engine.state == LEADER

    def term_at(self, index: int) -> int:
        return self.engine._entries[index - 1].term


class WatchedPySyncObjLog(PySyncObjLog):
    """Tells the judge what it finds, says and commits.

    Attributes:
        view: How a checker sees the log, of its present life or its last; None before
            it was read.
    """

    def __init__(
        self, *, history: History, judge: RaftJudge, name: str, **arguments: Any
    ) -> None:
        super().__init__(node_id=name, **arguments)
        self.view: SyncedView | None = None
        self._history = history
        self._judge = judge
        self._name = name

    async def _run(
        self, engine: GuardedSyncObj, journal: Any, task_status: Any
    ) -> None:
        voters = tuple(sorted(self._members))
        node = LibraryConsensus(self._name, engine)
        self.view = SyncedView(node=node, voters=voters, end=node.end)
        self._history.report(self._judge.opened(node))
        await super()._run(engine, journal, task_status)

    def _step(self, engine: GuardedSyncObj, journal: Any, mesh: Any) -> None:
        committed = engine.commit_index
        super()._step(engine, journal, mesh)
        if engine.commit_index > committed:
            node = LibraryConsensus(self._name, engine)
            self._history.report(self._judge.commits(self._name, node))

    def _send(self, engine: GuardedSyncObj, mesh: Any) -> None:
        """All there is has been synced just before."""
        assert self.view is not None
        node = LibraryConsensus(self._name, engine)
        self.view.end = node.end
        self._history.report(self._judge.sends(node, engine.outbox))
        super()._send(engine, mesh)


@attrs.define(kw_only=True)
class SyncedView:
    """A ``chaos.checkers.committed_safe.Log``: what of it is on the disk."""

    node: LibraryConsensus
    voters: tuple[str, ...]
    end: Position

    def has(self, index: int, term: int) -> bool:
        # A node that died in the middle of a step may have fewer by then.
        last = min(self.end[1], self.node.end[1])
        return index <= last and self.node.term_at(index) == term


def log_of(log: object) -> Log | None:
    """How a checker sees a node's log, of its present life or its last."""
    if isinstance(log, RaftLog) and log.member is not None:
        return LogView(log.member.core)
    return log.view if isinstance(log, WatchedPySyncObjLog) else None
