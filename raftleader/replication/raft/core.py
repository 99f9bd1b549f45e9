"""Raft without IO: messages, time and proposals in; what to do about them out.

This is the door; the subjects are in the files beside it: ``election``,
``following`` and ``leading`` (the two halves of replication), ``progress``,
``snapshots``, ``membership``, ``reads``, ``transfer``, over ``group`` (what they
share) and ``log``. Sections cited everywhere are those of Ongaro, "Consensus:
Bridging Theory and Practice", 2014.

**Inputs change memory only.** What follows from them is gathered, and ``take`` gives
it to the driver as one ``Work``, with the order in which to do it (``work.py``). So
everything that came in one step shares one sync of the disk and few messages.

**What is durable when** (3.8). Term, vote and entries of a work are on disk before any
message of the same work leaves. Hence, of what others know of a node, nothing can be
forgotten by it: a vote was written before its answer, a term before it is told, an
entry before it is acknowledged, and a leader's own copy of an entry counts only after
``persisted``. The commit index is never written: the next leader finds it again.

**Who may answer what.**

* A write is done when its index is at or below ``commit_index`` in the term it was
  proposed in. After leadership was lost its fate is open until the index is committed.
* A read is done when ``ReadDone`` names an index and the state includes it (6.4):
  never by the mere belief to lead. There is no lease; clocks matter for liveness only.
* Everybody may apply up to its own ``commit_index``: that is decided for ever.

**What keeps it safe**, beside the paper's rules: answers count in their term only and
votes by voter, so that old and repeated messages do no harm; a log is cut at a
conflict only, and a conflict at or below the commit index stops the node with
InvariantError, for then a promise is broken already. Nothing else a peer can say
raises: it is counted in ``refusals`` and dropped.

**What keeps it live**: pre-vote and stickiness keep returning nodes from deposing a
healthy leader (9.6, 4.2.3); check-quorum makes a leader that nobody answers step
down (6.2); a broken link from the leader makes its followers ask at once.

**Messages of non-members.** Votes asked by a node that is not in our configuration
count if its log is not older than ours, and whoever leads our term or a later one is
followed, member or not: it may be we who do not know the latest configuration (4.1).
All else from non-members is dropped, and cannot raise our term.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from raftleader.replication.entries import Entry
from raftleader.replication.raft import gathering, membership, snapshots, transfer
from raftleader.replication.raft.configuration import (
    Configuration,
    configuration_entry,
)
from raftleader.replication.raft.election import Election
from raftleader.replication.raft.following import Following
from raftleader.replication.raft.group import Group, Reign
from raftleader.replication.raft.group import Role as Role
from raftleader.replication.raft.leading import Leading
from raftleader.replication.raft.membership import (
    Change,
    Proposed,
    Refused,
)
from raftleader.replication.raft.messages import (
    AppendEntries,
    AppendReply,
    Heartbeat,
    HeartbeatReply,
    Message,
    RequestVote,
    SnapshotChunk,
    SnapshotMeta,
    SnapshotReply,
    TimeoutNow,
    VoteReply,
)
from raftleader.replication.raft.progress import PeerProgress
from raftleader.replication.raft.work import (
    SnapshotWanted,
    StartingPoint,
    Work,
)
from raftleader.replication.settings import RaftSettings

LEARNER_LAG_MAX = 2_000
"""A learner that lacks more entries is not made a voter: until it had them, the loss
of one other voter could stop the group. Some tens of milliseconds at full load."""


class RaftCore:
    """One node's Raft. See the module, and ``work.py`` for what the driver owes.

    Not thread-safe, never blocks. ``now_s`` is any monotonic clock in seconds,
    private to the node; ``draw`` gives numbers in [0, 1), one for each timeout.
    """

    def __init__(
        self,
        *,
        node_id: str,
        settings: RaftSettings,
        draw: Callable[[], float],
        start: StartingPoint,
        now_s: float,
        learner_lag_max: int = LEARNER_LAG_MAX,
    ) -> None:
        group = Group(
            node_id=node_id, settings=settings, draw=draw, start=start, now_s=now_s
        )
        self._group = group
        self._learner_lag_max = learner_lag_max
        self._following = Following(group)
        self._leading = Leading(
            group, on_match=self._on_match, on_commit=self._on_commit
        )
        self._election = Election(group, on_won=self._leading.begin)
        self._reads_begun = 0
        # Each handler takes the one kind of message it is found under.
        self._handlers: dict[type, Callable[..., None]] = {
            AppendEntries: self._following.on_append,
            AppendReply: self._leading.on_append_reply,
            Heartbeat: self._following.on_heartbeat,
            HeartbeatReply: self._leading.on_heartbeat_reply,
            RequestVote: self._election.on_request,
            VoteReply: self._election.on_reply,
            SnapshotChunk: self._following.on_chunk,
            SnapshotReply: self._leading.on_snapshot_reply,
            TimeoutNow: self._election.on_timeout_now,
        }

    # --- inputs -------------------------------------------------------------------

    def receive(self, message: Message, now_s: float) -> None:
        """Take one message, of anybody and of any age.

        Raises InvariantError if the message shows that something committed was lost.
        """
        group = self._group
        group.now_s = now_s
        if message.sender == group.node_id:
            group.refuse("from ourselves")
            return
        self._handlers[type(message)](message)

    def tick(self, now_s: float) -> None:
        """Do what is due. Cheap, and needed only when ``wake_at`` has come."""
        group = self._group
        group.now_s = now_s
        reign = group.reign
        if reign is None:
            if now_s >= group.deadline:
                self._election.lose_patience()
            return
        if now_s >= reign.transfer_until:
            transfer.give_up(reign, group)
        self._leading.tick(reign)

    def propose(self, data: Sequence[bytes], now_s: float) -> int | None:
        """Append entries, all or none: the index of the first, or None if this node
        does not lead, or hands over. For CONFIGURATION see ``change``."""
        group = self._group
        group.now_s = now_s
        if group.reign is None or group.reign.transfer_to is not None:
            return None
        return self._leading.append(data)

    def change(self, change: Change, now_s: float) -> Proposed | Refused:
        """Change the group by one entry, or say why not."""
        group = self._group
        group.now_s = now_s
        planned = membership.plan(change, group, learner_lag_max=self._learner_lag_max)
        if isinstance(planned, Refused):
            return planned
        index = self._leading.append([configuration_entry(planned)], planned)
        group.counts["changes"] += 1
        return Proposed(index)

    def read(self, now_s: float) -> int | None:
        """Ask for an index as in ``ReadDone``; its id, or None if we do not lead.
        Every id is answered once, in ``Work.reads``."""
        group = self._group
        group.now_s = now_s
        reign = group.reign
        if reign is None:
            return None
        self._reads_begun += 1
        reign.is_round_due = True
        reign.reads.add(
            self._reads_begun,
            index=max(group.commit_index, reign.no_op_index),
            in_round=reign.round + 1,
        )
        return self._reads_begun

    def transfer(self, target: str, now_s: float) -> str | None:
        """Hand leadership over to a voter: None if begun, else why not.

        No proposals are taken until it is over: within one election timeout.
        """
        self._group.now_s = now_s
        return transfer.begin(target, self._group)

    def step_down(self, now_s: float) -> None:
        """Lead no more, and do not campaign for a while: the disk is full."""
        self._group.now_s = now_s
        self._election.step_down()

    def peer_lost(self, peer: str, now_s: float) -> None:
        """The link that ``peer`` sends on ended: it died, or will dial again."""
        self._group.now_s = now_s
        self._election.peer_lost(peer)

    def link_up(self, peer: str) -> None:
        """We can send to ``peer``; what was sent before may be lost."""
        self._group.link_changed(peer, is_up=True)

    def link_down(self, peer: str) -> None:
        """We cannot send to ``peer``."""
        self._group.link_changed(peer, is_up=False)

    def came_anew(self, peer: str) -> None:
        """``peer`` lost its log: what it acknowledged before does not hold."""
        self._group.came_anew(peer)

    # --- snapshots ----------------------------------------------------------------

    def snapshot_stored(self, meta: SnapshotMeta, keep: int) -> int:
        """A snapshot of our own state is durable, and the only one we can send.

        Entries before it are forgotten, but for the last ``keep``: for followers
        that are only a little behind. Returns the first index that is kept.
        """
        group = self._group
        assert meta.index <= group.commit_index, "a snapshot of what is not committed"
        if group.snapshot is None or meta.index > group.snapshot.index:
            group.snapshot = meta
        group.log.forget_until(meta.index - keep)
        if group.reign is not None:
            for progress in group.reign.progress.values():
                if snapshots.replace_snapshot(progress, group):
                    group.reign.is_sending_due = True
        return group.log.base_index + 1

    def snapshot_chunk(self, wanted: SnapshotWanted, data: bytes) -> SnapshotChunk:
        """The message that ``wanted`` asks for. Empty data is fine at the end."""
        return snapshots.make_chunk(wanted, data, self._group)

    def is_wanted(self, meta: SnapshotMeta) -> bool:
        """Whether the log still lacks what this snapshot of a leader has."""
        return self._following.is_wanted(meta)

    def chunk_stored(self, meta: SnapshotMeta, next_offset: int) -> None:
        """What ``Work.chunk`` had is stored, and the bytes up to ``next_offset``."""
        self._following.report(meta, next_offset)

    def snapshot_installed(self, meta: SnapshotMeta, now_s: float) -> None:
        """A leader's snapshot is durable and in use: the log begins after it.

        Entries that follow it are kept, here and in the journal, if ``last_index``
        is above it afterwards; if not, the journal begins anew too.
        """
        self._group.now_s = now_s
        self._following.install(meta)

    def snapshot_refused(self, meta: SnapshotMeta) -> None:
        """It is not what its checksum says: have it sent again."""
        self._group.refuse("snapshot with a wrong checksum")
        self._following.report(meta, 0)

    # --- work ---------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """Whether ``take`` may have something."""
        return gathering.has_work(self._group)

    def take(self) -> Work:
        """What is to be done now; it is the driver's from here on."""
        group = self._group
        if group.reign is not None:
            self._leading.make_messages(group.reign)
        return gathering.gather(group)

    def persisted(self, work: Work) -> None:
        """The ballot and entries of ``work`` are on disk: our copies count now."""
        group = self._group
        group.log.stored(work.entries)
        if group.reign is not None and work.entries:
            self._leading.advance_commit(group.reign)

    def keep_alive(self) -> Iterator[tuple[str, Message]]:
        """While ``take``n work is on its way to the disk: heartbeats that may leave
        before it, since they say nothing that depends on it."""
        reign = self._group.reign
        return iter(()) if reign is None else self._leading.heartbeats(reign)

    def _on_match(self, reign: Reign, peer: str) -> None:
        transfer.go_on(reign, peer, self._group)

    def _on_commit(self, reign: Reign) -> None:
        transfer.leave_if_removed(reign, self._group)

    # --- views --------------------------------------------------------------------

    @property
    def term(self) -> int:
        return self._group.term

    @property
    def vote(self) -> str | None:
        """Whom this node voted for in its term."""
        return self._group.vote

    @property
    def role(self) -> Role:
        return self._group.role

    @property
    def leader(self) -> str | None:
        """Who leads, as far as this node knows."""
        return self._group.leader

    @property
    def is_ready(self) -> bool:
        """This node leads, and an entry of its own term is committed."""
        group = self._group
        return group.reign is not None and (
            group.commit_index >= group.reign.no_op_index
        )

    @property
    def commit_index(self) -> int:
        return self._group.commit_index

    @property
    def first_index(self) -> int:
        """The oldest entry that is kept, or will be."""
        return self._group.log.base_index + 1

    @property
    def last_index(self) -> int:
        return self._group.log.last_index

    @property
    def last_term(self) -> int:
        return self._group.log.last_term

    @property
    def configuration(self) -> Configuration:
        """In force: of the latest entry that has one, committed or not."""
        return self._group.configuration

    @property
    def wake_at(self) -> float:
        """When ``tick`` is needed next; infinite if never."""
        group = self._group
        reign = group.reign
        if reign is None:
            return group.deadline
        at, until = reign.heartbeat_at, reign.transfer_until
        return at if at < until else until

    @property
    def refusals(self) -> Counter[str]:
        """Why messages were dropped, and how many."""
        return self._group.refusals

    @property
    def counts(self) -> Counter[str]:
        """What happened: campaigns, pre_campaigns, reigns, step_downs, quorums_lost,
        truncations, transfers, transfers_given_up, changes, snapshots_begun,
        snapshots_installed."""
        return self._group.counts

    def entries(self, first: int, last: int) -> Sequence[Entry]:
        """Entries ``first`` to ``last``, both included. Raises IndexError for what
        is forgotten; may be shorter at the end."""
        return self._group.log.slice(first, last)

    def term_at(self, index: int) -> int:
        """Raises IndexError for what is not held."""
        return self._group.log.term_at(index)

    @property
    def stable_index(self) -> int:
        """The last entry that is on disk here."""
        return self._group.log.stable_index

    @property
    def configuration_index(self) -> int:
        """Of the entry that put ``configuration`` in force."""
        return self._group.log.configuration_index

    def configuration_at(self, index: int) -> Configuration:
        """What is in force after the entry ``index``, which is held."""
        return self._group.log.configuration_at(index)

    def progress(self) -> tuple[PeerProgress, ...]:
        """Each other member as this leader sees it; nothing if we do not lead."""
        return membership.view(self._group)
