"""A leader node of the fast level: the real ``Member`` on a simulated disk.

``SimNode`` is the machine, with its disk and clocks; ``NodeLife`` one life of the
process on it. Whatever the network or time brings becomes a *turn*: inputs to the
member, one step, its messages, what the script of the leader makes of it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from chaos.sim.disk import PowerCut, SimDisk
from chaos.sim.fast.leader import LeaderTerm
from chaos.sim.fast.leader_agents import Session
from chaos.sim.fast.leader_streams import Asked, Unserved
from chaos.sim.fast.machine import SimMachine
from chaos.sim.fast.network import Connection, Network
from raftleader.errors import ConfigError, DiskFullError, RaftLeaderError
from raftleader.leader.cluster_clock import ClusterClock
from raftleader.protocol.scheduler_api import Subscribe
from raftleader.replication.member import Member
from raftleader.replication.member.proposals import Done
from raftleader.replication.raft.configuration import Configuration
from raftleader.replication.raft.core import RaftCore, Role
from raftleader.replication.raft.membership import Change
from raftleader.replication.raft.messages import (
    AppendReply,
    HeartbeatReply,
    SnapshotChunk,
    SnapshotReply,
    VoteReply,
)
from raftleader.replication.settings import RaftSettings

if TYPE_CHECKING:
    from chaos.sim.fast.agenda import Agenda
    from chaos.sim.fast.judge import Judge

CLUSTER_ID = "simulated"
ANSWERS = (AppendReply, HeartbeatReply, SnapshotReply)
RAFT = "raft"
REDIAL_S, REDIAL_S_MAX = 0.02, 1.0
"""First and longest pause before a dial is repeated; doubled each time."""
BACKGROUND_S = 0.002
WALL_MS = 1_700_000_000_000
RESTART_S = (0.1, 2.5)
"""A node that died by itself is started again after this time."""
SEGMENT_BYTES = 32 * 1024
SNAPSHOT_BYTES = 1 << 30
"""Snapshots are due by the number of entries only."""


class Crash(Exception):
    """The node dies here: raised at a named point of its code."""


@attrs.define(eq=False, kw_only=True)
class SimNode:
    """One machine.

    Attributes:
        members: Of the group when it was made, with their addresses.
        is_joining: Its disk is new, and the group exists.
        instance: Counts its disks: what the first one promised binds no other.
        rate, wall_offset_ms: Of its clocks.
        turn_s: A turn of its loop: messages that come within it are taken together.
        crash_point: Name of the point at which it dies next, and how often that is
            passed before.
        is_kept_down: It is not started again by itself.
        is_power_cut: Whether what kills it takes the machine with it; drawn each time.
        is_broken: It ended by a bug, and stays down.
        died, configured, committed: Told of each death, of each configuration it
            follows, and when more is committed, and whether it leads then.
    """

    name: str
    members: Configuration
    agenda: Agenda
    network: Network
    judge: Judge
    rng: random.Random
    disk: SimDisk
    settings: RaftSettings
    snapshot_entries: int
    keep_entries: int
    counts: Counter[str]
    died: Callable[[SimNode, str], None]
    configured: Callable[[SimNode, Configuration], None]
    committed: Callable[[SimNode, bool], None]
    is_joining: bool = False
    instance: int = 1
    rate: float = 1.0
    turn_s: float = 0.0
    wall_offset_ms: int = 0
    crash_point: tuple[str, int] | None = None
    is_kept_down: bool = False
    is_broken: bool = False
    is_power_cut: Callable[[], bool] = lambda: False
    lives: int = 0
    life: NodeLife | None = None

    @property
    def is_up(self) -> bool:
        return self.life is not None and self.life.is_alive

    @property
    def leader(self) -> LeaderTerm | None:
        """The term it leads, as it believes, if it serves already."""
        life = self.life
        if life is None or not life.is_alive or life.leader is None:
            return None
        return life.leader if life.leader.is_active else None

    def start(self) -> None:
        """Nothing happens if it runs, or is kept down."""
        if self.is_up or self.is_kept_down:
            return
        self.lives += 1
        self.judge.trace.note(f"{self.name} starts, life {self.lives}")
        self.life = NodeLife(self)
        self.life.begin()

    def crash(self, how: str, *, is_power_cut: bool = False) -> None:
        """It dies now. Nothing happens if it is down."""
        life = self.life
        if life is None or not life.is_alive:
            return
        life.end()
        self.network.died(life)
        if is_power_cut:
            self.disk.crash()
        else:
            self.disk.kill()
        self.counts["crashes"] += 1
        what = "loses its power" if is_power_cut else "dies"
        self.judge.trace.note(f"{self.name} {what}: {how}")
        self.died(self, how)

    def stop(self) -> None:
        """It ends in good order."""
        life = self.life
        if life is not None and life.is_alive:
            life.close()

    @property
    def log(self) -> LogView | None:
        """What is on its disk, as far as its newest process knew."""
        life = self.life
        if life is None or life.member is None:
            return None
        return LogView(life.member.core)

    def local_s(self) -> float:
        """Its monotonic clock."""
        return self.agenda.now_s * self.rate

    def wall_ms(self) -> int:
        return WALL_MS + self.wall_offset_ms + int(self.agenda.now_s * 1000)


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


class NodeLife:
    """One life of the process.

    Attributes:
        busy_until_s: Until then it does nothing: it waits for its disk, or is paused.
        sessions: The agents' connections.
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
        self.sessions: dict[Connection, Session] = {}
        self.clock = ClusterClock(monotonic_s=node.local_s, wall_ms=node.wall_ms)
        self.machine = SimMachine(self, CLUSTER_ID)
        self.member: Member | None = None
        self._links: dict[str, Connection | None] = {}
        self._redial_s: dict[str, float] = {}
        self._incoming: dict[str, Connection] = {}
        self._configuration: Configuration | None = None
        self._later: list[tuple[Done, object, Exception | None]] = []
        self._inbox: list[tuple[str, Any]] = []
        self._is_inbox_due = False
        self._is_in_turn = False
        self._is_turn_due = False
        self._wake_s = float("inf")
        self._is_background_due = False
        self._may_have_background = True
        self._led_term = 0
        self._committed_index = 0
        self._counted: Mapping[str, int] = {}

    def begin(self) -> None:
        """Open the directory and take part."""
        self.network.listeners[self.name] = self
        self._guarded(self._open)
        if not self.is_alive:
            return
        self._guarded(self._recovered)
        self._turn()

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
        self.member = member
        while member.restore_some():
            pass

    def _recovered(self) -> None:
        assert self.member is not None
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
        member = self.member
        if member is not None:
            self._count(member)
            member.abandon()
        self._later.clear()

    def close(self) -> None:
        """As on SIGTERM."""
        member = self.member
        self.is_alive = False
        if self.leader is not None:
            self.leader.is_over = True
            self.leader = None
        try:
            if member is not None:
                self._count(member)
                member.close()
        except (OSError, PowerCut) as error:
            self.judge.trace.note(f"{self.name} stops badly: {error!r}")
        self._later.clear()
        self.network.died(self)
        self.node.disk.kill()
        self.judge.trace.note(f"{self.name} stops")

    def _guarded(self, act: Callable[[], object]) -> None:
        """Do it; what the code or the disk raises ends this life."""
        try:
            act()
        except Exception as error:
            self._end_by(error)

    def _end_by(self, error: Exception) -> None:
        node = self.node
        if isinstance(error, Crash):
            node.crash(str(error), is_power_cut=node.is_power_cut())
        elif isinstance(error, PowerCut):
            node.crash("in a disk operation", is_power_cut=True)
        elif isinstance(error, DiskFullError):
            node.crash(f"it cannot start: {error}")
        elif isinstance(error, OSError):
            node.crash(f"its disk failed: {error.strerror}", is_power_cut=True)
        elif isinstance(error, ConfigError):
            node.crash(f"it refuses to run: {error}")
            self.judge.refused_to_run(self.name, self.instance, str(error))
        else:
            text = f"{type(error).__name__}: {error}"
            self.judge.failed(f"{self.name} ended by a bug: {text}", error)
            node.is_broken = node.is_kept_down = True
            node.crash(text)

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

    def _turn(self) -> None:
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
                self._end_by(error)
        self._is_in_turn = False
        if self.is_alive:
            self._schedule()

    def _read_inbox(self) -> None:
        self._is_inbox_due = False
        if self._inbox:
            self._turn()

    def _step(self) -> None:
        member = self.member
        assert member is not None
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
            self._dial_members()
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
        while self._later:
            later, self._later = self._later, []
            for done, result, error in later:
                done(result, error)
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
        links = self._links
        core = member.core
        identity = (self.name, self.instance)
        last = 0
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
            if stalled_s:
                self.after(stalled_s, self.network.send, link, 0, message)
            else:
                self.network.send(link, 0, message)
        if last and last >= core.first_index:
            self.judge.promised(identity, (core.term_at(last), last))
        self.judge.told_term(identity, core.term)
        self._at_point("after-send")

    def _schedule(self) -> None:
        member = self.member
        assert member is not None
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
        assert self.member is not None
        if self.member.wake_at > self.node.local_s():
            self._may_have_background = True
            self._schedule()
        else:
            self._turn()

    def _background(self) -> None:
        self._is_background_due = False
        self._may_have_background = True
        assert self.member is not None
        self._guarded(self.member.background)
        if self.is_alive:
            self._turn()

    def _count(self, member: Member) -> None:
        for name, number in member.counts.items():
            self.node.counts[name] += number

    # --- what the script of the leader asks -------------------------------------------

    def propose(self, data: bytes, done: Done) -> None:
        """Commit it; ``done`` is called after the step that learns how it ended."""
        assert self.member is not None
        self.member.propose(data, self._tracked("proposal", done))
        self._turn()

    def read(self, done: Done) -> None:
        assert self.member is not None
        self.member.read(self._tracked("read", done))
        self._turn()

    def change(self, change: Change, done: Done) -> None:
        assert self.member is not None
        self.member.change(change, self._tracked("change", done))
        self._turn()

    def transfer(self, target: str, done: Done) -> None:
        assert self.member is not None
        self.member.transfer(target, self._tracked("transfer", done))
        self._turn()

    def _tracked(self, kind: str, done: Done) -> Done:
        number = self.judge.asked(self, kind)

        def settled(result: object, error: Exception | None) -> None:
            self.judge.settled(self, number)
            assert error is None or isinstance(error, RaftLeaderError), error
            if self.is_alive:
                self._later.append((done, result, error))

        return settled

    # --- the network ------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        if connection.kind == RAFT:
            peer = connection.dialler.name
            self._incoming[peer] = connection
            if peer not in self._links:  # a guest: it may know more than we do
                self._dial(peer)
        elif connection.kind == "agent":
            self.sessions[connection] = Session(self, connection)

    def received(self, connection: Connection, message: Any) -> None:
        if self.agenda.now_s < self.busy_until_s:
            self.agenda.at(self.busy_until_s, self._received_late, connection, message)
            return
        kind = connection.kind
        if kind == RAFT:
            member = self.member
            dialler = connection.dialler
            newest = self._incoming.get(dialler.name)
            if newest is None or (
                newest is not connection
                and getattr(newest.dialler, "instance", 0)
                != getattr(dialler, "instance", 0)
            ):
                return
            if member is not None:
                self._inbox.append((dialler.name, message))
                if not self._is_inbox_due:
                    self._is_inbox_due = True
                    self.after(self.node.turn_s, self._read_inbox)
        elif kind == "agent":
            session = self.sessions.get(connection)
            if session is not None:
                session.received(message)
        else:
            self._take_call(connection, message)

    def _received_late(self, connection: Connection, message: Any) -> None:
        if self.is_alive:
            self.received(connection, message)

    def _take_call(self, connection: Connection, message: Any) -> None:
        leader = self.leader
        if leader is None or not leader.is_active:
            self.answer(connection, Unserved(503, "not leading"))
            self.network.close(connection, 1)
        elif isinstance(message, Subscribe):
            leader.streams.subscribe(connection, message)
        elif isinstance(message, Asked):
            leader.streams.ask(connection, message)

    def answer(self, connection: Connection, message: Any) -> None:
        self.network.send(connection, 1, message)

    def closed(self, connection: Connection) -> None:
        kind = connection.kind
        if kind == RAFT:
            self._link_closed(connection)
        elif kind == "agent":
            self._session_closed(connection)
        elif kind == "stream" and self.leader is not None:
            self.leader.streams.closed(connection)

    def _session_closed(self, connection: Connection) -> None:
        session = self.sessions.pop(connection, None)
        if session is not None and self.leader is not None:
            self.leader.agents.closed(session)

    def cut(self, session: Session) -> None:
        """End an agent's session; it will dial again."""
        self.network.close(session.connection, 1)
        self._session_closed(session.connection)

    def probed(self) -> tuple[int, str | None] | None:
        if self.agenda.now_s < self.busy_until_s or self.member is None:
            return None
        if self.leader is not None and self.leader.is_active:
            return (405, None)
        known = self.member.leadership.leader
        if known is None or known == self.name or known != self.machine.state.leader:
            return (503, None)
        return (307, known)

    # --- links ------------------------------------------------------------------------

    def _dial_members(self) -> None:
        assert self.member is not None
        for peer in self.member.configuration.node_ids:
            if peer != self.name and peer not in self._links:
                self._dial(peer)

    def _dial(self, peer: str) -> None:
        self._links.setdefault(peer, None)

        def done(connection: Connection | None) -> None:
            if connection is None:
                self._redial(peer)
                return
            self._links[peer] = connection
            self._redial_s.pop(peer, None)
            member = self.member
            if member is not None:
                member.link_up(peer, self.node.local_s())
                self._turn()

        self.network.dial(self, peer, RAFT, done=done, is_reliable=False)

    def _redial(self, peer: str) -> None:
        member = self.member
        if member is not None and (
            member.configuration.peer(peer) is not None or peer in self._incoming
        ):
            longest_s = self._redial_s.get(peer, REDIAL_S)
            self._redial_s[peer] = min(2 * longest_s, REDIAL_S_MAX)
            delay_s = self.node.rng.uniform(0.5, 1.0) * longest_s
            self.after(delay_s, self._dial, peer)
        else:
            self._links.pop(peer, None)

    def _link_closed(self, connection: Connection) -> None:
        member = self.member
        peer = connection.sides[1 if connection.dialler is self else 0].name
        if member is None:
            return
        if connection.dialler is self:
            if self._links.get(peer) is connection:
                self._links[peer] = None
                member.link_down(peer)
                self._redial(peer)
        elif self._incoming.get(peer) is connection:
            del self._incoming[peer]
            member.peer_lost(peer, self.node.local_s())
            if self.agenda.now_s >= self.busy_until_s:
                self._turn()
