"""Every engine of the replicated log on a network and on disks that can be broken."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from chaos.sim.disk import SimDisk
from raftleader.replication.local_cluster import (
    CrashableLog,
    LocalCluster,
    LocalNode,
)
from raftleader.replication.pysyncobj_backend import PySyncObjLog
from raftleader.replication.raft_log import RaftLog
from raftleader.replication.recording import Applied, RecordingMachine
from raftleader.replication.settings import RaftSettings
from raftleader.replication.single_node import SingleNodeLog
from transports.faults import FaultPlan, FaultyTransport
from transports.interface import Link
from transports.memory import MemoryNetwork

ALL = ("raft", "pysyncobj", "single_node", "single_memory")
DURABLE = ("raft", "pysyncobj", "single_node")
GROUPS = ("raft", "pysyncobj")
PENDING_MAX = 40
POISON = b"poison"
SETTINGS = RaftSettings(pending_max=PENDING_MAX, segment_bytes=256 * 1024)
SEED = 5


def engines(*kept: str, **broken: str) -> pytest.MarkDecorator:
    """The test is a promise that these engines keep; each of the others is named with
    the reason why it does not, and must indeed fail the test."""
    params: list[Any] = list(kept)
    for name, reason in broken.items():
        mark = pytest.mark.xfail(
            strict=True,
            reason=f"{reason} (seed {SEED})",
            # The second is how trio hands on what failed beside running tasks.
            raises=(AssertionError, ExceptionGroup),
        )
        params.append(pytest.param(name, marks=mark))
    return pytest.mark.parametrize("engine", params, indirect=True)


@attrs.define(kw_only=True)
class Engine:
    """One way to have a replicated log, its network and its disks.

    Attributes:
        disks: By node. What is not synced is at their mercy when ``power_cut`` comes.
        joining: Nodes that come to a group that exists.
    """

    name: str
    settings: RaftSettings = SETTINGS
    disks: dict[str, SimDisk] = attrs.field(factory=dict)
    joining: set[str] = attrs.field(factory=set)
    network: MemoryNetwork = attrs.field(init=False)
    plan: FaultPlan = attrs.field(init=False)
    _lives: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        rng = random.Random(SEED)
        self.network = MemoryNetwork(rng=rng, latency_s=(0.0002, 0.001))
        self.plan = FaultPlan(rng=rng)
        for number in range(1, 5):
            disk = SimDisk(random.Random(f"{SEED}/n{number}"))
            self.disks[f"n{number}"] = disk

    @property
    def is_group(self) -> bool:
        return self.name in GROUPS

    @property
    def node_ids(self) -> tuple[str, ...]:
        return ("n1", "n2", "n3") if self.is_group else ("n1",)

    def others(self, node_id: str) -> tuple[str, ...]:
        return tuple(name for name in self.node_ids if name != node_id)

    def make_log(
        self,
        node_id: str,
        machine: RecordingMachine,
        *,
        cluster_id: str = "c",
        disk: SimDisk | None = None,
    ) -> CrashableLog:
        """The log of a node, on its own disk or on that of another."""
        disk = disk or self.disks[node_id]
        if not self.is_group:
            is_kept = self.name == "single_node"
            return SingleNodeLog(
                node_id,
                Path("data/journal") if is_kept else None,
                machine,
                cluster_id=cluster_id,
                disk=disk,
                pending_max=self.settings.pending_max,
                segment_bytes=self.settings.segment_bytes,
            )
        self._lives += 1
        members = {name: f"mem://{name}" for name in (*self.node_ids, node_id)}
        transport = FaultyTransport(
            self.network.transport(node_id), self.plan, label=node_id
        )
        rng = random.Random(f"{SEED}/{node_id}/{self._lives}")
        if self.name == "pysyncobj":
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
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[LocalCluster, LocalNode]]:
        """The cluster, started, and its leader."""
        async with trio.open_nursery() as nursery:
            cluster = LocalCluster(
                nursery, self.node_ids, self.make_log, on_apply=on_apply
            )
            await cluster.start()
            yield cluster, await cluster.leader(timeout_s=5)
            nursery.cancel_scope.cancel()

    async def power_cut(self, cluster: LocalCluster, *node_ids: str) -> None:
        """These machines lose their power, or all: unsynced writes may be gone."""
        await cluster.crash(*node_ids)
        for node_id in node_ids or self.node_ids:
            self.disks[node_id].crash()

    async def kill(self, cluster: LocalCluster, *node_ids: str) -> None:
        """kill -9 of these processes, or all: what was written stays."""
        await cluster.crash(*node_ids)
        for node_id in node_ids or self.node_ids:
            self.disks[node_id].kill()

    def isolate(self, node_id: str) -> None:
        self.plan.partition([node_id], list(self.others(node_id)))

    async def refused_start(self, log: CrashableLog) -> Exception | None:
        """What ``run`` raises before it has started; None if it starts."""
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(log.run)
                nursery.cancel_scope.cancel()
        except ExceptionGroup as group:
            (error,) = group.exceptions
            assert isinstance(error, Exception)
            return error
        return None

    async def dial(self, node_id: str) -> Link:
        """A link of a stranger to this node."""
        transport = self.network.transport("stranger")
        return await transport.dial(f"mem://{node_id}")


def on_apply(node_id: str, entry: Applied) -> object:
    """What the state machines of these tests answer."""
    if entry.data == POISON:
        raise ValueError(f"{node_id} cannot apply this")
    return (node_id, entry.index)


def new_machine() -> RecordingMachine:
    return RecordingMachine(lambda entry: entry.index)


async def propose_all(
    node: LocalNode, commands: list[bytes], *, timeout_s: float = 5
) -> list[object]:
    """Propose all at once; the result or the error of each, in their order."""
    results: dict[bytes, object] = {}

    async def propose(command: bytes) -> None:
        try:
            results[command] = await node.log.propose(command, timeout_s=timeout_s)
        except Exception as error:
            results[command] = error

    async with trio.open_nursery() as nursery:
        for command in commands:
            nursery.start_soon(propose, command)
    return [results[command] for command in commands]
