"""A whole leader node on a real port, and an agent that runs tasks in no time."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from raftleader.leader.service import LeaderService
from raftleader.node import NodeConfig, run_node
from raftleader.protocol import agent_rpc as rpc
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import Source, TaskInfo, TaskState, TaskStatus
from transports.interface import Link
from transports.memory import MemoryNetwork

AGENTS = "mem://n1/agents"
MACHINE = Resources.of(
    {"cpus": 4000, "mem": 8_192_000, "disk": 100_000_000}, {"ports": [(31000, 32000)]}
)


class QuickAgent:
    """Says RUNNING to every task, and FINISHED unless its command is ``sleep``."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._agent_id: AgentId | None = None
        self._uuids = 0

    async def run(self) -> None:
        info = AgentInfo(
            hostname="machine", ip="127.0.0.1", port=5051, resources=MACHINE
        )
        await self._say(rpc.AgentHello(cluster_id="", key="quick", info=info))
        while True:
            message = rpc.decode_from_node(await self._link.receive())
            if isinstance(message, rpc.Ping):
                await self._say(rpc.Pong(number=message.number))
            elif isinstance(message, rpc.Registered):
                self._agent_id = message.agent_id
                await self._say(rpc.TaskDigest(digest=rpc.digest_of_tasks([])))
            elif isinstance(message, rpc.RunTasks):
                for order in message.orders:
                    await self._run_task(order.framework_id, order.task)
            elif isinstance(message, rpc.ToExecutor):
                # So many messages of a megabyte come back.
                for _ in range(int(message.data)):
                    await self._say(
                        rpc.FromExecutor(
                            framework_id=message.framework_id,
                            executor_id=message.executor_id,
                            data=bytes(1024 * 1024),
                        )
                    )
            elif isinstance(message, rpc.KillTasks):
                for kill in message.orders:
                    await self._report(
                        kill.framework_id, kill.task_id, TaskState.KILLED
                    )

    async def _run_task(self, framework_id: FrameworkId, task: TaskInfo) -> None:
        await self._report(framework_id, task.task_id, TaskState.RUNNING)
        if task.command is None or task.command.value != "sleep":
            await self._report(framework_id, task.task_id, TaskState.FINISHED)

    async def _report(
        self, framework_id: FrameworkId, task_id: str, state: TaskState
    ) -> None:
        self._uuids += 1
        status = TaskStatus(
            task_id=task_id,  # type: ignore[arg-type]
            state=state,
            source=Source.EXECUTOR,
            agent_id=self._agent_id,
            message="Grüße",
            uuid=self._uuids.to_bytes(16, "big"),
            timestamp_ms=1_700_000_000_000,
        )
        update = rpc.AgentUpdate(framework_id=framework_id, status=status)
        await self._say(rpc.StatusUpdates(updates=(update,)))

    async def _say(self, message: rpc.FromAgent) -> None:
        await self._link.send(rpc.encode(message))


@pytest.fixture
async def address(
    tmp_path: Path, nursery: trio.Nursery
) -> AsyncIterator[tuple[str, int]]:
    """Where the API of a node that leads listens; it has one agent."""
    network = MemoryNetwork(rng=random.Random(1))
    config = NodeConfig(
        cluster_id="test",
        node_id="n1",
        members={"n1": "mem://n1/peers"},
        http="127.0.0.1:0",
        agents=AGENTS,
        data_dir=tmp_path,
        heartbeat_interval_s=0.2,
    )

    made: list[LeaderService] = []

    async def run(task_status: trio.TaskStatus[str]) -> None:
        async with trio.open_nursery() as inner:

            async def node(task_status: trio.TaskStatus[object]) -> None:
                await run_node(
                    config,
                    transport=network.transport("n1"),
                    rng=random.Random(2),
                    on_made=made.append,
                    task_status=task_status,  # type: ignore[arg-type]
                )

            bound = await inner.start(node)
            link = await network.transport("machine").dial(AGENTS)
            inner.start_soon(QuickAgent(link).run)
            task_status.started(bound.http)

    http = await nursery.start(run)
    with trio.fail_after(10):
        while True:
            if made[0].leadership.leading:
                break
            await trio.sleep(0.01)
    host, _, port = http.rpartition(":")
    yield host, int(port)
    nursery.cancel_scope.cancel()
