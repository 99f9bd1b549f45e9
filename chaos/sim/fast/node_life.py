"""One life of a leader node's process: the real ``Member``, step by step.

Whatever the network or time brings becomes a *turn*: inputs to the member, one step,
its messages, and what the script of the leader makes of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chaos.sim.disk import PowerCut
from chaos.sim.fast.crash import Crash
from chaos.sim.fast.leader import LeaderTerm
from chaos.sim.fast.machine import SimMachine
from chaos.sim.fast.network import Connection
from chaos.sim.fast.node_asks import Asks
from chaos.sim.fast.node_clients import Clients
from chaos.sim.fast.node_links import RAFT, Links
from raftleader.errors import DiskFullError
from raftleader.leader.cluster_clock import ClusterClock
from raftleader.replication.member import Greeting, Member
from raftleader.replication.raft.configuration import Configuration
from raftleader.replication.raft.core import Role
from raftleader.replication.raft.messages import (
    AppendReply,
    HeartbeatReply,
    SnapshotChunk,
    SnapshotReply,
    VoteReply,
)

if TYPE_CHECKING:
    from chaos.sim.fast.node import SimNode

CLUSTER_ID = "simulated"
ANSWERS = (AppendReply, HeartbeatReply, SnapshotReply)
BACKGROUND_S = 0.002
SEGMENT_BYTES = 32 * 1024
SNAPSHOT_BYTES = 1 << 30
"""Snapshots are due by the number of entries only."""


class NodeLife:
    """One life of the process.

    Attributes:
        busy_until_s: Until then it does nothing: it waits for its disk, or is paused.
        links, clients: Whom it talks to.
        asks: What is asked of its member.
    """

    def __init__(self, node: SimNode) -> None:
        self.node = node
        self.name = node.name
        self.agenda = node.agenda
        self.network = node.network
        self.judge = node.judge
        self.instance = node.instance
        self.is_alive = True
        self.busy_until_s = 0.0
        self.leader: LeaderTerm | None = None
        self.links = Links(self)
        self.clients = Clients(self)
        self.clock = ClusterClock(monotonic_s=node.local_s, wall_ms=node.wall_ms)
        self.machine = SimMachine(self, CLUSTER_ID)
        self._member: Member | None = None
        self._configuration: Configuration | None = None
        self.asks = Asks(self)
        self._inbox: list[tuple[str, Any]] = []
        self._is_inbox_due = False
        self._is_in_turn = False
        self._is_turn_due = False
        self._wake_s = float("inf")
        self._is_background_due = False
        self._may_have_background = True
        self._led_term = 0
        self._committed_index = 0

    @property
    def member(self) -> Member:
        """Of a life that got so far."""
        assert self._member is not None
        return self._member

    @property
    def has_begun(self) -> bool:
        """The directory could be opened."""
        return self._member is not None

    def begin(self) -> None:
        """Open the directory and take part."""
        self.network.listeners[self.name] = self
        self._guarded(self._open)
        if not self.is_alive:
            return
        self._guarded(self._recovered)
        self.turn()

    def _open(self) -> None:
        node = self.node
        rng = node.rng
        member = Member(
            cluster_id=CLUSTER_ID,
            node_id=self.name,
            peers=node.members,
            is_joining=node.is_joining,
            disk=node.disk,
            directory="node",
            machine=self.machine,
            settings=node.settings,
            draw=rng.random,
            draw_instance=lambda: f"{self.name}-{rng.getrandbits(64):016x}",
            now_s=node.local_s(),
            snapshot_entries=node.snapshot_entries,
            snapshot_bytes=SNAPSHOT_BYTES,
            keep_entries=node.keep_entries,
            segment_bytes=SEGMENT_BYTES,
            at_point=self._at_point,
        )
        self._member = member
        while member.restore_some():
            pass

    def _recovered(self) -> None:
        core = self.member.core
        self.judge.restarted(
            (self.name, self.instance),
            term=core.term,
            vote=core.vote,
            last=(core.last_term, core.last_index),
        )
        self.judge.observe(self.name, self.machine.state)

    # --- dying ----------------------------------------------------------------------

    def end(self) -> None:
        """The process is no more: nothing it still had in mind happens."""
        self.is_alive = False
        if self.leader is not None:
            self.leader.is_over = True
            self.leader = None
        if self._member is not None:
            self._count(self._member)
            self._member.abandon()
        self.asks.forget()

    def close(self) -> None:
        """As on SIGTERM."""
        self.is_alive = False
        if self.leader is not None:
            self.leader.is_over = True
            self.leader = None
        try:
            if self._member is not None:
                self._count(self._member)
                self._member.close()
        except (OSError, PowerCut, DiskFullError) as error:
            self.judge.trace.note(f"{self.name} stops badly: {error!r}")
        self.asks.forget()
        self.network.died(self)
        self.node.disk.kill()
        self.judge.trace.note(f"{self.name} stops")

    def _guarded(self, act: Callable[[], object]) -> None:
        """Do it; what the code or the disk raises ends this life."""
        try:
            act()
        except Exception as error:
            self.node.ended_by(error)

    def _at_point(self, point: str) -> None:
        planned = self.node.crash_point
        if planned is not None and planned[0] == point:
            self.node.crash_point = (point, planned[1] - 1)
            if planned[1] <= 0:
                self.node.crash_point = None
                raise Crash(f"at {point}")

    # --- turns ----------------------------------------------------------------------

    def at(self, at_s: float, act: Callable[..., object], *args: Any) -> None:
        """Call this then, if the process lives, or when it has time again."""
        self.agenda.at(at_s, self._if_alive, act, args)

    def after(self, delay_s: float, act: Callable[..., object], *args: Any) -> None:
        self.agenda.after(delay_s, self._if_alive, act, args)

    def _if_alive(self, act: Callable[..., object], args: tuple[Any, ...]) -> None:
        if self.is_alive:
            if self.agenda.now_s < self.busy_until_s:
                self.agenda.at(self.busy_until_s, self._if_alive, act, args)
            else:
                act(*args)

    def pause(self, seconds: float) -> None:
        """Stand still."""
        self.busy_until_s = max(self.busy_until_s, self.agenda.now_s + seconds)

    def turn(self) -> None:
        """Step until nothing more follows."""
        if self._is_in_turn:
            self._is_turn_due = True
            return
        self._is_in_turn = True
        self._is_turn_due = True
        while self._is_turn_due and self.is_alive:
            self._is_turn_due = False
            try:
                self._step()
            except Exception as error:
                self.node.ended_by(error)
        self._is_in_turn = False
        if self.is_alive:
            self._schedule()

    def _read_inbox(self) -> None:
        agenda = self.agenda
        if not self.is_alive:
            return
        if agenda.now_s < self.busy_until_s:
            agenda.at(self.busy_until_s, self._read_inbox)
            return
        self._is_inbox_due = False
        if self._inbox:
            self.turn()

    def _step(self) -> None:
        member = self.member
        node = self.node
        local_s = self.agenda.now_s * node.rate
        inbox, self._inbox = self._inbox, []
        for peer, message in inbox:
            if type(message) is SnapshotChunk:
                self._may_have_background = True
            if type(message) in ANSWERS and message.term < member.core.term:
                self._receive_old(member, peer, message, local_s)
            else:
                member.receive(peer, message, local_s)
        out = member.step(local_s)
        stalled_s = node.disk.take_stall()
        if stalled_s:
            self.busy_until_s = max(self.busy_until_s, self.agenda.now_s + stalled_s)
        core = member.core
        is_leader = core.role is Role.LEADER
        if is_leader and core.term != self._led_term:
            self._led_term = core.term
            self.judge.leads(self.name, core.term)
        if core.commit_index > self._committed_index:
            self._committed_index = core.commit_index
            node.committed(node, is_leader)
        if out:
            self._send(member, out, stalled_s)
        if core.configuration is not self._configuration:
            self._configuration = core.configuration
            node.configured(node, core.configuration)
            self.links.dial_members()
        leadership = member.leadership
        leader = self.leader
        if leader is not None and not (
            leadership.leading and leadership.term == leader.term
        ):
            self.leader = None
            leader.end()
            leader = None
        applied = self.machine.take_applied()
        if applied:
            self._may_have_background = True
            if leader is not None and leader.is_active:
                for one in applied:
                    leader.applied(one)
        self.asks.tell()
        if leader is None and leadership.leading:
            self.leader = LeaderTerm(
                self, leadership.term, random.Random(node.rng.getrandbits(64))
            )

    def _receive_old(
        self, member: Member, peer: str, message: Any, local_s: float
    ) -> None:
        core = member.core
        refused = sum(member.refusals.values())
        before = {one.node_id: (one.match, one.next) for one in core.progress()}
        member.receive(peer, message, local_s)
        after = {one.node_id: (one.match, one.next) for one in core.progress()}
        if before:
            self.judge.old_answer(
                self.name,
                message.term,
                type(message).__name__,
                before,
                after,
                is_refused=sum(member.refusals.values()) > refused,
            )

    def _send(self, member: Member, out: list[Any], stalled_s: float) -> None:
        """Give the messages to their links, and note what they promise."""
        links = self.links.outgoing
        core = member.core
        identity = (self.name, self.instance)
        last, has_voted = 0, False
        for peer, message in out:
            link = links.get(peer)
            if link is None:
                continue
            kind = type(message)
            if kind is AppendReply:
                if message.is_accepted:
                    last = max(last, message.index)
            elif kind is VoteReply and message.is_granted and not message.is_probe:
                self.judge.voted(identity, message.term, peer)
                has_voted = True
            is_first = kind is Greeting
            if stalled_s:
                self.after(stalled_s, self._send_late, link, message, is_first)
            else:
                self.network.send(link, 0, message, is_first=is_first)
        if last and last >= core.first_index:
            self.judge.promised(identity, (core.term_at(last), last))
        self.judge.told_term(identity, core.term)
        if has_voted or last:
            self.judge.spoke(self.node, core)
        self.judge.holds(identity, (core.last_term, core.last_index))
        self._at_point("after-send")

    def _send_late(self, link: Connection, message: Any, is_first: bool) -> None:
        self.network.send(link, 0, message, is_first=is_first)

    def _schedule(self) -> None:
        member = self.member
        rate = self.node.rate
        wake_s = max(member.wake_at / rate + 1e-6, self.agenda.now_s + 1e-5)
        if wake_s < self._wake_s:
            self._wake_s = wake_s
            self.agenda.at(wake_s, self._wake, wake_s)
        if self._may_have_background and not self._is_background_due:
            self._may_have_background = False
            if member.has_background:
                self._is_background_due = True
                self.after(BACKGROUND_S, self._background)

    def _wake(self, wake_s: float) -> None:
        if not self.is_alive or wake_s != self._wake_s:
            return
        if self.agenda.now_s < self.busy_until_s:
            self._wake_s = self.busy_until_s
            self.agenda.at(self._wake_s, self._wake, self._wake_s)
            return
        self._wake_s = float("inf")
        if self.member.wake_at > self.node.local_s():
            self._may_have_background = True
            self._schedule()
        else:
            self.turn()

    def _background(self) -> None:
        self._is_background_due = False
        self._may_have_background = True
        self._guarded(self.member.background)
        if self.is_alive:
            self.turn()

    def _count(self, member: Member) -> None:
        for name, number in member.counts.items():
            self.node.counts[name] += number

    # --- the network ----------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        if connection.kind == RAFT:
            self.links.opened(connection)
        else:
            self.clients.opened(connection)

    def received(self, connection: Connection, message: Any) -> None:
        if self.agenda.now_s < self.busy_until_s:
            self.agenda.at(self.busy_until_s, self._received_late, connection, message)
        elif connection.kind != RAFT:
            self.clients.received(connection, message)
        elif self.links.is_taken(connection):
            self._inbox.append((connection.dialler.name, message))
            if not self._is_inbox_due:
                self._is_inbox_due = True
                self.agenda.after(self.node.turn_s, self._read_inbox)

    def _received_late(self, connection: Connection, message: Any) -> None:
        if self.is_alive:
            self.received(connection, message)

    def closed(self, connection: Connection) -> None:
        if connection.kind == RAFT:
            self.links.closed(connection)
        else:
            self.clients.closed(connection)

    def probed(self) -> tuple[int, str | None] | None:
        if self.agenda.now_s < self.busy_until_s:
            return None
        return self.clients.probed()
