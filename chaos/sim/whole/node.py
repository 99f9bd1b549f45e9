"""A leader node of the simulated cluster: the parts of ``raftleader.node``, on a
simulated disk and network, with a death for every occasion."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import attrs
import trio

from chaos.sim.disk import PowerCut, SimDisk
from chaos.sim.whole.engines import Engine
from chaos.sim.whole.history import History
from chaos.sim.whole.http import HttpNetwork
from chaos.sim.whole.lives import Death, Lives, innermost
from chaos.sim.whole.network import SimulatedNetwork
from chaos.sim.whole.processes import Process
from chaos.sim.whole.wall_clock import WallClock
from raftleader.api.app import build_handler
from raftleader.leader.agent_sessions import AgentSessions
from raftleader.leader.cluster_clock import ClusterClock
from raftleader.leader.replica import Replica
from raftleader.leader.service import LeaderService
from raftleader.leader.term import LeaderSettings
from raftleader.replication.pysyncobj_backend.log import PySyncObjLog
from raftleader.replication.raft.configuration import Configuration
from raftleader.replication.raft_log import RaftLog
from raftleader.replication.settings import RaftSettings
from raftleader.state.cluster import ClusterState
from raftleader.state.outcomes import Applied

CLUSTER_ID = "simulated"
HTTP_PORT = 8080
DATA_DIR = "data"


@attrs.define(eq=False, kw_only=True)
class SimulatedNode:
    """One leader node over all its lives.

    Attributes:
        members: Of the first configuration.
        is_joining: Its next life begins without a voice, as a node that is added.
        is_lost: Its disk was lost, and it is still a member: it must not start.
        disk: Outlives it.
        clock: Its wall clock, and how fast its own time goes.
        log, service: Of the present life.
    """

    name: str
    members: Mapping[str, str]
    engine: Engine
    disk: SimDisk
    clock: WallClock
    network: SimulatedNetwork
    http: HttpNetwork
    history: History
    seed: str
    raft: RaftSettings
    settings: LeaderSettings
    process: Process
    is_joining: bool = False
    is_lost: bool = False
    deaths: int = 0
    lives: Lives = attrs.field(init=False)
    log: RaftLog | PySyncObjLog = attrs.field(init=False)
    service: LeaderService = attrs.field(init=False)
    _replica: _WatchedReplica = attrs.field(init=False)
    _points_left: dict[str, int] = attrs.field(factory=dict, init=False)

    def begin(self, nursery: trio.Nursery) -> None:
        """Its lives go on in ``nursery``."""
        self.lives = Lives(self.process, self.history, nursery, self._live)

    @property
    def address(self) -> str:
        return f"mem://{self.name}"

    @property
    def http_address(self) -> str:
        return f"{self.name}:{HTTP_PORT}"

    @property
    def state(self) -> ClusterState:
        return self._replica.state

    @property
    def is_leading(self) -> bool:
        return self.lives.is_up and self.service.leadership.leading

    @property
    def first_index(self) -> int:
        """The oldest entry it has not forgotten."""
        log = self.log
        if isinstance(log, RaftLog) and log.member is not None:
            return log.member.core.first_index
        return 1

    @property
    def configurations(self) -> list[Configuration]:
        """Those it knows of, or knew when it died: in its log, and committed."""
        if not isinstance(self.log, RaftLog) or self.log.member is None:
            return []
        core = self.log.member.core
        committed = max(core.commit_index, core.first_index - 1)
        return [core.configuration, core.configuration_at(committed)]

    @property
    def standing(self) -> str:
        """What it is in its group, in words."""
        if not self.lives.is_up:
            return f"{self.name} is down"
        if not isinstance(self.log, RaftLog) or self.log.member is None:
            return f"{self.name}: {self.log.statistics()}"
        now, core = self.log.member.statistics(), self.log.member.core
        return (
            f"{self.name}: {now.condition.value}, {now.role} in term {now.term}, log"
            f" {now.first_index} to {now.last_index}, committed {now.commit_index},"
            f" applied {now.applied_index}, voters {core.configuration.voters},"
            f" learners {core.configuration.learners}, links to {now.links},"
            f" refused {dict(sorted(self.log.refusals.items()))}"
        )

    async def start(self) -> None:
        """Begin a life, unless one goes on, or it must not."""
        if not self.is_lost:
            await self.lives.start()

    # --- Deaths ---------------------------------------------------------------------

    async def crash(self, *, is_power_cut: bool, is_sudden: bool = False) -> None:
        """``kill -9``, or a power cut: nothing more is sent, answered or written.

        ``is_sudden``: its peers are not told by its system."""
        how = "loses power" if is_power_cut else "crashes"

        def die() -> None:
            self.deaths += 1
            self.history.counts["crashes"] += 1
            self._fall_silent(is_sudden=is_sudden)
            self.log.crash()
            self._let_go(is_power_cut=is_power_cut)

        await self.lives.end(how, die, is_crash=True)

    async def stop(self) -> None:
        """End in good order."""
        await self.lives.end("stops")
        self.network.lose_links(self.name)

    def die_at(self, point: str, times: int = 1) -> None:
        """Crash when it comes to this point of its code so many times more."""
        self._points_left[point] = times

    def forget_points(self) -> None:
        """The end of all ``die_at``."""
        self._points_left.clear()

    def pause(self, seconds: float) -> None:
        """It stands still for so long, or as long as it does already."""
        self.process.stop_until(self.history.clock.now_s + seconds)

    def _at_point(self, point: str) -> None:
        self.history.counts[f"at {point}"] += 1
        if point in self._points_left:
            self._points_left[point] -= 1
            if not self._points_left[point]:
                del self._points_left[point]
                self._fall_silent()
                raise Death(f"at {point}")
        stalled_s = self.disk.take_stall()
        if stalled_s > 0.0:
            self.pause(stalled_s)

    def _fall_silent(self, *, is_sudden: bool = False) -> None:
        self.network.lose_links(self.name, is_sudden=is_sudden)
        self.http.break_all(self.name)

    def _let_go(self, *, is_power_cut: bool) -> None:
        if is_power_cut:
            self.disk.crash()
        else:
            self.disk.kill()

    # --- One life -------------------------------------------------------------------

    async def _live(self, *, task_status: trio.TaskStatus[None]) -> None:
        failed_before = self.disk.counts["failed sync"]
        try:
            await self._run(task_status)
        except Exception as error:
            causes = list(innermost(error))
            expected: tuple[type[BaseException], ...] = (Death, PowerCut)
            if self.disk.counts["failed sync"] > failed_before:
                expected += (OSError,)
            deaths = [one for one in causes if isinstance(one, expected)]
            if not deaths:
                self._died(repr(causes[0]), is_power_cut=False)
                raise
            is_power_cut = not isinstance(deaths[0], Death)
            self._died(repr(deaths[0]), is_power_cut=is_power_cut)

    def _died(self, how: str, *, is_power_cut: bool) -> None:
        self.history.note(f"{self.lives.label} died: {how}", counted="crashes")
        self.deaths += 1
        self._fall_silent()
        self.log.crash()
        self._let_go(is_power_cut=is_power_cut)

    async def _run(self, task_status: trio.TaskStatus[None]) -> None:
        rng = random.Random(f"{self.seed}/{self.lives.label}")
        counts: Counter[str] = Counter()
        clock = ClusterClock(
            monotonic_s=self.clock.monotonic_s, wall_ms=self.clock.wall_ms
        )
        replica = self._replica = _WatchedReplica(
            cluster_id=CLUSTER_ID,
            clock=clock,
            history=self.history,
            life=self.lives.label,
        )
        transport = self.network.transport(self.name, self.process.run)
        log = self.log = self._make_log(replica, rng)
        sessions = AgentSessions(
            replica.state,
            node_id=self.name,
            agent_timeout_s=self.settings.agent_timeout_s,
            counts=counts,
        )
        service = self.service = LeaderService(
            log,
            replica=replica,
            clock=clock,
            sessions=sessions,
            node_id=self.name,
            http_address=self.http_address,
            rng=rng,
            settings=self.settings,
            counts=counts,
        )
        async with trio.open_nursery() as outer:
            log_scope = trio.CancelScope()
            try:
                async with trio.open_nursery() as nursery:
                    serve_http = self.http.server(self.name, self.process.run)
                    handler = build_handler(service)
                    await nursery.start(serve_http, handler, self.http_address)
                    address = f"{self.address}/agents"
                    await nursery.start(sessions.run, transport, address)
                    await outer.start(self._run_log, log, log_scope)
                    log_scope.shield = True
                    nursery.start_soon(self._watch, log)
                    await nursery.start(service.run)
                    task_status.started()
            finally:
                log_scope.cancel()

    def _make_log(self, replica: Replica, rng: random.Random) -> RaftLog | PySyncObjLog:
        transport = self.network.transport(self.name, self.process.run)
        if self.engine is Engine.RAFT:
            return RaftLog(
                cluster_id=CLUSTER_ID,
                node_id=self.name,
                members=self.members,
                transport=transport,
                data_dir=Path(DATA_DIR),
                machine=replica,
                rng=rng,
                settings=self.raft,
                disk=self.disk,
                is_joining=self.is_joining,
                at_point=self._at_point,
            )
        return PySyncObjLog(
            cluster_id=CLUSTER_ID,
            node_id=self.name,
            members=self.members,
            transport=transport,
            journal_path=Path(DATA_DIR),
            applier=replica.apply,
            rng=rng,
            settings=self.raft,
            disk=self.disk,
        )

    async def _run_log(
        self,
        log: RaftLog | PySyncObjLog,
        scope: trio.CancelScope,
        *,
        task_status: trio.TaskStatus[None],
    ) -> None:
        with scope:
            await log.run(task_status=task_status)

    async def _watch(self, log: RaftLog | PySyncObjLog) -> None:
        """Who says that it leads, and when."""
        seen = log.leadership
        while True:
            if seen.leading:
                self.history.leads(self.name, seen.term)
            seen = await log.wait_leadership_changed(seen)


class _WatchedReplica(Replica):
    """Tells the history what it applied."""

    def __init__(
        self, *, cluster_id: str, clock: ClusterClock, history: History, life: str
    ) -> None:
        super().__init__(cluster_id=cluster_id, clock=clock)
        self._history = history
        self._life = life

    def apply(self, index: int, term: int, data: bytes) -> Applied:
        applied = super().apply(index, term, data)
        self._history.applied(self._life, term, data, self.state, applied)
        return applied
