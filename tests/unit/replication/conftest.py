"""A PySyncObj cluster in one process, on a network that can be broken."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from raftleader.replication.interface import Applier
from raftleader.replication.old_journal import Journal
from raftleader.replication.local_cluster import CrashableLog, LocalCluster
from raftleader.replication.pysyncobj_backend import PySyncObjLog
from raftleader.replication.settings import RaftSettings
from transports.faults import FaultPlan, FaultyTransport
from transports.memory import MemoryNetwork

NODE_IDS = ("n1", "n2", "n3")


@attrs.define(kw_only=True)
class Laboratory:
    """A cluster, the network below it, and the faults of that network.

    ``open_journal`` may be replaced before a node starts.
    """

    directory: Path
    seed: int = 1
    settings: RaftSettings = attrs.field(factory=RaftSettings)
    cluster_ids: dict[str, str] = attrs.field(factory=dict)
    open_journal: Callable[..., Journal] = Journal.open
    network: MemoryNetwork = attrs.field(init=False)
    plan: FaultPlan = attrs.field(init=False)
    cluster: LocalCluster = attrs.field(init=False)
    lives: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        rng = random.Random(self.seed)
        self.network = MemoryNetwork(rng=rng, latency_s=(0.0002, 0.002))
        self.plan = FaultPlan(rng=rng)

    def make_log(self, node_id: str, applier: Applier) -> CrashableLog:
        self.lives += 1
        return PySyncObjLog(
            cluster_id=self.cluster_ids.get(node_id, "c"),
            node_id=node_id,
            members={name: f"mem://{name}" for name in NODE_IDS},
            transport=FaultyTransport(
                self.network.transport(node_id), self.plan, label=node_id
            ),
            journal_path=self.directory / node_id,
            applier=applier,
            rng=random.Random(f"{self.seed}/{node_id}/{self.lives}"),
            settings=self.settings,
            open_journal=self.open_journal,
        )

    def isolate(self, node_id: str) -> None:
        self.plan.partition([node_id], [name for name in NODE_IDS if name != node_id])

    def others(self, node_id: str) -> tuple[str, ...]:
        return tuple(name for name in NODE_IDS if name != node_id)


LaboratoryMaker = Callable[..., AbstractAsyncContextManager[Laboratory]]


@pytest.fixture
def laboratory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LaboratoryMaker:
    """Opens a laboratory; its keyword arguments are those of the class.

    Waits for no disk: what is lost in a crash is lost by ``Journal.abandon``.
    """
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: None)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)

    @asynccontextmanager
    async def open_laboratory(**options: object) -> AsyncIterator[Laboratory]:
        lab = Laboratory(directory=tmp_path, **options)  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            lab.cluster = LocalCluster(nursery, NODE_IDS, lab.make_log)
            yield lab
            nursery.cancel_scope.cancel()

    return open_laboratory
