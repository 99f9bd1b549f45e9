"""A leader node without HTTP on a virtual clock, and agents that do as told."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trio

from raftleader.leader.agent_sessions import AgentSessions
from raftleader.leader.cluster_clock import ClusterClock
from raftleader.leader.interface import EventStream
from raftleader.leader.replica import Replica
from raftleader.leader.service import LeaderService
from raftleader.leader.term import LeaderSettings
from raftleader.protocol import agent_rpc as rpc
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskId
from raftleader.protocol.offers import Launch
from raftleader.protocol.resources import Resources
from raftleader.protocol.scheduler_api import Event, Offers, Update
from raftleader.protocol.tasks import (
    CommandInfo,
    ExecutorInfo,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from raftleader.replication.single_node import SingleNodeLog
from raftleader.state.commands import (
    AcceptOffers,
    AcknowledgeUpdate,
    SubscribeFramework,
)
from raftleader.state.outcomes import Accepted, Subscription
from transports.interface import Link, LinkClosedError
from transports.memory import MemoryNetwork

CLUSTER = "test"
WALL_MS = 1_700_000_000_000
MACHINE = Resources.of({"cpus": 4000, "mem": 4_096_000, "disk": 10_000_000})
ONE = Resources.of({"cpus": 1000, "mem": 128_000})


class Node:
    """A node; ``crash`` it and make another over the same journal."""

    def __init__(
        self,
        network: MemoryNetwork,
        journal: Path | None,
        settings: LeaderSettings,
        name: str,
    ) -> None:
        self.name = name
        self.address = f"mem://{name}/agents"
        self.counts: Counter[str] = Counter()
        self.entries = 0
        clock = ClusterClock(monotonic_s=trio.current_time, wall_ms=lambda: WALL_MS)
        self.clock = clock
        self.replica = Replica(cluster_id=CLUSTER, clock=clock)

        def apply(index: int, term: int, data: bytes) -> object:
            self.entries += 1
            return self.replica.apply(index, term, data)

        self.log = SingleNodeLog(name, journal, apply, cluster_id=CLUSTER)
        self.sessions = AgentSessions(
            self.replica.state,
            node_id=name,
            agent_timeout_s=settings.agent_timeout_s,
            counts=self.counts,
        )
        self.service = LeaderService(
            self.log,
            replica=self.replica,
            clock=clock,
            sessions=self.sessions,
            node_id=name,
            http_address="127.0.0.1:8080",
            rng=random.Random(7),
            settings=settings,
            counts=self.counts,
        )
        self._transport = network.transport(name)
        self._scope = trio.CancelScope()
        self._ended = trio.Event()

    @property
    def state(self):
        return self.replica.state

    async def run(self, *, task_status) -> None:
        with self._scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.sessions.run, self._transport, self.address)
                await nursery.start(self.log.run)
                await nursery.start(self.service.run)
                task_status.started()
        self._ended.set()

    async def wait_leading(self) -> None:
        await until(lambda: self.service.leadership.leading)

    async def crash(self) -> None:
        self.log.crash()
        self._scope.cancel()
        await self._ended.wait()

    async def subscribe(
        self,
        framework_id: str | None = None,
        *,
        failover_timeout_ms: int = 0,
        name: str = "web",
    ) -> tuple[FrameworkId, EventStream]:
        fid = FrameworkId(framework_id) if framework_id else None
        info = FrameworkInfo(
            user="me",
            name=name,
            id=fid,
            failover_timeout_ms=failover_timeout_ms,
            capabilities=("PARTITION_AWARE",),
        )
        command = SubscribeFramework(info=info, framework_id=fid)
        outcome = await self.service.submit(command).wait()
        assert isinstance(outcome, Accepted), outcome
        assert isinstance(outcome.value, Subscription)
        value = outcome.value
        stream = self.service.open_stream(value.framework_id, value.subscription)
        return value.framework_id, stream

    async def launch(
        self,
        framework_id: FrameworkId,
        offer,
        *task_ids: str,
        refuse_ms: int = 5000,
        executor: ExecutorInfo | None = None,
    ) -> None:
        tasks = tuple(
            TaskInfo(
                name=task_id,
                task_id=TaskId(task_id),
                agent_id=offer.agent_id,
                resources=ONE,
                command=CommandInfo(value="true") if executor is None else None,
                executor=executor,
            )
            for task_id in task_ids
        )
        outcome = await self.service.submit(
            AcceptOffers(
                framework_id=framework_id,
                offer_ids=(offer.id,),
                operations=(Launch(tasks=tasks),),
                refuse_ms=refuse_ms,
            )
        ).wait()
        assert isinstance(outcome, Accepted), outcome

    async def acknowledge(self, framework_id: FrameworkId, status: TaskStatus) -> None:
        await self.service.submit(
            AcknowledgeUpdate(
                framework_id=framework_id, task_id=status.task_id, uuid=status.uuid
            )
        ).wait()


class ScriptedAgent:
    """An agent that remembers what it was told, and says what the test wants."""

    def __init__(self, network: MemoryNetwork, key: str) -> None:
        self.key = key
        self.info = AgentInfo(
            hostname=key, ip="127.0.0.1", port=5051, resources=MACHINE
        )
        self.cluster_id = ""
        self.agent_id: AgentId | None = None
        self.messages: list[rpc.FromNode] = []
        self.held: dict[tuple[FrameworkId, TaskId], TaskState] = {}
        self.executors: list[tuple[FrameworkId, str]] = []
        self.is_answering = True
        self.link: Link | None = None
        self._transport = network.transport(key)
        self._uuids = 0

    async def run(self, address: str, *, task_status=trio.TASK_STATUS_IGNORED) -> None:
        self.link = link = await self._transport.dial(address)
        await self.say(
            rpc.AgentHello(
                cluster_id=self.cluster_id,
                key=self.key,
                info=self.info,
                agent_id=self.agent_id,
            )
        )
        task_status.started()
        try:
            while True:
                message = rpc.decode_from_node(await link.receive())
                self.messages.append(message)
                await self._answer(message)
        except LinkClosedError:
            self.link = None

    async def _answer(self, message: rpc.FromNode) -> None:
        if isinstance(message, rpc.Ping) and self.is_answering:
            await self.say(rpc.Pong(number=message.number))
        elif isinstance(message, rpc.Registered):
            self.agent_id = message.agent_id
            digest = rpc.digest_of_tasks(list(self.held))
            executors = rpc.digest_of_executors(self.executors)
            await self.say(rpc.TaskDigest(digest=digest, executors=executors))
        elif isinstance(message, rpc.TaskListWanted):
            tasks = tuple(
                rpc.HeldTask(framework_id=f, task_id=t, state=state)
                for (f, t), state in self.held.items()
            )
            executors = tuple(
                rpc.HeldExecutor(framework_id=f, executor_id=e)
                for f, e in self.executors
            )
            await self.say(rpc.TaskList(tasks=tasks, executors=executors))

    async def say(self, message: rpc.FromAgent) -> None:
        assert self.link is not None
        await self.link.send(rpc.encode(message))

    async def report(
        self, framework_id: FrameworkId, task_id: str, state: TaskState
    ) -> bytes:
        self._uuids += 1
        uuid = self._uuids.to_bytes(16, "big")
        status = TaskStatus(
            task_id=TaskId(task_id),
            state=state,
            source=Source.EXECUTOR,
            agent_id=self.agent_id,
            uuid=uuid,
        )
        update = rpc.AgentUpdate(framework_id=framework_id, status=status)
        await self.say(rpc.StatusUpdates(updates=(update,)))
        return uuid

    async def report_end(
        self, framework_id: FrameworkId, executor_id: str, *, uuid: bytes, status: int
    ) -> None:
        report = rpc.ExecutorReport(
            framework_id=framework_id, executor_id=executor_id, uuid=uuid, status=status
        )
        await self.say(rpc.ExecutorReports(reports=(report,)))

    def told(self, kind: type) -> list:
        return [m for m in self.messages if isinstance(m, kind)]

    def run_orders(self) -> list[str]:
        return [o.task.task_id for m in self.told(rpc.RunTasks) for o in m.orders]

    def kill_orders(self) -> list[str]:
        return [o.task_id for m in self.told(rpc.KillTasks) for o in m.orders]

    def shutdown_orders(self) -> list[str]:
        return [
            o.executor_id for m in self.told(rpc.ShutdownExecutors) for o in m.orders
        ]

    def volumes(self) -> list[list[str]]:
        return [[v.id for v in m.volumes] for m in self.told(rpc.KeepVolumes)]

    def committed(self) -> list[bytes]:
        return [u for m in self.told(rpc.UpdatesCommitted) for u in m.uuids]


class Reader:
    """Reads a stream all the time."""

    def __init__(self, stream: EventStream) -> None:
        self.stream = stream
        self.events: list[Event] = []
        self.is_ended = False

    async def run(self) -> None:
        try:
            while True:
                self.events.extend(await self.stream.receive())
        except trio.EndOfChannel:
            self.is_ended = True

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]

    def offers(self) -> list:
        return [offer for event in self.of(Offers) for offer in event.offers]

    def offer_ids(self) -> list[OfferId]:
        return [offer.id for offer in self.offers()]

    def statuses(self) -> list[TaskStatus]:
        return [event.status for event in self.of(Update)]


class World:
    """One network, and everything that runs on it."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.network = MemoryNetwork(rng=random.Random(3), latency_s=(0.001, 0.001))
        self.nursery = nursery

    async def node(
        self,
        journal: Path | None = None,
        settings: LeaderSettings | None = None,
        name: str = "n1",
    ) -> Node:
        node = Node(self.network, journal, settings or LeaderSettings(), name)
        await self.nursery.start(node.run)
        await node.wait_leading()
        return node

    async def agent(self, node: Node, key: str = "agent1") -> ScriptedAgent:
        agent = ScriptedAgent(self.network, key)
        await self.connect(agent, node)
        return agent

    async def connect(self, agent: ScriptedAgent, node: Node) -> None:
        before = len(agent.told(rpc.Registered))
        await self.nursery.start(agent.run, node.address)
        await until(lambda: len(agent.told(rpc.Registered)) > before)

    def read(self, stream: EventStream) -> Reader:
        reader = Reader(stream)
        self.nursery.start_soon(reader.run)
        return reader


async def until(holds: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Let virtual time pass until ``holds``."""
    with trio.fail_after(timeout_s):
        began = trio.current_time()
        while not holds():
            is_near = trio.current_time() < began + 1.0
            await trio.sleep(0.001 if is_near else 0.05)


@pytest.fixture(name="until")
def until_fixture():
    return until


@pytest.fixture
async def world(autojump_clock) -> AsyncIterator[World]:
    async with trio.open_nursery() as nursery:
        yield World(nursery)
        nursery.cancel_scope.cancel()
