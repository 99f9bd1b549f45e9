"""The group as one node knows it: what election, replication and the rest share.

Terms and roles (section 3.3), and the transitions between them that everyone may
cause:

    FOLLOWER -> PRE_CANDIDATE -> CANDIDATE -> LEADER       election.py
        ^------------'---------------'----------'          Group.follow

What only a leader knows is in its ``Reign``, and is gone with it.
"""

from __future__ import annotations

import enum
import math
from collections import Counter
from collections.abc import Callable

from raftleader.replication.raft.log import Log
from raftleader.replication.raft.messages import Message, SnapshotChunk, SnapshotMeta
from raftleader.replication.raft.progress import Progress
from raftleader.replication.raft.reads import Reads
from raftleader.replication.raft.work import (
    ReadDone,
    SnapshotWanted,
    StartingPoint,
)
from raftleader.replication.settings import RaftSettings


class Role(enum.Enum):
    """Of a node in its term."""

    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre-candidate"
    CANDIDATE = "candidate"
    LEADER = "leader"


class Reign:
    """What a leader knows, from its election to its end.

    Attributes:
        no_op_index: Its first entry. Once committed, so is everything before it.
        progress: Of every other member, in the order of the configuration.
        round: Number of the latest round of heartbeats.
        is_round_due: A new round leaves with the next work.
        is_sending_due: Somebody may be sent something with the next work.
        heartbeat_at: When the next round is due anyhow.
        transfer_to: Who shall lead next, while leadership is being handed over.
        transfer_until: When that is given up.
    """

    def __init__(self, *, no_op_index: int, heartbeat_at: float) -> None:
        self.no_op_index = no_op_index
        self.progress: dict[str, Progress] = {}
        self.reads = Reads()
        self.round = 0
        self.is_round_due = True
        self.is_sending_due = True
        self.heartbeat_at = heartbeat_at
        self.transfer_to: str | None = None
        self.transfer_until = math.inf


class Group:
    """See the module.

    Attributes:
        term, vote: The ballot; ``is_ballot_new`` until the driver was given it.
        commit_index: Everything up to it is decided. Never falls.
        voters, others, quorum, is_voter: Of the configuration in force; ``others``
            are all members but this node.
        now_s: The latest time that was told.
        heard_at: When the leader was last heard.
        deadline: When a node that does not lead loses patience.
        timeout_s: The patience that was drawn last.
        reign: While this node leads.
        reign_term: The term it led last.
        snapshot: The newest stored one.
        accepted_index: The leader is told, with the next work, that the logs match up
            to here; None if there is nothing to tell.
        refusals: Why messages were dropped, and how many.
        counts: What happened, for reports: campaigns, reigns, ...
    """

    def __init__(
        self,
        *,
        node_id: str,
        settings: RaftSettings,
        draw: Callable[[], float],
        start: StartingPoint,
        now_s: float,
    ) -> None:
        self.node_id = node_id
        self.settings = settings
        self._draw = draw
        self.term = start.ballot.term
        self.vote = start.ballot.vote
        self.is_ballot_new = False
        self.log = _log_of(start)
        self.snapshot: SnapshotMeta | None = start.snapshot
        self.commit_index = self.log.base_index
        if start.snapshot is not None:
            self.commit_index = max(self.commit_index, start.snapshot.index)
        self.role = Role.FOLLOWER
        self.leader: str | None = None
        self.votes: set[str] = set()
        self.reign: Reign | None = None
        self.reign_term = 0
        self.now_s = now_s
        self.heard_at = -math.inf
        self.timeout_s = 0.0
        self.deadline = now_s

        self.outbox: list[tuple[str, Message]] = []
        self.accepted_index: int | None = None
        self.snapshots_wanted: list[SnapshotWanted] = []
        self.chunk: SnapshotChunk | None = None
        self.reads_done: list[ReadDone] = []
        self.refusals: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

        self.use_configuration()
        self.draw_deadline()

    # --- small things -------------------------------------------------------------

    def send(self, recipient: str, message: Message) -> None:
        """With the next work, once what it promises is on disk."""
        self.outbox.append((recipient, message))

    def refuse(self, reason: str) -> None:
        """Count a message that is dropped."""
        self.refusals[reason] += 1

    def is_member(self, node_id: str) -> bool:
        return node_id in self.others or self.configuration.peer(node_id) is not None

    def use_configuration(self) -> None:
        """The log's configuration may be another one: it counts from now on."""
        self.configuration = self.log.configuration
        self.voters = self.configuration.voters
        self.others = tuple(
            one for one in self.configuration.node_ids if one != self.node_id
        )
        self.quorum = len(self.voters) // 2 + 1
        self.is_voter = self.node_id in self.voters
        if self.reign is not None:
            known = self.reign.progress
            self.reign.progress = {
                one: known.get(one) or self._new_progress() for one in self.others
            }
            self.reign.is_sending_due = True

    def _new_progress(self) -> Progress:
        return Progress(next_index=self.log.last_index + 1, now_s=self.now_s)

    def link_changed(self, peer: str, *, is_up: bool) -> None:
        """What was on its way to ``peer`` may be lost."""
        reign = self.reign
        if reign is not None and peer in reign.progress:
            reign.progress[peer].link_changed(is_up=is_up)
            reign.is_sending_due |= is_up

    def came_anew(self, peer: str) -> None:
        """Nothing is known of the log of ``peer`` any more."""
        reign = self.reign
        if reign is not None and peer in reign.progress:
            reign.progress[peer] = self._new_progress()
            reign.is_sending_due = True

    def draw_deadline(self) -> None:
        """Be patient anew, for a time drawn anew. Alone there is nobody to wait for."""
        settings = self.settings
        spread_s = settings.election_timeout_max_s - settings.election_timeout_min_s
        self.timeout_s = settings.election_timeout_min_s + self._draw() * spread_s
        is_alone = self.voters == (self.node_id,)
        self.deadline = self.now_s + (0.0 if is_alone else self.timeout_s)

    def draw_within(self, longest_s: float) -> float:
        """A part of ``longest_s``, by chance."""
        return self._draw() * longest_s

    def commit(self, index: int) -> bool:
        """Everything up to ``index`` is decided; whether that is news."""
        if index <= self.commit_index:
            return False
        self.commit_index = index
        return True

    # --- transitions --------------------------------------------------------------

    def follow(self, term: int, leader: str | None) -> None:
        """Be a follower in ``term``, which is ours or a later one."""
        if self.reign is not None:
            self.reads_done += self.reign.reads.lost()
            self.reign = None
            self.counts["step_downs"] += 1
        if term > self.term:
            self.term, self.vote = term, None
            self.is_ballot_new = True
            self.accepted_index = None
        if self.role is not Role.FOLLOWER:
            self.role = Role.FOLLOWER
            self.votes.clear()
            self.draw_deadline()
        self.leader = leader

    def begin_reign(self) -> Reign:
        """Lead the present term; the first entry of it is appended next."""
        self.role = Role.LEADER
        self.leader = self.node_id
        self.votes.clear()
        self.counts["reigns"] += 1
        self.reign_term = self.term
        self.accepted_index = None
        self.reign = Reign(
            no_op_index=self.log.last_index + 1,
            heartbeat_at=self.now_s + self.settings.heartbeat_s,
        )
        self.use_configuration()
        return self.reign


def _log_of(start: StartingPoint) -> Log:
    """The log that a node starts with.

    A snapshot that the log does not reach, or contradicts, was installed just before
    the end, and the journal not begun anew: the log then begins after it.
    """
    log = Log(
        base_index=start.base_index,
        base_term=start.base_term,
        entries=start.entries,
        configuration=start.configuration,
    )
    meta = start.snapshot
    if meta is not None:
        if log.matches(meta.index, meta.term):
            log.use_snapshot(meta)
        elif meta.index >= log.base_index:
            log.begin_after(meta)
    return log
