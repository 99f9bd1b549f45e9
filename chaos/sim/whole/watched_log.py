"""The Raft log of a simulated node, with the checkers of what Raft rests on: votes,
what is on disk before it is said, and who could be elected without a committed entry.

They find a rule that is broken long before the rare accident that would show it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Protocol, TypeGuard

import attrs

from chaos.checkers.committed_safe import CommittedSafe, Log
from chaos.checkers.committed_stay import CommittedStay
from chaos.checkers.one_vote import OneVote
from chaos.checkers.told_is_durable import Position, ToldIsDurable
from chaos.judging.log_judge import Problem
from chaos.sim.whole.history import History
from raftleader.replication.member.member import Member
from raftleader.replication.member.writing import Outgoing
from raftleader.replication.pysyncobj_backend.wire import (
    AppendReply as LibraryAppendReply,
)
from raftleader.replication.pysyncobj_backend.wire import (
    VoteReply as LibraryVoteReply,
)
from raftleader.replication.raft.core import Role
from raftleader.replication.raft.messages import AppendReply, VoteReply
from raftleader.replication.raft_log import RaftLog

Logs = Callable[[], dict[str, Log] | None]
"""The logs of all nodes, dead ones too; None when they cannot tell who may vote."""


class Consensus(Protocol):
    """What the judge looks at of a node, whatever its engine.

    Attributes:
        identity: Of its data directory.
        vote: In this term.
        end: (term, index) of its last entry.
        first_index: Of the entries that it still has.
    """

    @property
    def identity(self) -> Hashable: ...
    @property
    def term(self) -> int: ...
    @property
    def vote(self) -> str | None: ...
    @property
    def end(self) -> Position: ...
    @property
    def first_index(self) -> int: ...
    @property
    def commit_index(self) -> int: ...
    @property
    def is_leader(self) -> bool: ...
    def term_at(self, index: int) -> int: ...


class RaftJudge:
    """The checkers; one for all nodes of a run."""

    def __init__(self, committed: CommittedStay, logs: Logs) -> None:
        self._one_vote = OneVote()
        self._durable = ToldIsDurable()
        self._safe = CommittedSafe()
        self._committed = committed
        self._logs = logs

    def opened(self, node: Consensus) -> Iterator[Problem]:
        """A node has read its directory."""
        for text in self._durable.restarted(
            node.identity, term=node.term, vote=node.vote, last=node.end
        ):
            yield ToldIsDurable.name, text

    def sends(
        self, node: Consensus, outgoing: Iterable[tuple[str, object]]
    ) -> Iterator[Problem]:
        """These messages are about to leave a node."""
        identity = node.identity
        last = 0
        for peer, message in outgoing:
            if isinstance(message, AppendReply | LibraryAppendReply):
                if message.is_accepted:
                    last = max(last, message.index)
            elif _is_vote(message):
                self._durable.voted(identity, message.term, peer)
                for text in self._one_vote.voted(identity, message.term, peer):
                    yield OneVote.name, text
        if last and last >= node.first_index:
            self._durable.acknowledged(identity, (node.term_at(last), last))
        self._durable.told_term(identity, node.term)
        for text in self._durable.holds(identity, node.end):
            yield ToldIsDurable.name, text

    def commits(self, name: str, node: Consensus) -> Iterator[Problem]:
        """A node takes more of its entries for committed than before."""
        index = node.commit_index
        if index < node.first_index:
            return
        term = node.term_at(index)
        for text in self._committed.committed(name, index, term):
            yield CommittedStay.name, text
        if not node.is_leader:
            return
        problems = self._safe.counted(name, index, term, node.term)
        logs = self._logs()
        if logs is not None:
            problems += self._safe.committed(name, index, term, logs)
        for text in problems:
            yield CommittedSafe.name, text


@attrs.frozen
class MemberConsensus:
    """``Consensus`` of our own engine."""

    name: str
    member: Member

    @property
    def identity(self) -> Hashable:
        return (self.name, self.member.instance)

    @property
    def term(self) -> int:
        return self.member.core.term

    @property
    def vote(self) -> str | None:
        return self.member.core.vote

    @property
    def end(self) -> Position:
        return (self.member.core.last_term, self.member.core.last_index)

    @property
    def first_index(self) -> int:
        return self.member.core.first_index

    @property
    def commit_index(self) -> int:
        return self.member.core.commit_index

    @property
    def is_leader(self) -> bool:
        return self.member.core.role is Role.LEADER

    def term_at(self, index: int) -> int:
        return self.member.core.term_at(index)


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
        self._history.report(self._judge.opened(MemberConsensus(self._name, member)))
        return member

    async def _step(self, member: Member, mesh: Any, inbox: Any) -> None:
        committed = member.core.commit_index
        await super()._step(member, mesh, inbox)
        if member.core.commit_index > committed:
            node = MemberConsensus(self._name, member)
            self._history.report(self._judge.commits(self._name, node))

    def _send(self, outgoing: list[Outgoing], mesh: Any) -> None:
        assert self.member is not None
        node = MemberConsensus(self._name, self.member)
        self._history.report(self._judge.sends(node, outgoing))
        super()._send(outgoing, mesh)


def _is_vote(message: object) -> TypeGuard[VoteReply | LibraryVoteReply]:
    return (
        isinstance(message, VoteReply | LibraryVoteReply)
        and message.is_granted
        and not message.is_probe
    )
