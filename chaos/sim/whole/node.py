"""A leader node of the simulated cluster: the parts of ``raftleader.node``.

Not ``run_node`` itself, since the log must be able to die without a sync and every
entry is looked at when it is applied.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import attrs
import trio

from chaos.sim.whole.history import History
from chaos.sim.whole.http import HttpNetwork
from chaos.sim.whole.lives import Lives
from raftleader.api.app import build_handler
from raftleader.leader.agent_sessions import AgentSessions
from raftleader.leader.cluster_clock import ClusterClock
from raftleader.leader.replica import Replica
from raftleader.leader.service import LeaderService
from raftleader.leader.term import LeaderSettings
from raftleader.replication.pysyncobj_backend.log import PySyncObjLog
from raftleader.state.cluster import ClusterState
from transports.faults import FaultPlan, FaultyTransport
from transports.memory import MemoryNetwork

CLUSTER_ID = "simulated"
HTTP_PORT = 8080
WALL_MS = 1_700_000_000_000
"""Where the wall clocks of all nodes stand when a run begins."""


def wall_ms() -> int:
    return WALL_MS + round(trio.current_time() * 1000)


@attrs.define(eq=False, kw_only=True)
class SimulatedNode:
    """One leader node over all its lives.

    Attributes:
        is_judged: Whether its state is searched for violations after each entry.
        log, service: Of the present life.
    """

    name: str
    members: Mapping[str, str]
    directory: Path
    network: MemoryNetwork
    plan: FaultPlan
    http: HttpNetwork
    history: History
    seed: str
    settings: LeaderSettings
    is_judged: bool
    lives: Lives = attrs.field(init=False)
    log: PySyncObjLog = attrs.field(init=False)
    service: LeaderService = attrs.field(init=False)
    _replica: Replica = attrs.field(init=False)

    def begin(self, nursery: trio.Nursery) -> None:
        """Its lives go on in ``nursery``."""
        self.lives = Lives(self.name, self.history, nursery, self._live)

    @property
    def state(self) -> ClusterState:
        return self._replica.state

    @property
    def http_address(self) -> str:
        return f"{self.name}:{HTTP_PORT}"

    @property
    def is_leading(self) -> bool:
        return self.lives.is_up and self.service.leadership.leading

    async def crash(self) -> None:
        """``kill -9``: nothing more is sent, answered or written."""
        await self.lives.end("crashes", self._die)

    async def stop(self) -> None:
        """End in good order."""
        await self.lives.end("stops")
        self.network.close_links(self.name)

    def _die(self) -> None:
        self.network.close_links(self.name)
        self.http.break_all(self.name)
        self.log.crash()

    def _apply(self, index: int, term: int, data: bytes) -> object:
        before = self.state.term
        result = self._replica.apply(index, term, data)
        if self.state.term != before and self.is_judged:
            self.history.note(f"term {term}: {self.state.leader} leads")
        self.history.applied(self.lives.label, self.state, is_judged=self.is_judged)
        return result

    async def _live(self, *, task_status: trio.TaskStatus[None]) -> None:
        rng = random.Random(f"{self.seed}/{self.lives.label}")
        counts: Counter[str] = Counter()
        clock = ClusterClock(monotonic_s=trio.current_time, wall_ms=wall_ms)
        replica = self._replica = Replica(cluster_id=CLUSTER_ID, clock=clock)
        transport = FaultyTransport(
            self.network.transport(self.name), self.plan, label=self.name
        )
        log = self.log = PySyncObjLog(
            cluster_id=CLUSTER_ID,
            node_id=self.name,
            members=self.members,
            transport=transport,
            journal_path=self.directory / f"{self.name}.journal",
            applier=self._apply,
            rng=rng,
        )
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
                    handler = build_handler(service)
                    await nursery.start(self.http.serve, handler, self.http_address)
                    address = f"mem://{self.name}/agents"
                    await nursery.start(sessions.run, transport, address)
                    await outer.start(self._run_log, log, log_scope)
                    log_scope.shield = True
                    await nursery.start(service.run)
                    task_status.started()
            finally:
                log_scope.cancel()

    async def _run_log(
        self,
        log: PySyncObjLog,
        scope: trio.CancelScope,
        *,
        task_status: trio.TaskStatus[None],
    ) -> None:
        with scope:
            await log.run(task_status=task_status)
