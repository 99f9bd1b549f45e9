"""A run: a cluster is made, broken, healed, and must then get everything done."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import trio

from chaos.sim.whole.determinism import run_deterministically
from chaos.sim.whole.framework import Habits, SimulatedFramework
from chaos.sim.whole.history import History, gathered_log
from chaos.sim.whole.http import HttpNetwork
from chaos.sim.whole.judging import Report, judge
from chaos.sim.whole.machine import SimulatedMachine
from chaos.sim.whole.nemesis import Nemesis
from chaos.sim.whole.node import SimulatedNode
from raftleader.errors import RaftLeaderError
from raftleader.leader.term import LeaderSettings
from transports.faults import FaultPlan
from transports.memory import MemoryNetwork

LATENCIES_S = ((0.0002, 0.002), (0.0002, 0.002), (0.001, 0.02))
LOSSES = (0.0, 0.01, 0.05)
"""Chance of an HTTP answer to be lost; a run has one of these."""
LOOK_S = 0.25
"""Between two looks at whether everything is done."""
QUIET_S = 2.0
"""After the last request, for the last entries to reach every node."""


@attrs.frozen(kw_only=True)
class Plan:
    """How long and how hard. Times are seconds of the virtual clock.

    Attributes:
        fault_s: Length of the fault phase.
        settle_s: Within this time after the end of all faults everything must be
            done. Over a minute: so long a framework has after a failover to return.
        more: Tasks every framework starts after the faults, and sees end.
    """

    nodes: int = 3
    machines: int = 3
    fault_s: float = 30.0
    settle_s: float = 150.0
    more: int = 3
    leaders: LeaderSettings = attrs.field(
        factory=lambda: LeaderSettings(offer_timeout_s=12.0, agent_timeout_s=8.0)
    )


HABITS = {
    "steady": Habits(),
    "doubting": Habits(is_accepting_twice=True),
    "returning": Habits(hold_probability=0.3),
    "leaving": Habits(is_returning=False, failover_timeout_s=3.0),
}


def simulate(seed: int, plan: Plan | None = None) -> Report:
    """Run the cluster that ``seed`` gives, and judge it. Real time: seconds.

    Raises nothing for what the cluster does wrong: the report says it.
    """
    with _directory() as directory:
        world = World(seed, plan or Plan(), directory)
        with gathered_log(world.history):
            run_deterministically(world.run, seed)
    return judge(seed, world)


@contextmanager
def _directory() -> Iterator[Path]:
    """In memory where the system has such a place: disks are not what we test."""
    memory = Path("/dev/shm")
    parent = memory if memory.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="simulated-", dir=parent) as name:
        yield Path(name)


class World:
    """Everything there is in one run.

    Attributes:
        unfinished: What was not done in time, in words.
        seconds: Virtual time that passed.
    """

    def __init__(self, seed: int, plan: Plan, directory: Path) -> None:
        self.history = History()
        self.unfinished: list[str] = []
        self.seconds = 0.0
        self._plan = plan
        rng = random.Random(f"simulation {seed}")
        network = MemoryNetwork(rng=_fork(rng), latency_s=rng.choice(LATENCIES_S))
        faults = FaultPlan(_fork(rng))
        self._http = HttpNetwork(_fork(rng))
        self._loss_probability = rng.choice(LOSSES)
        names = [f"n{number}" for number in range(1, plan.nodes + 1)]
        self.nodes = [
            SimulatedNode(
                name=name,
                members={member: f"mem://{member}" for member in names},
                directory=directory,
                network=network,
                plan=faults,
                http=self._http,
                history=self.history,
                seed=f"{seed}",
                settings=plan.leaders,
                is_judged=name == names[0],
            )
            for name in names
        ]
        self.machines = [
            SimulatedMachine(
                name=f"a{number}",
                leaders=tuple(f"mem://{name}/agents" for name in names),
                directory=directory,
                network=network,
                plan=faults,
                history=self.history,
                seed=f"{seed}",
            )
            for number in range(1, plan.machines + 1)
        ]
        self.frameworks = [
            SimulatedFramework(
                name=name,
                leaders=[node.http_address for node in self.nodes],
                http=self._http,
                history=self.history,
                habits=habits,
                rng=_fork(rng),
            )
            for name, habits in HABITS.items()
        ]
        self._nemesis = Nemesis(
            nodes=self.nodes,
            machines=self.machines,
            frameworks=self.frameworks,
            plan=faults,
            http=self._http,
            history=self.history,
            rng=_fork(rng),
        )

    @property
    def returning(self) -> list[SimulatedFramework]:
        """The frameworks that are there at the end."""
        return [one for one in self.frameworks if one.habits.is_returning]

    @property
    def leader(self) -> SimulatedNode | None:
        """The node that leads, if exactly one believes so."""
        leading = [node for node in self.nodes if node.is_leading]
        return leading[0] if len(leading) == 1 else None

    async def run(self) -> None:
        """The whole run, from the first start to the last look."""
        async with trio.open_nursery() as nursery:
            everybody: list[SimulatedNode | SimulatedMachine | SimulatedFramework] = [
                *self.nodes,
                *self.machines,
                *self.frameworks,
            ]
            for one in everybody:
                one.begin(nursery)
                await one.lives.start()
            self._http.loss_probability = self._loss_probability
            await self._nemesis.run(self._plan.fault_s)
            await self._nemesis.heal()
            await self._settle()
            self.seconds = trio.current_time()
            nursery.cancel_scope.cancel()

    async def _settle(self) -> None:
        """Wait until everything is done, then look at every node."""
        with trio.move_on_after(self._plan.settle_s):
            async with trio.open_nursery() as nursery:
                for framework in self.returning:
                    nursery.start_soon(framework.finish, self._plan.more)
            await _wait_until(lambda: not self._not_done(), LOOK_S)
            for framework in self.returning:
                await self._suppress(framework)
            await trio.sleep(QUIET_S)
            await _wait_until(self._is_level, LOOK_S / 10)
        self.unfinished = self._not_done()
        for node in self.nodes:
            self.history.observe(node.lives.label, node.state)

    def _is_level(self) -> bool:
        """Whether every node has applied the same entries."""
        return len({node.state.index for node in self.nodes}) == 1

    async def _suppress(self, framework: SimulatedFramework) -> None:
        try:
            await framework.suppress()
        except RaftLeaderError as error:
            self.history.fail(f"{framework.name} cannot SUPPRESS: {error}")

    def _not_done(self) -> list[str]:
        leader = self.leader
        if leader is None:
            return ["nobody leads, or several"]
        state = leader.state
        found = [text for one in self.returning for text in one.unfinished]
        found += [f"task {key[1]} is still in the table" for key in sorted(state.tasks)]
        known = {one.id for one in self.returning}
        for framework in state.frameworks.values():
            if framework.id in known and not framework.connected:
                found.append(f"{framework.info.name} is not connected")
            if framework.orphan_updates and framework.id in known:
                found.append(f"{framework.info.name} has updates of no task")
            if framework.info.name == "leaving":
                found.append("leaving is still registered")
        found += [
            f"agent {agent.info.hostname} is unreachable"
            for agent in state.agents.values()
            if agent.unreachable_ms is not None
        ]
        found += [
            f"{key[1]} still runs on {machine.name}"
            for machine in self.machines
            for key in machine.containerizer.running
        ]
        return found


async def _wait_until(condition: Callable[[], bool], interval_s: float) -> None:
    while not condition():  # noqa: ASYNC110  # nobody tells us; time here is free
        await trio.sleep(interval_s)


def _fork(rng: random.Random) -> random.Random:
    return random.Random(rng.getrandbits(64))
