"""A cluster in one process, on a network and on disks that can be broken.

Tests that use ``laboratory`` run on every engine of several nodes; a module that is
about one of them has its own fixture ``engine``.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from chaos.sim.disk import SimDisk
from raftleader.replication.journal import Journal, Recovered
from raftleader.replication.local_cluster import CrashableLog, LocalCluster
from raftleader.replication.pysyncobj_backend import PySyncObjLog
from raftleader.replication.raft_log import RaftLog
from raftleader.replication.recording import RecordingMachine
from raftleader.replication.running import RunBlocking
from raftleader.replication.settings import RaftSettings
from transports.faults import FaultPlan, FaultyTransport
from transports.memory import MemoryNetwork

NODE_IDS = ("n1", "n2", "n3")


@attrs.define(kw_only=True)
class Laboratory:
    """A cluster, the network below it, and the faults of that network.

    Attributes:
        disks: By node. What was not synced is lost, or not, at each start.
        members: What every node is told, itself added.
        joining: Nodes that come to a group that exists.
    """

    engine: str
    seed: int = 1
    settings: RaftSettings = attrs.field(factory=RaftSettings)
    cluster_ids: dict[str, str] = attrs.field(factory=dict)
    members: dict[str, str] = attrs.field(
        factory=lambda: {name: f"mem://{name}" for name in NODE_IDS}
    )
    joining: set[str] = attrs.field(factory=set)
    run_blocking: dict[str, RunBlocking] = attrs.field(factory=dict)
    disks: dict[str, SimDisk] = attrs.field(init=False)
    network: MemoryNetwork = attrs.field(init=False)
    plan: FaultPlan = attrs.field(init=False)
    cluster: LocalCluster = attrs.field(init=False)
    lives: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        rng = random.Random(self.seed)
        self.network = MemoryNetwork(rng=rng, latency_s=(0.0002, 0.002))
        self.plan = FaultPlan(rng=rng)
        self.disks = {
            name: SimDisk(random.Random(f"{self.seed}/{name}"))
            for name in (*NODE_IDS, "n4", "n5")
        }

    def make_log(self, node_id: str, machine: RecordingMachine) -> CrashableLog:
        self.lives += 1
        rng = random.Random(f"{self.seed}/{node_id}/{self.lives}")
        transport = FaultyTransport(
            self.network.transport(node_id), self.plan, label=node_id
        )
        cluster_id = self.cluster_ids.get(node_id, "c")
        members = self.members | {node_id: f"mem://{node_id}"}
        disk = self.disks[node_id]
        disk.crash()
        if self.engine == "raft":
            return RaftLog(
                cluster_id=cluster_id,
                node_id=node_id,
                members=members,
                transport=transport,
                data_dir=Path("data"),
                machine=machine,
                rng=rng,
                settings=self.settings,
                disk=disk,
                is_joining=node_id in self.joining,
                run_blocking=self.run_blocking.get(node_id),
            )
        return PySyncObjLog(
            cluster_id=cluster_id,
            node_id=node_id,
            members=members,
            transport=transport,
            journal_path=Path("data/journal"),
            applier=machine,
            rng=rng,
            settings=self.settings,
            disk=disk,
        )

    def journal_of(self, node_id: str) -> Recovered:
        """What is on the disk of a node that does not run."""
        journal = Journal.open(
            "data/journal",
            cluster_id=self.cluster_ids.get(node_id, "c"),
            node_id=node_id,
            engine=self.engine,
            disk=self.disks[node_id],
        )
        recovered = journal.recovered
        journal.abandon()
        return recovered

    def isolate(self, node_id: str) -> None:
        self.plan.partition([node_id], [name for name in NODE_IDS if name != node_id])

    def others(self, node_id: str) -> tuple[str, ...]:
        return tuple(name for name in NODE_IDS if name != node_id)


LaboratoryMaker = Callable[..., AbstractAsyncContextManager[Laboratory]]


@pytest.fixture(params=["raft", "pysyncobj"])
def engine(request: pytest.FixtureRequest) -> str:
    """The engine of ``laboratory``."""
    name: str = request.param
    return name


@pytest.fixture
def laboratory(engine: str) -> LaboratoryMaker:
    """Opens a laboratory; its keyword arguments are those of the class."""

    @asynccontextmanager
    async def open_laboratory(**options: object) -> AsyncIterator[Laboratory]:
        lab = Laboratory(engine=engine, **options)  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            lab.cluster = LocalCluster(nursery, NODE_IDS, lab.make_log)
            yield lab
            nursery.cancel_scope.cancel()

    return open_laboratory
