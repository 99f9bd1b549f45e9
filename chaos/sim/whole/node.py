"""A leader node of the simulated cluster: ``raftleader.node``, on a simulated disk,
network and clock, with a death for every occasion."""

from __future__ import annotations

import random
from collections.abc import Mapping

import attrs
import trio

from chaos.sim.disk import PowerCut, SimDisk
from chaos.sim.whole.history import History
from chaos.sim.whole.http import HttpNetwork
from chaos.sim.whole.lives import Death, Lives, innermost
from chaos.sim.whole.network import SimulatedNetwork
from chaos.sim.whole.node_log import (
    DATA_DIR,
    SimulatedLog,
    WatchedMachine,
    make_simulated_log,
)
from chaos.sim.whole.processes import Process
from chaos.sim.whole.wall_clock import WallClock
from chaos.sim.whole.watched_log import RaftJudge
from raftleader.errors import DiskFullError
from raftleader.leader.service import LeaderService
from raftleader.node import Engine, NodeConfig, run_node
from raftleader.replication.interface import StateMachine
from raftleader.replication.raft.configuration import Configuration
from raftleader.replication.raft_log import RaftLog
from raftleader.replication.settings import RaftSettings
from raftleader.state.cluster import ClusterState
from transports.interface import Transport

CLUSTER_ID = "simulated"
HTTP_PORT = 8080


@attrs.frozen(kw_only=True)
class Timeouts:
    """Shorter than those of a real cluster, so that a minute shows what an hour does:
    offers and agents time out in a run, a stream that broke is noticed in seconds."""

    offer_s: float = 12.0
    agent_s: float = 8.0
    heartbeat_interval_s: float = 5.0


@attrs.define(eq=False, kw_only=True)
class SimulatedNode:
    """One leader node over all its lives.

    Attributes:
        members: Of the first configuration.
        is_joining: Its next life begins without a voice, as a node that is added.
        is_lost: Its disk was lost, and it is still a member: it must not start.
        is_out_of_room: Its last life ended since it found no room on the disk.
        deaths: Crashes so far.
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
    judge: RaftJudge
    seed: str
    raft: RaftSettings
    timeouts: Timeouts
    process: Process
    is_joining: bool = False
    is_lost: bool = False
    is_out_of_room: bool = False
    deaths: int = 0
    lives: Lives = attrs.field(init=False)
    log: SimulatedLog = attrs.field(init=False)
    service: LeaderService = attrs.field(init=False)
    _known: list[Configuration] = attrs.field(factory=list, init=False)
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
        return self.service.state

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
        """Those it knows of, in its log and committed, or knew in its last life that
        came to read the log."""
        if isinstance(self.log, RaftLog) and self.log.member is not None:
            core = self.log.member.core
            committed = max(core.commit_index, core.first_index - 1)
            self._known = [core.configuration, core.configuration_at(committed)]
        return self._known

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
            self._fall_silent(is_sudden=is_sudden)
            self._die(is_power_cut=is_power_cut)

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
        self.history.points[point] += 1
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

    def _die(self, *, is_power_cut: bool) -> None:
        self.deaths += 1
        self.history.counts["crashes"] += 1
        self.log.crash()
        if is_power_cut:
            self.disk.crash()
        else:
            self.disk.kill()

    # --- One life -------------------------------------------------------------------

    async def _live(self, *, task_status: trio.TaskStatus[None]) -> None:
        failed_before = self.disk.counts["failed sync"]
        self._known = self.configurations if self.lives.count > 1 else []
        self.is_out_of_room = False
        rng = random.Random(f"{self.seed}/{self.lives.label}")
        try:
            await self._run(rng, task_status)
        except Exception as error:
            causes = list(innermost(error))
            expected: tuple[type[BaseException], ...] = (Death, PowerCut)
            if self.disk.counts["failed sync"] > failed_before:
                expected += (OSError,)
            if self.disk.room_bytes is not None:
                expected += (DiskFullError,)
            causes.sort(key=lambda one: not isinstance(one, expected))
            cause = causes[0]
            self.history.note(f"{self.lives.label} died: {cause!r}")
            self.is_out_of_room = isinstance(cause, DiskFullError)
            self._fall_silent()
            self._die(is_power_cut=isinstance(cause, PowerCut) or rng.random() < 0.5)
            if not isinstance(cause, expected):
                raise

    async def _run(
        self, rng: random.Random, task_status: trio.TaskStatus[None]
    ) -> None:
        def make_log(
            config: NodeConfig,
            transport: Transport,
            machine: StateMachine,
            rng: random.Random,
        ) -> SimulatedLog:
            label, history = self.lives.label, self.history
            watched = WatchedMachine(machine, lambda: self.state, history, label)
            self.log = make_simulated_log(
                *(config, transport, watched, rng),
                disk=self.disk,
                at_point=self._at_point,
                history=history,
                judge=self.judge,
            )
            return self.log

        async with trio.open_nursery() as nursery:
            await nursery.start(
                lambda task_status: run_node(
                    self._config(),
                    transport=self.network.transport(self.name, self.process.run),
                    rng=rng,
                    wall_ms=self.clock.wall_ms,
                    monotonic_s=self.clock.monotonic_s,
                    http_server=self.http.server(self.name, self.process.run),
                    make_log=make_log,
                    owns_process=False,
                    on_made=self._made,
                    task_status=task_status,
                )
            )
            nursery.start_soon(self._watch, self.log)
            task_status.started()

    def _made(self, service: LeaderService) -> None:
        self.service = service

    def _config(self) -> NodeConfig:
        return NodeConfig(
            cluster_id=CLUSTER_ID,
            node_id=self.name,
            members=self.members,
            http=self.http_address,
            agents=f"{self.address}/agents",
            data_dir=DATA_DIR,
            engine=self.engine,
            offer_timeout_s=self.timeouts.offer_s,
            agent_timeout_s=self.timeouts.agent_s,
            heartbeat_interval_s=self.timeouts.heartbeat_interval_s,
            raft=self.raft,
            is_joining=self.is_joining,
        )

    async def _watch(self, log: SimulatedLog) -> None:
        """Who says that it leads, and when."""
        seen = log.leadership
        while True:
            if seen.leading:
                self.history.leads(self.name, seen.term)
            seen = await log.wait_leadership_changed(seen)
