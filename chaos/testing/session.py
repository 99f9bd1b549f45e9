"""A cluster for a test, seen from the loop that keeps it.

What a test breaks is held by a task each, which heals it: at its time, when it is asked
to, or when the session ends, however it ends.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio

from chaos.disks import open_disks
from chaos.disks.means import PLAIN
from chaos.history.records import PhaseRecord
from chaos.live.atlas import Shape
from chaos.live.cluster import LiveCluster, open_live_cluster
from chaos.live.faults import Fault
from chaos.live.finishing import Finishing
from chaos.live.outcome import Bound, Ending, Outcome
from chaos.live.pages import HttpPages
from chaos.live.plan import LEADER, node_names
from chaos.live.seams import Journal, Nemesis, Network, World
from chaos.live.watcher import STATUS_TIMEOUT_S, Watcher
from chaos.machine.capabilities import probe
from chaos.nemeses.registry import nemeses_by_fault
from chaos.network.opening import open_network
from chaos.network.proxies import open_proxies
from chaos.testing.faults import Faults
from chaos.testing.request import ClusterRequest
from raftleader.cli.exit_codes import one_line
from raftleader.errors import RaftLeaderError
from raftleader.framework.nursery import PlainNursery, open_plain_nursery

START_WITHIN_S = 60.0
"""2 s are usual; a machine with many tests at once is slower."""
READY_WITHIN_S = 60.0
"""After healing: an agent that has given up tries again after 15 s at the latest."""


@attrs.define(kw_only=True)
class Session:
    """The world of a test, and what is broken in it."""

    request: ClusterRequest
    world: World
    cluster: LiveCluster
    watcher: Watcher
    faults: Faults
    outcome: Outcome

    async def conclude(self) -> Outcome:
        """Heal everything, wait until the cluster is ready, read what it says of
        itself. Every wait is bounded; problems are in the outcome."""
        outcome = self.outcome
        self.begin("heal")
        await self.faults.heal_all()
        outcome.wounds = self.faults.wounds
        outcome.ready = await self._ready()
        if outcome.ready.took_s is not None:
            self.begin("settle")
        self.begin("end")
        finishing = Finishing(
            world=self.world,
            pages=HttpPages(self.cluster.client),
            problems=outcome.problems,
        )
        await finishing.save_documents()
        outcome.ending, outcome.why = Ending.COMPLETE, ""
        return outcome

    def begin(self, phase: str) -> None:
        """Write it down."""
        journal = self.world.journal
        journal.write(PhaseRecord(name=phase, at_ns=journal.now_ns()))

    async def _ready(self) -> Bound:
        began = trio.current_time()
        try:
            await self.cluster.wait_ready(timeout_s=READY_WITHIN_S)
        except RaftLeaderError as error:
            return Bound(within_s=READY_WITHIN_S, why=one_line(error))
        took_s = round(trio.current_time() - began, 3)
        return Bound(within_s=READY_WITHIN_S, took_s=took_s)


@asynccontextmanager
async def open_session(
    request: ClusterRequest, folder: Path, journal: Journal
) -> AsyncIterator[Session]:
    """Start everything in ``folder`` and wait until it is ready.

    When the block is left all faults are healed and all processes have ended. Raises
    RaftLeaderError, NetworkError or OSError if it does not start.
    """
    options = request.options
    outcome = Outcome(began_ns=journal.now_ns())
    async with (
        _network(request, options.hosts) as network,
        open_disks(PLAIN, node_names(LEADER, options.leaders), folder) as disks,
        open_live_cluster(options, network, disks, journal, folder) as cluster,
        open_plain_nursery() as nursery,
    ):
        world = World(
            cluster=cluster,
            network=network,
            disks=disks,
            journal=journal,
            folder=folder,
        )
        outcome.nodes = _nodes(cluster, folder)
        ask = partial(cluster.client.status_of, timeout_s=STATUS_TIMEOUT_S)
        session = Session(
            request=request,
            world=world,
            cluster=cluster,
            watcher=Watcher(cluster=cluster, journal=journal, ask=ask),
            faults=_faults(request, world, nursery, outcome),
            outcome=outcome,
        )
        session.begin("start")
        nursery.start_soon(session.watcher.run)
        began = trio.current_time()
        await cluster.wait_ready(timeout_s=START_WITHIN_S)
        outcome.started = Bound(
            within_s=START_WITHIN_S, took_s=round(trio.current_time() - began, 3)
        )
        session.begin("faults")
        yield session
        nursery.cancel()


def _network(
    request: ClusterRequest, hosts: Sequence[str]
) -> AbstractAsyncContextManager[Network]:
    if not request.has_proxies:
        return open_network(request.network, hosts, request.seed)
    # Addresses are drawn too, and tests with one seed may run side by side.
    return open_proxies(hosts, random.SystemRandom().getrandbits(32))


def _nodes(cluster: LiveCluster, folder: Path) -> list[dict[str, Any]]:
    """For ``run.json``. The test's own frameworks are no nodes."""
    return [
        {
            "name": node.name,
            "kind": node.kind,
            "log": str(node.log_file.relative_to(folder)),
        }
        for node in map(cluster.node, (*cluster.leaders, *cluster.agents))
    ]


def _faults(
    request: ClusterRequest,
    world: World,
    nursery: PlainNursery,
    outcome: Outcome,
) -> Faults:
    return Faults(
        world=world,
        shape=Shape(
            leaders=request.leaders,
            agents=request.agents,
            frameworks=len(world.cluster.frameworks),
            engine=request.real_engine,
        ),
        seed=request.seed,
        has_clocks=request.clocks,
        find_nemeses=_nemeses,
        nursery=nursery,
        problems=outcome.problems,
        violations=outcome.violations,
    )


def _nemeses() -> Mapping[Fault, Nemesis]:
    return nemeses_by_fault(probe(), disks=PLAIN)
