"""One node's end of the log, over our own Raft engine: its tasks, clock and links.

What is decided, and in which order things become durable and known, is decided in
``member.Member``. Here one task steps it: whenever a message, a proposal or a timer
is due it takes all that has come, so that however many proposals were made since the
last step, they cost one fdatasync here and one on each follower. Between two steps
there is time for a piece of a snapshot, a few milliseconds each.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import trio

from raftleader.errors import ConfigError, DiskFullError, NotLeaderError
from raftleader.replication.disk import Disk
from raftleader.replication.interface import Leadership, LogStatistics, StateMachine
from raftleader.replication.member.disk_waits import Sync, Waits
from raftleader.replication.member.member import Member, nowhere
from raftleader.replication.member.opening import ENGINE
from raftleader.replication.member.proposals import Done
from raftleader.replication.member.writing import Outgoing
from raftleader.replication.mesh import Mesh
from raftleader.replication.os_disk import OsDisk
from raftleader.replication.raft.configuration import Configuration, Peer
from raftleader.replication.raft.membership import Change
from raftleader.replication.raft_inbox import MemberInbox
from raftleader.replication.raft_notices import say_what_changes
from raftleader.replication.raft_statistics import refusals_of, statistics_of
from raftleader.replication.running import RunBlocking, run_here
from raftleader.replication.settings import RaftSettings
from raftleader.replication.waiting import Deadlines, Waiter
from raftleader.replication.watch import LeadershipWatch
from raftleader.replication.wire import Codec, PeerMessage, encode
from transports.interface import Transport

logger = logging.getLogger(__name__)

T = TypeVar("T")

STALL_S_MAX = 2.0
"""A leader whose disk is silent for longer is silent too, so that another leads."""


class RaftLog:
    """A ``ReplicatedLog`` whose members may change. ``run`` it once.

    Args:
        members: Transport address of every first voter by node id, this one included.
            Where the directory was used before, the log says who is a member; then
            only the addresses count.
        is_joining: The group exists: ``members`` are those it has now, and this node.
            It has no voice until a leader adds and promotes it.
        data_dir: All files of this node are in it.
        rng: For election timeouts, pauses between dials, and the name of the directory.
        disk: Another one lets tests break it.
        run_blocking: Waits for the disk; None does so in the event loop, for virtual
            clocks. A node's own process gives ``trio.to_thread.run_sync``.
        at_point: Called at named points of the code; a simulation may raise there.
        via: Where to dial a node, by its id, instead of at the address of the group.
    """

    def __init__(
        self,
        *,
        cluster_id: str,
        node_id: str,
        members: Mapping[str, str],
        transport: Transport,
        data_dir: Path,
        machine: StateMachine,
        rng: random.Random,
        settings: RaftSettings | None = None,
        disk: Disk | None = None,
        is_joining: bool = False,
        run_blocking: RunBlocking | None = None,
        at_point: Callable[[str], None] = nowhere,
        via: Mapping[str, str] | None = None,
    ) -> None:
        if node_id not in members:
            raise ConfigError(f"members does not name this node, {node_id!r}")
        self._cluster_id = cluster_id
        self._node_id = node_id
        self._members = dict(members)
        self._transport = transport
        self._via = dict(via or {})
        self._data_dir = data_dir
        self._machine = machine
        self._rng = rng
        self._settings = settings or RaftSettings()
        self._disk = disk
        self._is_joining = is_joining
        self._run_blocking = run_blocking or run_here
        self._at_point = at_point
        self._deadlines = Deadlines()
        self._watch = LeadershipWatch()
        self._wake = trio.Event()
        self._scope = trio.CancelScope()
        self._is_used = False
        self._is_ended = True
        self._inbox: MemberInbox | None = None
        self._member: Member | None = None
        self._mesh: Mesh[PeerMessage] | None = None
        self._dialled = Configuration()

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Take part until cancelled; see ``ReplicatedLog.run``.

        Raises before ``started`` JournalDamagedError, ConfigError, OSError or
        BadAddressError; afterwards OSError when the disk fails (not when it is full),
        ConfigError when peers know that this directory must not be used,
        InvariantError when a promise of Raft is found broken, and whatever the
        machine raised.
        """
        if self._is_used:
            raise RuntimeError("a log runs once; make a new one")
        self._is_used = True
        member = self._member = self._open()
        self._is_ended = False
        try:
            with self._scope:
                while member.restore_some():
                    await trio.lowlevel.checkpoint()
                await self._run(member, task_status)
        except Exception:
            self._end(member.abandon)
            raise
        finally:
            self._end(member.close)

    def crash(self) -> None:
        """Die as by SIGKILL, for simulations: ``run`` returns without a sync."""
        if self._member is not None:
            self._end(self._member.abandon)
        self._scope.cancel()

    async def propose(self, data: bytes, *, timeout_s: float) -> object:
        """Commit ``data``; see ``ReplicatedLog.propose``.

        Raises InvalidInputError if it is larger than ``entry_bytes_max``.
        """
        waiter = Waiter(self._deadlines)
        member = self._member
        if member is None or self._is_ended:
            waiter.done(None, NotLeaderError(None))
        elif member.propose(data, waiter.done):
            self._wake.set()
        return await waiter.wait(timeout_s=timeout_s)

    async def barrier(self, *, timeout_s: float) -> int:
        """Prove leadership by an answer of a majority; see ``ReplicatedLog.barrier``.

        Nothing is written for it. Returns an index that the local state includes, and
        with it everything answered before the call.
        """
        index = await self._ask(timeout_s, Member.read)
        assert isinstance(index, int)
        return index

    async def change_members(self, change: Change, *, timeout_s: float) -> int:
        """Add, promote or remove one member, as the leader; the index of the entry.

        Returns when it is committed. Raises InvalidInputError, with the reason in
        words, if that cannot be done now; else like ``propose``.
        """
        index = await self._ask(
            timeout_s, lambda member, done: member.change(change, done)
        )
        assert isinstance(index, int)
        return index

    async def transfer_leadership(self, target: str, *, timeout_s: float) -> None:
        """Hand leadership over to ``target``; returns when it leads.

        Proposals are refused meanwhile, for an election timeout at most. Raises like
        ``change_members``; OutcomeUnknownError if ``target`` does not lead in time.
        """
        await self._ask(timeout_s, lambda member, done: member.transfer(target, done))

    @property
    def leadership(self) -> Leadership:
        return self._watch.current

    async def wait_leadership_changed(self, seen: Leadership) -> Leadership:
        """See ``ReplicatedLog.wait_leadership_changed``."""
        return await self._watch.wait_changed(seen)

    @property
    def configuration(self) -> Configuration:
        """The members, as far as this node knows; none before it runs."""
        return self._member.configuration if self._member else Configuration()

    @property
    def member(self) -> Member | None:
        """To look at, for simulations and checkers; None before it runs."""
        return self._member

    @property
    def refusals(self) -> Mapping[str, int]:
        """How often a link or a message of a peer was refused, by reason."""
        return refusals_of(self._member, self._mesh)

    def statistics(self) -> LogStatistics:
        """Counters right now. ``details`` are those of ``MemberStatistics``, with the
        members, what was refused, and how often what happened."""
        return statistics_of(self._member, self._mesh)

    # --- beginning and end ---

    def _open(self) -> Member:
        settings = self._settings
        peers = tuple(
            Peer(node_id=node_id, address=address)
            for node_id, address in sorted(self._members.items())
        )
        return Member(
            cluster_id=self._cluster_id,
            node_id=self._node_id,
            peers=Configuration(peers=peers),
            is_joining=self._is_joining,
            disk=self._disk or OsDisk(),
            directory=str(self._data_dir),
            machine=self._machine,
            settings=settings,
            draw=self._rng.random,
            draw_instance=lambda: f"{self._rng.getrandbits(64):016x}",
            now_s=trio.current_time(),
            snapshot_entries=settings.snapshot_entries,
            snapshot_bytes=settings.snapshot_bytes,
            keep_entries=settings.keep_entries,
            segment_bytes=settings.segment_bytes,
            at_point=self._at_point,
        )

    async def _run(self, member: Member, task_status: trio.TaskStatus[None]) -> None:
        self._dialled = member.configuration
        inbox = self._inbox = MemberInbox(member, self._wake_up)
        mesh = self._mesh = Mesh(
            cluster_id=self._cluster_id,
            node_id=self._node_id,
            engine=ENGINE,
            members=self._addresses(),
            transport=self._transport,
            decode=Codec.of(self._settings).decode,
            inbox=inbox,
            rng=self._rng,
            settings=self._settings,
            is_open_to_guests=lambda: self._watch.current.leader is None,
            via=self._via,
        )
        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            try:
                nursery.start_soon(self._deadlines.run)
                await mesh.start(nursery)
                nursery.start_soon(say_what_changes, self._node_id, member)
                nursery.start_soon(self._keep_alive, member, mesh, inbox)
                task_status.started()
                await self._step_for_ever(member, mesh, inbox)
            except Exception as error:
                # Out of the nursery, so that it goes up alone, not in a group.
                failure = error
                nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def _addresses(self) -> dict[str, str]:
        """Whom to dial; this node too, though it may have been removed."""
        own = {self._node_id: self._members[self._node_id]}
        return {peer.node_id: peer.address for peer in self._dialled.peers} | own

    def _end(self, close: Callable[[], None]) -> None:
        """Settle all that waits and let go of the files. Idempotent."""
        if self._is_ended:
            return
        self._is_ended = True
        if self._inbox is not None:
            self._inbox.is_closed = True
        try:
            close()
        except DiskFullError as error:
            # What could not be written was promised to nobody.
            logger.warning(
                "node %s: stopped with a full disk: %s", self._node_id, error
            )
        finally:
            term = self._watch.current.term
            self._watch.update(Leadership(term=term, leader=None, leading=False))

    # --- requests ---

    async def _ask(
        self, timeout_s: float, request: Callable[[Member, Done], None]
    ) -> object:
        waiter = Waiter(self._deadlines)
        if self._member is None or self._is_ended:
            waiter.done(None, NotLeaderError(None))
        else:
            request(self._member, waiter.done)
            self._wake.set()
        return await waiter.wait(timeout_s=timeout_s)

    # --- the step ---

    def _wake_up(self) -> None:
        self._wake.set()

    async def _step_for_ever(
        self, member: Member, mesh: Mesh[PeerMessage], inbox: MemberInbox
    ) -> None:
        while True:
            # One alarm for many steps. What is due moves away with every heartbeat:
            # an alarm that is too early costs one step, to set it each time far more.
            with trio.CancelScope(deadline=member.wake_at) as alarm:
                while True:
                    await self._wake.wait()
                    await self._work(member, mesh, inbox)
                    if member.wake_at < alarm.deadline:
                        alarm.deadline = member.wake_at
            await self._work(member, mesh, inbox)

    async def _work(
        self, member: Member, mesh: Mesh[PeerMessage], inbox: MemberInbox
    ) -> None:
        """Steps, until nothing waits. Cancelled between two, it loses nothing."""
        while True:
            if self._is_ended:
                await trio.sleep_forever()  # crashed, and about to be cancelled
            self._wake = trio.Event()
            inbox.raise_failure()
            await self._step(member, mesh, inbox)
            if not member.has_background:
                return
            # One piece, a turn for everybody else, a step: heartbeats go on.
            await self._background(member, inbox)
            await trio.lowlevel.checkpoint()

    async def _step(
        self, member: Member, mesh: Mesh[PeerMessage], inbox: MemberInbox
    ) -> None:
        """One step. The event loop goes on while it waits for the disk, but nothing
        is told to the member until it has ended."""
        inbox.hold()
        outgoing = await self._wait_for(member.steps(trio.current_time()))
        inbox.release()
        if outgoing:
            self._send(outgoing, mesh)
        self._watch.update(member.leadership)
        configuration = member.configuration
        if configuration is not self._dialled:
            self._dialled = configuration
            mesh.set_members(self._addresses())

    async def _background(self, member: Member, inbox: MemberInbox) -> None:
        inbox.hold()
        await self._wait_for(member.backgrounds())
        inbox.release()

    async def _wait_for(self, steps: Waits[T]) -> T:
        """Cancelled only between steps: a step that was half done and forgotten would
        have promised nothing, but the disk may not be let go under its sync."""
        try:
            sync = next(steps)
            while True:
                failure: BaseException | None = None
                with trio.CancelScope(shield=True):
                    try:
                        await self._run_blocking(self._unless_ended, sync)
                    except Exception as error:
                        failure = error
                if self._is_ended:
                    steps.close()
                    await trio.sleep_forever()  # crashed, and about to be cancelled
                sync = next(steps) if failure is None else steps.throw(failure)
        except StopIteration as end:
            result: T = end.value
            return result

    def _unless_ended(self, sync: Sync) -> None:
        if not self._is_ended:
            sync()

    async def _keep_alive(
        self, member: Member, mesh: Mesh[PeerMessage], inbox: MemberInbox
    ) -> None:
        """Heartbeats while the disk is slow, for a while."""
        while True:
            await trio.sleep(self._settings.heartbeat_s)
            is_slow = inbox.is_held and not self._is_ended
            if is_slow and trio.current_time() < inbox.held_at + STALL_S_MAX:
                self._send(member.keep_alive(), mesh)

    def _send(self, outgoing: list[Outgoing], mesh: Mesh[PeerMessage]) -> None:
        frames: dict[str, list[bytes]] = {}
        encoded: dict[int, bytes] = {}
        for peer, message in outgoing:
            # Followers that are equally far get the same message: encode it once.
            frame = encoded.get(id(message))
            if frame is None:
                frame = encoded[id(message)] = encode(message)
            frames.setdefault(peer, []).append(frame)
        for peer, waiting in frames.items():
            mesh.send(peer, waiting)
        self._at_point("after-send")
