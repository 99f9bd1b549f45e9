"""The Raft log of a simulated node, with the checkers of what Raft rests on: votes,
what is on disk before it is said, and who could be elected without a committed entry.

They find a rule that is broken long before the rare accident that would show it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeGuard

from chaos.checkers.committed_safe import CommittedSafe, Log
from chaos.checkers.committed_stay import CommittedStay
from chaos.checkers.one_vote import OneVote
from chaos.checkers.told_is_durable import ToldIsDurable
from chaos.sim.fast.log_view import LogView
from chaos.sim.whole.history import History
from chaos.judging.log_judge import Problem
from raftleader.replication.member.member import Member
from raftleader.replication.member.writing import Outgoing
from raftleader.replication.raft.core import Role
from raftleader.replication.raft.messages import AppendReply, VoteReply
from raftleader.replication.raft_log import RaftLog

Logs = Callable[[], dict[str, Log] | None]
"""The logs of all nodes, dead ones too; None when they cannot tell who may vote."""


class RaftJudge:
    """The checkers; one for all nodes of a run."""

    def __init__(self, committed: CommittedStay, logs: Logs) -> None:
        self._one_vote = OneVote()
        self._durable = ToldIsDurable()
        self._safe = CommittedSafe()
        self._committed = committed
        self._logs = logs

    def opened(self, name: str, member: Member) -> Iterator[Problem]:
        """A node has read its directory."""
        core = member.core
        for text in self._durable.restarted(
            (name, member.instance),
            term=core.term,
            vote=core.vote,
            last=(core.last_term, core.last_index),
        ):
            yield ToldIsDurable.name, text

    def sends(
        self, name: str, member: Member, outgoing: list[Outgoing]
    ) -> Iterator[Problem]:
        """These messages are about to leave a node."""
        core, identity = member.core, (name, member.instance)
        last = 0
        for peer, message in outgoing:
            if isinstance(message, AppendReply):
                if message.is_accepted:
                    last = max(last, message.index)
            elif _is_vote(message):
                self._durable.voted(identity, message.term, peer)
                for text in self._one_vote.voted(identity, message.term, peer):
                    yield OneVote.name, text
        if last and last >= core.first_index:
            self._durable.acknowledged(identity, (core.term_at(last), last))
        self._durable.told_term(identity, core.term)

    def commits(self, name: str, member: Member) -> Iterator[Problem]:
        """A node takes more of its entries for committed than before."""
        core = member.core
        index = core.commit_index
        if index < core.first_index:
            return
        term = core.term_at(index)
        for text in self._committed.committed(name, index, term):
            yield CommittedStay.name, text
        if core.role is not Role.LEADER:
            return
        problems = self._safe.counted(name, index, term, core.term)
        logs = self._logs()
        if logs is not None:
            problems += self._safe.committed(name, index, term, logs)
        for text in problems:
            yield CommittedSafe.name, text


class WatchedRaftLog(RaftLog):
    """Tells the judge what it finds, says and commits."""

    def __init__(
        self, *, history: History, judge: RaftJudge, name: str, **arguments: Any
    ) -> None:
        super().__init__(node_id=name, **arguments)
        self._history = history
        self._judge = judge
        self._name = name

    def _open(self) -> Member:
        member = super()._open()
        self._history.report(self._judge.opened(self._name, member))
        return member

    async def _step(self, member: Member, mesh: Any, inbox: Any) -> None:
        committed = member.core.commit_index
        await super()._step(member, mesh, inbox)
        if member.core.commit_index > committed:
            self._history.report(self._judge.commits(self._name, member))

    def _send(self, outgoing: list[Outgoing], mesh: Any) -> None:
        assert self.member is not None
        self._history.report(self._judge.sends(self._name, self.member, outgoing))
        super()._send(outgoing, mesh)


def _is_vote(message: object) -> TypeGuard[VoteReply]:
    return (
        isinstance(message, VoteReply) and message.is_granted and not message.is_probe
    )


def log_of(log: object) -> LogView | None:
    """How a checker sees a node's log, of its present life or its last."""
    if isinstance(log, RaftLog) and log.member is not None:
        return LogView(log.member.core)
    return None
