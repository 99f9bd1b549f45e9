"""A run: a cluster is made, broken, healed, and must then get everything done."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import trio

from chaos.checkers.committed_safe import Log
from chaos.sim.options import Options
from chaos.sim.whole.clock import VirtualClock
from chaos.sim.whole.cluster import Builder
from chaos.sim.whole.framework import SimulatedFramework
from chaos.sim.whole.history import History
from chaos.sim.whole.machine import SimulatedMachine
from chaos.sim.whole.nemesis import Nemesis
from chaos.sim.whole.node import SimulatedNode, Timeouts
from chaos.sim.whole.offers_judge import NAME as OFFERS
from chaos.sim.whole.offers_judge import OffersJudge
from chaos.sim.whole.targets import Targets
from chaos.sim.whole.unfinished import unfinished
from chaos.sim.whole.watched_log import RaftJudge
from chaos.sim.whole.watched_pysyncobj import log_of
from raftleader.errors import RaftLeaderError
from raftleader.node import Engine

FAULTS_SHARE = 0.7
"""Of the time of a run; the rest is for everything to be finished."""
LIVENESS_S = 90.0
"""Within this time after the end of all faults everything must be done. Over a
minute: so long a framework has to return after a failover (RESUBSCRIBE_GRACE_S), and
one that does not is waited for."""
MORE = 3
"""Tasks that every framework starts after the faults, and sees end."""
LOOK_S = 0.25
"""Between two looks at whether everything is done."""
QUIET_S = 2.0
"""After the last request, for the last entries to reach every node."""


class World:
    """Everything there is in one run.

    Attributes:
        history: What was seen of it.
        unfinished: What was not done in time, in words.
    """

    def __init__(
        self,
        options: Options,
        *,
        engine: Engine,
        directory: Path,
        timeouts: Timeouts,
        liveness_s: float = LIVENESS_S,
        sink: Callable[[str], object] | None = None,
    ) -> None:
        rng = random.Random(f"whole {options.seed}")
        self.clock = VirtualClock()
        self.history = History(options.seed, self.clock, sink)
        self.unfinished: list[str] = []
        self.options = options
        self.engine = engine
        self._liveness_s = liveness_s
        builder = self._builder = Builder(
            options=options,
            engine=engine,
            directory=directory,
            clock=self.clock,
            history=self.history,
            judge=RaftJudge(self.history.log.committed, self._logs),
            timeouts=timeouts,
            rng=rng,
        )
        self.network = builder.network
        self.nodes = builder.nodes()
        self.machines = builder.machines(self.nodes)
        self.frameworks = builder.frameworks(self.nodes, self._subscribed)
        self.offers_judge = OffersJudge(
            leader=lambda: self.leader, http=builder.http, history=self.history
        )
        self.nemesis = Nemesis(
            Targets(
                nodes=self.nodes,
                machines=self.machines,
                frameworks=self.frameworks,
                network=builder.network,
                http=builder.http,
                history=self.history,
                options=options,
                rng=random.Random(rng.getrandbits(64)),
            )
        )
        self._nursery: trio.Nursery | None = None

    @property
    def returning(self) -> list[SimulatedFramework]:
        """The frameworks that are there at the end."""
        return [one for one in self.frameworks if one.habits.is_returning]

    @property
    def living(self) -> list[SimulatedNode]:
        """The nodes that are not dead for ever."""
        return [node for node in self.nodes if not node.lives.is_over]

    @property
    def leader(self) -> SimulatedNode | None:
        """The node that leads, if exactly one believes so."""
        leading = [node for node in self.nodes if node.is_leading]
        return leading[0] if len(leading) == 1 else None

    async def run(self) -> None:
        """The whole run, from the first start to the last look."""
        self._builder.queue.install()
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            everybody: list[SimulatedNode | SimulatedMachine | SimulatedFramework] = [
                *self.nodes,
                *self.machines,
                *self.frameworks,
            ]
            for one in everybody:
                one.begin(nursery)
                await one.lives.start()
            await self.nemesis.run(self.options.seconds * FAULTS_SHARE)
            await self.nemesis.heal()
            await self._settle()
            self._look_at_the_end()
            nursery.cancel_scope.cancel()

    def _logs(self) -> dict[str, Log] | None:
        """Those of all nodes. Not once a disk was lost: then a name has stood for two
        directories, and the logs alone do not tell who may vote."""
        if self.nemesis.member_faults.has_lost:
            return None
        found: dict[str, Log] = {}
        for node in self.nodes:
            log = log_of(node.log)
            if log is None:
                return None
            found[node.name] = log
        return found

    def _subscribed(self, framework: SimulatedFramework) -> None:
        assert self._nursery is not None
        self._nursery.start_soon(self.offers_judge.judge_later, framework)

    async def _settle(self) -> None:
        """Until everything is done, in the time there is for it."""
        with trio.move_on_after(self._liveness_s):
            async with trio.open_nursery() as nursery:
                if self.engine is Engine.RAFT:
                    nursery.start_soon(self.nemesis.member_faults.finish)
                for framework in self.returning:
                    nursery.start_soon(framework.finish, MORE)
            await _wait_until(lambda: not unfinished(self), LOOK_S)
            for framework in self.returning:
                await self._suppress(framework)
            await trio.sleep(QUIET_S)
            await _wait_until(self._is_level, LOOK_S / 10)

    def _is_level(self) -> bool:
        """Whether every node has applied the same entries."""
        return len({node.state.index for node in self.living}) == 1

    def _look_at_the_end(self) -> None:
        self.unfinished = unfinished(self)
        if not self._is_level():
            indexes = {node.name: node.state.index for node in self.living}
            self.unfinished.append(f"nodes do not agree on the end: {indexes}")
        for node in self.living:
            self.history.observe(node.lives.label, node.state)
        for framework in self.returning:
            for text in self.offers_judge.differences(framework):
                self.history.fail(text, OFFERS)

    async def _suppress(self, framework: SimulatedFramework) -> None:
        try:
            await framework.suppress()
        except RaftLeaderError as error:
            self.history.fail(f"{framework.name} cannot SUPPRESS: {error}")


async def _wait_until(condition: Callable[[], bool], interval_s: float) -> None:
    while not condition():  # noqa: ASYNC110  # nobody tells us; time here is free
        await trio.sleep(interval_s)
