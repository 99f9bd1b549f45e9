"""One node of a Raft group: everything but sockets, tasks, clock and randomness.

A shell (trio tasks, or a simulator's event heap) hands in what happened, calls
``step``, sends what that returns, and sleeps until ``wake_at``. In a step:

    proposals and messages so far -> the core
      -> journal: truncations, entries, ballot, notes; one sync
      -> committed entries -> state machine -> callers are answered
      -> the messages, which may leave now

Nothing here blocks but the disk. Whatever raises out of ``step`` or ``background``
ends the node: abandon it, and open the directory anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from raftleader.errors import (
    InvalidInputError,
    RaftLeaderError,
)
from raftleader.replication.disk import Disk
from raftleader.replication.entries import user_entry
from raftleader.replication.interface import Leadership, StateMachine
from raftleader.replication.member.addresses import Addresses
from raftleader.replication.member.disk_waits import Waits, wait_here
from raftleader.replication.member.greeting import Greeting
from raftleader.replication.member.greetings import Greetings
from raftleader.replication.member.opening import open_member
from raftleader.replication.member.parts import Parts
from raftleader.replication.member.proposals import Done, Proposals
from raftleader.replication.member.requests import Requests
from raftleader.replication.member.statistics import MemberStatistics, condition_of
from raftleader.replication.member.stepping import Stepping
from raftleader.replication.member.writing import Outgoing, Writing
from raftleader.replication.raft.configuration import Configuration
from raftleader.replication.raft.core import RaftCore, Role
from raftleader.replication.raft.membership import Change
from raftleader.replication.raft.messages import Message
from raftleader.replication.settings import RaftSettings


def nowhere(point: str) -> None:
    """The default of ``at_point``: nothing happens at any point."""


class Member:
    """See the module. Not safe across threads; no method may be called by another.

    Args:
        peers: The first members of the group, this node included. Where a directory
            was used before, only their addresses count: who is a member, the log says.
        is_joining: The group exists already, and this node comes to it: ``peers`` are
            its members now. It is empty until a leader was asked to add it. Means
            nothing where the directory was used before.
        directory: On ``disk``; all files of this node.
        draw: The next random number in [0, 1).
        draw_instance: A name for a new directory that no other ever had.
        now_s: Any clock in seconds that never goes back; the same for all calls.
        snapshot_entries: A snapshot is taken when so many entries were applied since
            the last one, or
        snapshot_bytes: so many bytes of them.
        keep_entries: Before a snapshot, kept for followers that are a little behind.
        at_point: Called at named points of the code, so that a simulation can stop a
            node there by an exception.

    Raises ConfigError if the directory is of another cluster, node or engine, of a
    newer format, in use, or lacks its snapshot; JournalDamagedError; OSError.
    """

    def __init__(
        self,
        *,
        cluster_id: str,
        node_id: str,
        peers: Configuration,
        is_joining: bool = False,
        disk: Disk,
        directory: str,
        machine: StateMachine,
        settings: RaftSettings,
        draw: Callable[[], float],
        draw_instance: Callable[[], str],
        now_s: float,
        snapshot_entries: int,
        snapshot_bytes: int,
        keep_entries: int,
        segment_bytes: int,
        at_point: Callable[[str], None] = nowhere,
    ) -> None:
        self.node_id = node_id
        self._settings = settings
        opened = self._opened = open_member(
            cluster_id=cluster_id,
            node_id=node_id,
            peers=peers,
            is_joining=is_joining,
            disk=disk,
            directory=directory,
            draw_instance=draw_instance,
            segment_bytes=segment_bytes,
            keep_entries=keep_entries,
        )
        self._journal = opened.journal
        self._proposals = Proposals(
            count_max=settings.pending_max, bytes_max=settings.pending_bytes_max
        )
        self._requests = Requests(
            self._proposals,
            node_id=node_id,
            transfer_s=2 * settings.election_timeout_max_s,
        )
        self._greetings = Greetings(
            cluster_id=cluster_id,
            node_id=node_id,
            opened=opened,
            repeat_s=settings.heartbeat_s,
            now_s=now_s,
        )
        self._writing = Writing(
            journal=opened.journal,
            store=opened.store,
            requests=self._requests,
            at_point=at_point,
        )
        self._stepping = Stepping(
            node_id=node_id,
            journal=opened.journal,
            greetings=self._greetings,
            writing=self._writing,
            proposals=self._proposals,
            requests=self._requests,
            make_parts=lambda now_s: Parts.make(
                node_id=node_id,
                opened=opened,
                settings=settings,
                draw=draw,
                now_s=now_s,
                machine=machine,
                proposals=self._proposals,
                snapshot_entries=snapshot_entries,
                snapshot_bytes=snapshot_bytes,
                keep_entries=keep_entries,
                at_point=at_point,
            ),
            at_point=at_point,
            now_s=now_s,
        )
        self._addresses = Addresses(
            given=peers, recovered=self._stepping.core.configuration
        )

    def restore_some(self) -> bool:
        """At the start, before anything else: read a piece of the newest snapshot into
        the machine. True if there is more to do."""
        stepping = self._stepping
        return wait_here(stepping.parts.installing.works(stepping.now_s))

    # --- inputs ---

    def receive(self, peer: str, message: Message | Greeting, now_s: float) -> None:
        """``peer``, as its link names it, said ``message``.

        Raises ConfigError when a greeting shows that this node must not run."""
        self._stepping.receive(peer, message, now_s)

    def link_up(self, peer: str, now_s: float) -> None:
        """Messages to ``peer`` can be sent; the first will be a greeting."""
        self._stepping.link_up(peer, now_s)

    def link_down(self, peer: str) -> None:
        """They cannot; what was sent last may be lost."""
        self._stepping.link_down(peer)

    def peer_lost(self, peer: str, now_s: float) -> None:
        """The link on which ``peer`` sends has ended: its process may have."""
        self._stepping.peer_lost(peer, now_s)

    # --- for callers ---

    def propose(self, data: bytes, done: Done) -> bool:
        """Commit ``data``; ``done`` hears what the machine answered here.

        Errors: InvalidInputError, NotLeaderError, OverloadedError: it will never be
        applied; OutcomeUnknownError. False: ``done`` was called already."""
        error: RaftLeaderError | None
        if len(data) > self._settings.entry_bytes_max:
            limit = self._settings.entry_bytes_max
            error = InvalidInputError("data", f"{len(data)} bytes; at most {limit}")
        elif not self._stepping.leadership.leading:
            error = self._stepping.not_leader()
        else:
            error = self._proposals.admit(user_entry(data), done)
        if error is None:
            return True
        done(None, error)
        return False

    def read(self, done: Done) -> None:
        """Prove leadership; then ``done`` hears an index that the state includes, and
        with it everything answered before. NotLeaderError: ask again, or another."""
        if self._stepping.core.role is not Role.LEADER:
            done(None, self._stepping.not_leader())
        else:
            self._requests.read(done)

    def change(self, change: Change, done: Done) -> None:
        """Change the members; ``done`` hears the index when it is committed.

        Errors: as ``propose``; InvalidInputError says why it cannot be done now."""
        if not self._stepping.leadership.leading:
            done(None, self._stepping.not_leader())
        else:
            self._requests.change(change, done)

    def transfer(self, target: str, done: Done) -> None:
        """Hand leadership over; ``done`` hears ``target`` when it leads.

        Errors: as ``change``; OutcomeUnknownError if it does not within the time."""
        if not self._stepping.leadership.leading:
            done(None, self._stepping.not_leader())
        else:
            self._requests.transfer(target, done)

    # --- work ---

    def step(self, now_s: float) -> list[Outgoing]:
        """Do all that is due; return (peer, message) in the order to be sent.

        Call it after inputs, and at ``wake_at``. Raises OSError when the disk fails
        (not when it is full), InvariantError when a promise of Raft is found broken,
        and whatever the machine raised."""
        return wait_here(self._stepping.steps(now_s))

    def steps(self, now_s: float) -> Waits[list[Outgoing]]:
        """As ``step``; whoever runs it waits for the disk as it likes. Until the end
        only ``propose``, ``read``, ``change``, ``transfer``, ``keep_alive`` and the
        views may be called, and ``abandon``, after which it must not go on."""
        return self._stepping.steps(now_s)

    def keep_alive(self) -> list[Outgoing]:
        """While a step waits for the disk, if this node leads: heartbeats that say no
        more than the last ones did, so that nobody takes its silence for its death."""
        return list(self._stepping.core.keep_alive())

    def background(self) -> bool:
        """A piece of work that can wait: writing a snapshot, or reading one into the
        machine. True if there is more. Call it, and ``step``, in turn: it does
        nothing while messages wait for a step."""
        return wait_here(self._stepping.backgrounds())

    def backgrounds(self) -> Waits[bool]:
        """As ``background``, for whoever waits for the disk as it likes; the rules are
        those of ``steps``."""
        return self._stepping.backgrounds()

    @property
    def has_background(self) -> bool:
        """``background`` has something to do."""
        return self._stepping.has_background

    @property
    def wake_at(self) -> float:
        """When ``step`` should be called at the latest, on the caller's clock."""
        return self._stepping.wake_at

    def close(self) -> None:
        """Stop: everything waiting is settled, the journal is synced and closed.

        Raises OSError; the directory is let go all the same. Idempotent."""
        self._proposals.end()
        self._requests.end()
        try:
            self._opened.store.close()
        finally:
            self._journal.close()

    def abandon(self) -> None:
        """Stop as a killed process does, without a sync. Idempotent."""
        self._proposals.end()
        self._requests.end()
        self._journal.abandon()

    # --- views ---

    @property
    def leadership(self) -> Leadership:
        """Who leads, as of the last step."""
        return self._stepping.leadership

    @property
    def configuration(self) -> Configuration:
        """The members, as the log says, at the addresses that this node was told."""
        return self._addresses.of(self._stepping.core.configuration)

    @property
    def instance(self) -> str:
        """Names this node's data directory."""
        return self._journal.instance

    @property
    def core(self) -> RaftCore:
        """To look at, for status pages and checkers."""
        return self._stepping.core

    @property
    def refusals(self) -> Mapping[str, int]:
        """How often something of a peer was not taken, by reason."""
        return self._stepping.refusals + self._stepping.core.refusals

    @property
    def counts(self) -> Mapping[str, int]:
        """How often things happened since the start, by name."""
        parts = self._stepping.parts
        return self._stepping.core.counts + Counter(
            snapshots_taken=parts.snapshotting.taken,
            snapshots_failed=parts.snapshotting.failed + parts.installing.failed,
        )

    def statistics(self) -> MemberStatistics:
        """How this node is doing right now."""
        core, parts = self._stepping.core, self._stepping.parts
        snapshot = self._opened.store.newest()
        return MemberStatistics(
            condition=condition_of(
                self.node_id,
                core.configuration,
                is_formed=self._stepping.is_formed,
                has_log=core.last_index > 0,
            ),
            waits_for=self._greetings.waits_for,
            term=core.term,
            role=core.role.name.lower(),
            leader=core.leader,
            first_index=core.first_index,
            last_index=core.last_index,
            commit_index=core.commit_index,
            applied_index=parts.applying.index,
            journal_bytes=self._journal.size_bytes,
            snapshot_index=0 if snapshot is None else snapshot.index,
            snapshot_bytes=0 if snapshot is None else snapshot.size_bytes,
            is_disk_full=self._writing.is_full,
            is_installing=parts.installing.is_active,
            pending=self._proposals.count,
            links=tuple(sorted(self._stepping.links)),
            repairs=self._opened.repairs,
            strangers=self._greetings.strangers,
        )
