"""One node's end of the log, over PySyncObj and our journal.

One task steps the engine: whenever a message, a proposal or a timer is due it takes
all that has come, lets the engine work, syncs the journal, and only then lets the
messages out that the engine wrote meanwhile. So no vote, acknowledgement or entry
leaves before what it promises is on disk, and however many proposals came together,
they cost one fdatasync here and one on each follower.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

import trio

from raftleader.errors import (
    ConfigError,
    InvalidInputError,
    NotLeaderError,
    OutcomeUnknownError,
    OverloadedError,
)
from raftleader.replication.disk import Disk
from raftleader.replication.entries import NO_OP, user_entry
from raftleader.replication.interface import Applier, Leadership, LogStatistics
from raftleader.replication.journal import Journal
from raftleader.replication.mesh import Mesh
from raftleader.replication.pending import PendingProposals, Proposal
from raftleader.replication.pysyncobj_backend import library
from raftleader.replication.pysyncobj_backend.guards import GuardedSyncObj
from raftleader.replication.pysyncobj_backend.library import Answer
from raftleader.replication.pysyncobj_backend.wire import RaftMessage, decode, encode
from raftleader.replication.settings import RaftSettings
from raftleader.replication.watch import LeadershipWatch
from transports.interface import Transport

ENGINE = "pysyncobj"

_Event = Callable[[GuardedSyncObj], None]


class PySyncObjLog:
    """A ``ReplicatedLog`` on a fixed set of nodes. ``run`` it once.

    Args:
        members: Transport address of every node by node id, this one included.
        rng: For election timeouts and pauses between dials.
        journal_path: The directory of its journal, on ``disk`` or that of the machine.
        via: Where to dial a node, by its id, instead of at its address in ``members``.
    """

    def __init__(
        self,
        *,
        cluster_id: str,
        node_id: str,
        members: Mapping[str, str],
        transport: Transport,
        journal_path: Path,
        applier: Applier,
        rng: random.Random,
        settings: RaftSettings | None = None,
        disk: Disk | None = None,
        via: Mapping[str, str] | None = None,
    ) -> None:
        if node_id not in members:
            raise ConfigError(f"members does not name this node, {node_id!r}")
        self._cluster_id = cluster_id
        self._node_id = node_id
        self._members = dict(members)
        self._transport = transport
        self._via = dict(via or {})
        self._journal_path = journal_path
        self._applier = applier
        self._rng = rng
        self._settings = settings or RaftSettings()
        self._disk = disk
        self._pending = PendingProposals(
            count_max=self._settings.pending_max,
            bytes_max=self._settings.pending_bytes_max,
        )
        self._watch = LeadershipWatch()
        self._events: list[_Event] = []
        self._wake = trio.Event()
        self._scope = trio.CancelScope()
        self._journal: Journal | None = None
        self._engine: GuardedSyncObj | None = None
        self._mesh: Mesh[RaftMessage] | None = None

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Take part until cancelled; see ``ReplicatedLog.run``.

        Raises before ``started`` JournalDamagedError, ConfigError, OSError or
        BadAddressError; afterwards OSError when the disk fails, DiskFullError when it
        is full, InvariantError when a promise of Raft is found broken, and whatever
        the applier raised.
        """
        if self._journal is not None:
            raise RuntimeError("a log runs once; make a new one")
        journal = self._journal = Journal.open(
            str(self._journal_path),
            cluster_id=self._cluster_id,
            node_id=self._node_id,
            engine=ENGINE,
            disk=self._disk,
            segment_bytes=self._settings.segment_bytes,
        )
        try:
            self._engine = GuardedSyncObj(
                node_id=self._node_id,
                peers=self._members.keys() - {self._node_id},
                journal=journal,
                applier=self._applier,
                rng=self._rng,
                settings=self._settings,
            )
            journal.sync()
            await self._run(self._engine, journal, task_status)
        finally:
            self._pending.fail_all(lambda: OutcomeUnknownError("the node stopped"))
            term = self._watch.current.term
            self._watch.update(Leadership(term=term, leader=None, leading=False))
            journal.close()

    async def _run(
        self,
        engine: GuardedSyncObj,
        journal: Journal,
        task_status: trio.TaskStatus[None],
    ) -> None:
        mesh = self._mesh = Mesh(
            cluster_id=self._cluster_id,
            node_id=self._node_id,
            engine=ENGINE,
            members=self._members,
            transport=self._transport,
            decode=decode,
            inbox=self,
            rng=self._rng,
            settings=self._settings,
            via=self._via,
        )
        failure: Exception | None = None
        with self._scope:
            async with trio.open_nursery() as nursery:
                try:
                    nursery.start_soon(self._pending.deadlines.run)
                    await mesh.start(nursery)
                    task_status.started()
                    await self._step_for_ever(engine, journal, mesh)
                except Exception as error:
                    # Out of the nursery, so that it goes up alone, not in a group.
                    failure = error
                    nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def crash(self) -> None:
        """Die as by SIGKILL, for simulations: ``run`` returns without a sync."""
        if self._journal is not None:
            self._journal.abandon()
        self._scope.cancel()

    async def propose(self, data: bytes, *, timeout_s: float) -> object:
        """Commit ``data``; see ``ReplicatedLog.propose``.

        Raises InvalidInputError if it is larger than ``entry_bytes_max``.
        """
        if len(data) > self._settings.entry_bytes_max:
            limit = self._settings.entry_bytes_max
            raise InvalidInputError("data", f"{len(data)} bytes; the limit is {limit}")
        return await self._submit(user_entry(data), timeout_s)

    async def barrier(self, *, timeout_s: float) -> int:
        """Commit a no-op; see ``ReplicatedLog.barrier``."""
        index = await self._submit(NO_OP, timeout_s)
        assert isinstance(index, int)
        return index

    @property
    def leadership(self) -> Leadership:
        return self._watch.current

    async def wait_leadership_changed(self, seen: Leadership) -> Leadership:
        """See ``ReplicatedLog.wait_leadership_changed``."""
        return await self._watch.wait_changed(seen)

    def statistics(self) -> LogStatistics:
        """Counters right now."""
        engine, journal, mesh = self._engine, self._journal, self._mesh
        return LogStatistics(
            engine=ENGINE,
            term=engine.term if engine else 0,
            last_index=journal.last_index if journal else 0,
            commit_index=engine.commit_index if engine else 0,
            applied_index=engine.applied_index if engine else 0,
            journal_bytes=journal.size_bytes if journal else 0,
            peers_connected=mesh.peers_connected if mesh else (),
        )

    @property
    def refusals(self) -> Mapping[str, int]:
        """How often a link or a message of a peer was refused, by reason."""
        return dict(self._mesh.refusals) if self._mesh else {}

    # --- from the mesh (Inbox): noted, and handled in the next step ---

    def receive(self, peer: str, message: RaftMessage) -> None:
        self._note(lambda engine: engine.receive(peer, message))

    def link_up(self, peer: str) -> None:
        self._note(lambda engine: engine.link_up(peer))

    def link_down(self, peer: str) -> None:
        self._note(lambda engine: engine.link_down(peer))

    def peer_lost(self, peer: str) -> None:
        self._note(lambda engine: engine.peer_lost(peer))

    def _note(self, event: _Event) -> None:
        self._events.append(event)
        self._wake.set()

    # --- proposals ---

    async def _submit(self, command: bytes, timeout_s: float) -> object:
        leadership = self._watch.current
        if self._engine is None or not leadership.leading:
            await trio.lowlevel.checkpoint()  # a caller that loops must not hang us
            is_self = leadership.leader == self._node_id
            raise NotLeaderError(None if is_self else leadership.leader)
        proposal = self._pending.admit(len(command))
        self._engine._applyCommand(command, self._answer_to(proposal))
        self._wake.set()
        return await proposal.wait(timeout_s=timeout_s)

    def _answer_to(self, proposal: Proposal) -> Answer:
        """The one place where the library's reasons become our errors."""

        def answer(result: object, reason: int) -> None:
            if reason == library.SUCCESS:
                proposal.settle(result)
            elif reason == library.QUEUE_FULL:
                proposal.fail(OverloadedError("the engine's queue is full"))
            elif reason in _NEVER_APPLIED:
                leader = self._watch.current.leader
                is_self = leader == self._node_id
                proposal.fail(NotLeaderError(None if is_self else leader))
            else:
                proposal.fail(OutcomeUnknownError("leadership was lost"))

        return answer

    # --- the step ---

    async def _step_for_ever(
        self, engine: GuardedSyncObj, journal: Journal, mesh: Mesh[RaftMessage]
    ) -> None:
        while True:
            with trio.move_on_at(engine.wake_at):
                await self._wake.wait()
            self._wake = trio.Event()
            self._step(engine, journal, mesh)

    def _step(
        self, engine: GuardedSyncObj, journal: Journal, mesh: Mesh[RaftMessage]
    ) -> None:
        events, self._events = self._events, []
        for event in events:
            event(engine)
        engine.watch_deadline()
        engine._checkCommandsToApply()
        journal.sync()  # before the tick, which counts our own copy
        engine.doTick(0.0)
        engine.replicate()
        journal.sync()  # a campaign in the tick wrote a term and a vote
        self._send(engine, mesh)
        self._watch.update(
            Leadership(
                term=engine.term,
                leader=engine.leader.id if engine.leader else None,
                leading=engine.is_leading,
            )
        )

    def _send(self, engine: GuardedSyncObj, mesh: Mesh[RaftMessage]) -> None:
        outbox, engine.outbox = engine.outbox, []
        frames: dict[str, list[bytes]] = {}
        encoded: dict[int, bytes] = {}
        for peer, message in outbox:
            # Followers that are equally far get the same message: encode it once.
            if id(message) not in encoded:
                encoded[id(message)] = encode(message)
            frames.setdefault(peer, []).append(encoded[id(message)])
        for peer in sorted(frames):
            mesh.send(peer, frames[peer])


_NEVER_APPLIED = frozenset(
    {
        library.NOT_LEADER,
        library.MISSING_LEADER,
        library.DISCARDED,
        library.REQUEST_DENIED,
    }
)
