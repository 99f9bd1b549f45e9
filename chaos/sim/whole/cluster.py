"""A cluster for one run, made from its options: nodes, agents, frameworks, networks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path

import attrs

from chaos.sim.disk import SimDisk
from chaos.sim.disk_file import CrashFaults
from chaos.sim.options import Fault, Options
from chaos.sim.whole.clock import VirtualClock
from chaos.sim.whole.framework import Habits, SimulatedFramework
from chaos.sim.whole.history import History
from chaos.sim.whole.http import HttpNetwork
from chaos.sim.whole.machine import SimulatedMachine
from chaos.sim.whole.network import SimulatedNetwork
from chaos.sim.whole.node import SimulatedNode, Timeouts
from chaos.sim.whole.processes import Process, ReadyQueue
from chaos.sim.whole.wall_clock import WallClock
from chaos.sim.whole.watched_log import RaftJudge
from raftleader.node import Engine
from raftleader.replication.settings import RaftSettings
from transports.fault_plan import FaultPlan

DRIFT_MAX = 0.08
"""Clocks run so much faster or slower than time, at most."""
SEGMENT_BYTES = 64 * 1024
"""Of a journal: small, so that there are several, and a full disk is noticed."""
HTTP_LATENCY_S = (0.0002, 0.002)


@attrs.define(eq=False, kw_only=True)
class Builder:
    """Makes the parts of one cluster. What is drawn, is drawn in order."""

    options: Options
    engine: Engine
    directory: Path
    clock: VirtualClock
    history: History
    judge: RaftJudge
    timeouts: Timeouts
    rng: random.Random
    queue: ReadyQueue = attrs.field(factory=ReadyQueue)
    network: SimulatedNetwork = attrs.field(init=False)
    http: HttpNetwork = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.network = SimulatedNetwork(
            clock=self.clock,
            rng=self._fork(),
            plan=FaultPlan(self._fork()),
            latency_s=self.options.latency_s,
            delivered=self.history.frames,
        )
        self.http = HttpNetwork(self.clock, self._fork(), HTTP_LATENCY_S)

    def nodes(self) -> list[SimulatedNode]:
        """All of the first members."""
        names = [f"n{number}" for number in range(1, self.options.nodes + 1)]
        members = {name: f"mem://{name}" for name in names}
        return [self._node(name, members) for name in names]

    def machines(self, nodes: Iterable[SimulatedNode]) -> list[SimulatedMachine]:
        """One agent each."""
        leaders = tuple(f"{node.address}/agents" for node in nodes)
        return [
            SimulatedMachine(
                name=name,
                leaders=leaders,
                directory=self.directory,
                clock=self._clock(name),
                network=self.network,
                history=self.history,
                seed=f"{self.options.seed}",
                process=self._process(name),
            )
            for name in (f"a{number}" for number in range(1, self.options.agents + 1))
        ]

    def frameworks(
        self,
        nodes: Iterable[SimulatedNode],
        on_subscribed: Callable[[SimulatedFramework], None],
    ) -> list[SimulatedFramework]:
        """Each with habits of its own."""
        addresses = [node.http_address for node in nodes]
        return [
            SimulatedFramework(
                name=name,
                leaders=addresses,
                http=self.http,
                history=self.history,
                habits=habits,
                rng=self._fork(),
                make_process=self._process,
                on_subscribed=on_subscribed,
            )
            for name, habits in self._habits()
        ]

    def _habits(self) -> list[tuple[str, Habits]]:
        options = self.options
        found = [
            ("returning", Habits(hold_probability=0.3)),
            (
                ("doubting", Habits(is_accepting_twice=True))
                if options.is_on(Fault.FRAMEWORK_RETRY)
                else ("steady", Habits())
            ),
            (
                ("leaving", Habits(is_returning=False, failover_timeout_s=3.0))
                if options.is_on(Fault.FRAMEWORK_CRASH)
                else ("staying", Habits())
            ),
        ]
        found += [
            (f"more{number}", Habits())
            for number in range(len(found), options.frameworks)
        ]
        return found[: options.frameworks]

    def _node(self, name: str, members: dict[str, str]) -> SimulatedNode:
        options = self.options
        clock = self._clock(name)
        disk = SimDisk(
            self._fork(),
            faults=CrashFaults(
                loses=options.is_on(Fault.LOST_WRITES),
                tears=options.is_on(Fault.TORN_WRITES),
                flips=options.is_on(Fault.BIT_FLIPS),
            ),
        )
        return SimulatedNode(
            name=name,
            members=members,
            engine=self.engine,
            disk=disk,
            clock=clock,
            network=self.network,
            http=self.http,
            history=self.history,
            judge=self.judge,
            seed=f"{options.seed}",
            raft=self._raft(clock.rate),
            timeouts=self.timeouts,
            process=self._process(name),
        )

    def _raft(self, rate: float) -> RaftSettings:
        """A node whose clock runs fast waits less."""
        heartbeat_s = self.options.heartbeat_s
        return RaftSettings(
            heartbeat_s=heartbeat_s / rate,
            election_timeout_min_s=4 * heartbeat_s / rate,
            election_timeout_max_s=8 * heartbeat_s / rate,
            leader_fallback_s=9 * heartbeat_s / rate,
            ping_interval_s=1.5,
            silence_s=3.5,
            redial_min_s=0.05,
            redial_max_s=0.5,
            snapshot_entries=self.options.snapshot_entries,
            keep_entries=max(1, self.options.keep_entries),
            segment_bytes=SEGMENT_BYTES,
        )

    def _clock(self, name: str) -> WallClock:
        if not self.options.is_on(Fault.CLOCK_DRIFT):
            return WallClock(self.clock)
        rate = self.rng.uniform(1 - DRIFT_MAX, 1 + DRIFT_MAX)
        self.history.fired(Fault.CLOCK_DRIFT, f"{name} runs at {rate:.3f}")
        return WallClock(self.clock, rate=rate)

    def _process(self, name: str) -> Process:
        return Process(name, self.clock, self.queue)

    def _fork(self) -> random.Random:
        return random.Random(self.rng.getrandbits(64))
