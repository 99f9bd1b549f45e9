"""What callers ask of a leader besides proposals: reads, changes, handing over."""

from __future__ import annotations

from raftleader.errors import (
    InvalidInputError,
    NotLeaderError,
    OutcomeUnknownError,
    RaftLeaderError,
)
from raftleader.replication.member.proposals import Done, Proposals
from raftleader.replication.raft.core import RaftCore, Role
from raftleader.replication.raft.membership import (
    Change,
    Promote,
    Refused,
    Remove,
)
from raftleader.replication.raft.messages import AppendEntries
from raftleader.replication.raft.work import ReadDone, Work


class Requests:
    """Everything of these kinds that is not settled; each is settled exactly once."""

    def __init__(
        self, proposals: Proposals, *, node_id: str, transfer_s: float
    ) -> None:
        self._node_id = node_id
        self._proposals = proposals
        self._transfer_s = transfer_s
        self._reads: list[Done] = []
        self._asked: dict[int, list[Done]] = {}
        self._answered: list[tuple[int, list[Done]]] = []
        self._changes: list[tuple[Change, Done]] = []
        self._transfers: list[tuple[str, Done]] = []
        self._transfer: tuple[str, Done, int, float] | None = None
        self._leaving: list[str] = []

    @property
    def is_new(self) -> bool:
        """Something was asked since the last step."""
        return bool(self._reads or self._changes or self._transfers)

    @property
    def deadline_s(self) -> float:
        """When to look again, if nothing happens."""
        return self._transfer[3] if self._transfer is not None else float("inf")

    def read(self, done: Done) -> None:
        """Reads of one step share one round of heartbeats."""
        self._reads.append(done)

    def change(self, change: Change, done: Done) -> None:
        self._changes.append((change, done))

    def transfer(self, target: str, done: Done) -> None:
        self._transfers.append((target, done))

    def submit(self, core: RaftCore, now_s: float) -> None:
        """Ask the core for all that is new."""
        if self._reads:
            reads, self._reads = self._reads, []
            read_id = core.read(now_s)
            if read_id is None:
                _fail(reads, NotLeaderError(None))
            else:
                self._asked[read_id] = reads
        changes, self._changes = self._changes, []
        for change, done in changes:
            unknown = _unknown_directory(change, core)
            if unknown:
                done(None, InvalidInputError("", unknown))
                continue
            outcome = core.change(change, now_s)
            if isinstance(outcome, Refused):
                done(None, InvalidInputError("", outcome.reason))
            else:
                self._proposals.waits_for(outcome.index, core.term, 0, done)
                if isinstance(change, Remove):
                    self._leaving.append(change.node_id)
        transfers, self._transfers = self._transfers, []
        for target, done in transfers:
            reason = core.transfer(target, now_s)
            if reason is not None:
                done(None, InvalidInputError("", reason))
            else:
                if self._transfer is not None:  # the core has given that one up
                    self._transfer[1](None, OutcomeUnknownError("it was given up"))
                end_s = now_s + self._transfer_s
                self._transfer = (target, done, core.term, end_s)

    def refuse_new(self, error: RaftLeaderError) -> None:
        """Nothing that is new can be done here: ``error`` is definite."""
        changes, self._changes = self._changes, []
        transfers, self._transfers = self._transfers, []
        reads, self._reads = self._reads, []
        _fail(reads, error)
        _fail([done for _, done in changes], error)
        _fail([done for _, done in transfers], error)

    def farewells(self, core: RaftCore, work: Work) -> list[tuple[str, AppendEntries]]:
        """For members that ``work`` takes out: the entry that does so.

        It counts from there on, so the core sends them nothing any more. A node that
        has the entry knows that it was removed; one that missed this message does
        not, asks for votes now and then, and harms nobody."""
        if not self._leaving:
            return []
        leaving, self._leaving = self._leaving, []
        if not work.entries or core.role is not Role.LEADER:
            return []
        before = work.entries[0].index - 1
        message = AppendEntries(
            sender=self._node_id,
            term=core.term,
            prev_index=before,
            prev_term=core.term_at(before),
            commit_index=min(core.commit_index, work.entries[-1].index),
            entries=tuple([(entry.term, entry.data) for entry in work.entries]),
        )
        return [(peer, message) for peer in leaving if peer != self._node_id]

    def reads_done(self, reads: tuple[ReadDone, ...]) -> None:
        """Leadership was proved for these, or lost."""
        for read in reads:
            dones = self._asked.pop(read.read_id, [])
            if read.index is None:
                _fail(dones, NotLeaderError(None))
            else:
                self._answered.append((read.index, dones))

    def settle(self, core: RaftCore, applied_index: int, now_s: float) -> None:
        """Answer reads whose entries are applied, and the transfer when it ended."""
        while self._answered and self._answered[0][0] <= applied_index:
            index, dones = self._answered.pop(0)
            for done in dones:
                done(index, None)
        if self._transfer is not None:
            self._look_at_transfer(core, now_s)

    def lost_leadership(self, error: RaftLeaderError) -> None:
        """Nothing can be proved any more, nor asked of this node."""
        self.refuse_new(error)
        asked, self._asked = self._asked, {}
        for dones in asked.values():
            _fail(dones, error)

    def end(self) -> None:
        """The node stops."""
        self.refuse_new(NotLeaderError(None))
        asked, self._asked = self._asked, {}
        answered, self._answered = self._answered, []
        for dones in asked.values():
            _fail(dones, NotLeaderError(None))
        for _, dones in answered:
            _fail(dones, NotLeaderError(None))
        if self._transfer is not None:
            (_, done, _, _), self._transfer = self._transfer, None
            done(None, OutcomeUnknownError("the node stopped"))

    @property
    def is_waiting(self) -> bool:
        """``settle`` may have something to do."""
        return bool(self._answered) or self._transfer is not None

    def _look_at_transfer(self, core: RaftCore, now_s: float) -> None:
        assert self._transfer is not None
        target, done, term, deadline_s = self._transfer
        if core.term > term and core.leader is not None:
            self._transfer = None
            if core.leader == target:
                done(core.leader, None)
            else:
                done(None, OutcomeUnknownError(f"{core.leader} leads now"))
        elif now_s >= deadline_s:
            self._transfer = None
            done(None, OutcomeUnknownError(f"{target} does not lead yet"))


def _unknown_directory(change: Change, core: RaftCore) -> str:
    """Why a learner cannot be promoted yet, or nothing; see ``instances``."""
    if isinstance(change, Promote):
        peer = core.configuration.peer(change.node_id)
        if peer is not None and not peer.is_voter and not peer.instance:
            return (
                f"{change.node_id} was not heard from yet: it has to run, started with"
                f" --join, and to be reachable at {peer.address}"
            )
    return ""


def _fail(dones: list[Done], error: RaftLeaderError) -> None:
    for done in dones:
        done(None, error)
