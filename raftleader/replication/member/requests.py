"""What callers ask of a leader besides proposals: reads, changes, handing over."""

from __future__ import annotations

from raftleader.errors import (
    InvalidInputError,
    NotLeaderError,
    OutcomeUnknownError,
    RaftLeaderError,
)
from raftleader.replication.member.proposals import Done, Proposals
from raftleader.replication.raft.core import RaftCore
from raftleader.replication.raft.membership import Change, Refused
from raftleader.replication.raft.work import ReadDone


class Requests:
    """Everything of these kinds that is not settled; each is settled exactly once."""

    def __init__(self, proposals: Proposals, *, transfer_s: float) -> None:
        self._proposals = proposals
        self._transfer_s = transfer_s
        self._reads: list[Done] = []
        self._asked: dict[int, list[Done]] = {}
        self._answered: list[tuple[int, list[Done]]] = []
        self._changes: list[tuple[Change, Done]] = []
        self._transfers: list[tuple[str, Done]] = []
        self._transfer: tuple[str, Done, int, float] | None = None

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
            outcome = core.change(change, now_s)
            if isinstance(outcome, Refused):
                done(None, InvalidInputError("", outcome.reason))
            else:
                self._proposals.waits_for(outcome.index, core.term, 0, done)
        transfers, self._transfers = self._transfers, []
        for target, done in transfers:
            reason = core.transfer(target, now_s)
            if reason is not None:
                done(None, InvalidInputError("", reason))
            else:
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


def _fail(dones: list[Done], error: RaftLeaderError) -> None:
    for done in dones:
        done(None, error)
