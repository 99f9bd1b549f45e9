"""A scripted leader node, and agents on a virtual clock or with real processes."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from agent.config import AgentConfig
from agent.containerizer.interface import Containerizer
from agent.service import run_agent
from raftleader.protocol.agent_rpc import (
    AgentHello,
    ExecutorOrder,
    ExecutorReport,
    ExecutorReports,
    FromAgent,
    FromNode,
    KillOrder,
    KillTasks,
    NodeHello,
    Registered,
    RunTasks,
    ShutdownExecutors,
    StatusUpdates,
    TaskOrder,
    UpdatesCommitted,
    decode_from_agent,
    encode,
)
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId
from raftleader.protocol.tasks import CommandInfo, TaskInfo, TaskState, TaskStatus
from transports.interface import Link
from transports.memory import MemoryNetwork

FRAMEWORK = FrameworkId("fw")


@attrs.define(eq=False)
class ScriptedLeader:
    """A leader node in one file: says what the test says, notes what it hears.

    Attributes:
        is_leading: Whether it says that it leads, and registers agents.
        is_committing: Whether it confirms status updates.
        first_frames: Sent to each agent that greets, instead of a greeting.
    """

    name: str = "n1"
    term: int = 1
    is_leading: bool = True
    is_committing: bool = True
    first_frames: list[bytes] | None = None
    hellos: list[AgentHello] = attrs.field(factory=list)
    hello_times: list[float] = attrs.field(factory=list)
    heard: list[FromAgent] = attrs.field(factory=list)
    statuses: list[TaskStatus] = attrs.field(factory=list)
    reports: list[ExecutorReport] = attrs.field(factory=list)
    links: list[Link] = attrs.field(factory=list)
    _changed: trio.Event = attrs.field(factory=trio.Event)

    async def serve(self, link: Link) -> None:
        self.links.append(link)
        try:
            while True:
                for frame in await link.receive_many():
                    await self._take(link, decode_from_agent(frame))
                self._changed.set()
                self._changed = trio.Event()
        finally:
            self.links.remove(link)

    async def _take(self, link: Link, message: FromAgent) -> None:
        self.heard.append(message)
        if isinstance(message, AgentHello):
            self.hellos.append(message)
            self.hello_times.append(trio.current_time())
            if self.first_frames is not None:
                await link.send_many(self.first_frames)
            else:
                await self.greet(link)
        elif isinstance(message, StatusUpdates):
            self.statuses += [u.status for u in message.updates]
            if self.is_committing:
                uuids = tuple(u.status.uuid for u in message.updates if u.status.uuid)
                await link.send(encode(UpdatesCommitted(term=self.term, uuids=uuids)))
        elif isinstance(message, ExecutorReports):
            self.reports += message.reports
            if self.is_committing:
                uuids = tuple(report.uuid for report in message.reports)
                await link.send(encode(UpdatesCommitted(term=self.term, uuids=uuids)))

    async def greet(self, link: Link) -> None:
        hello = NodeHello(
            cluster_id="c", node_id=self.name, term=self.term, leading=self.is_leading
        )
        await link.send(encode(hello))
        if self.is_leading:
            registered = Registered(term=self.term, agent_id=AgentId("a1"))
            await link.send(encode(registered))

    async def say(self, message: FromNode) -> None:
        await self.links[-1].send(encode(message))

    async def run(self, task: str, command: CommandInfo | None, **more: Any) -> None:
        await self.run_all((task,), command, **more)

    async def run_all(
        self,
        tasks: tuple[str, ...],
        command: CommandInfo | None,
        *,
        is_group: bool = False,
        **more: Any,
    ) -> None:
        """These tasks, all alike, in one message; as a group if they are one."""
        group = tuple(map(TaskId, tasks)) if is_group else ()
        orders = tuple(
            TaskOrder(
                framework_id=FRAMEWORK,
                framework_name="f",
                framework=FrameworkInfo(user="u", name="f"),
                role="dev",
                group=group,
                task=TaskInfo(
                    name=task,
                    task_id=TaskId(task),
                    agent_id=AgentId("a1"),
                    command=command,
                    **more,
                ),
            )
            for task in tasks
        )
        await self.say(RunTasks(term=self.term, orders=orders))

    async def shut_down(self, executor_id: str) -> None:
        order = ExecutorOrder(framework_id=FRAMEWORK, executor_id=executor_id)
        await self.say(ShutdownExecutors(term=self.term, orders=(order,)))

    async def wait_report(self, executor_id: str) -> ExecutorReport:
        def found() -> list[ExecutorReport]:
            return [r for r in self.reports if r.executor_id == executor_id]

        await self.wait(lambda _: bool(found()))
        return found()[0]

    async def kill(self, task: str, grace_ms: int | None = None) -> None:
        order = KillOrder(
            framework_id=FRAMEWORK, task_id=TaskId(task), grace_ms=grace_ms
        )
        await self.say(KillTasks(term=self.term, orders=(order,)))

    async def wait(self, is_so: Callable[[ScriptedLeader], bool]) -> None:
        """Until something that is heard makes it so; 20 s at most."""
        with trio.fail_after(20):
            while not is_so(self):
                await self._changed.wait()

    async def wait_state(self, task: str, state: TaskState) -> TaskStatus:
        def found() -> list[TaskStatus]:
            return [s for s in self.statuses if (s.task_id, s.state) == (task, state)]

        await self.wait(lambda _: bool(found()))
        return found()[0]

    def states(self, task: str) -> list[TaskState]:
        """What was said of a task, without repetitions."""
        seen = {s.uuid: s.state for s in self.statuses if s.task_id == task}
        return list(seen.values())


async def inline(function: Callable[..., Any], /, *args: Any) -> Any:
    """Threads are foreign to a virtual clock."""
    return function(*args)


@attrs.define(eq=False)
class World:
    """A network of leader nodes, and a folder for one agent."""

    nursery: trio.Nursery
    work_dir: Path
    network: MemoryNetwork = attrs.field(
        factory=lambda: MemoryNetwork(rng=random.Random(1))
    )
    leaders: dict[str, ScriptedLeader] = attrs.field(factory=dict)

    async def add_leader(self, name: str = "n1", **more: Any) -> ScriptedLeader:
        leader = ScriptedLeader(name, **more)
        self.leaders[name] = leader
        await self.start_node(name)
        return leader

    async def start_node(self, name: str) -> None:
        serve = self.network.transport(name).serve
        await self.nursery.start(serve, f"mem://{name}", self.leaders[name].serve)

    def config(self, **more: Any) -> AgentConfig:
        return AgentConfig(
            **{
                "leaders": tuple(f"mem://{name}" for name in self.leaders),
                "work_dir": self.work_dir,
                "http": None,
                "resources": "cpus:4;mem:1024;disk:1024",
                "is_fsync_on": False,
                **more,
            }
        )

    @asynccontextmanager
    async def agent(
        self,
        containerizer: Containerizer | None = None,
        *,
        crash: trio.CancelScope | None = None,
        **more: Any,
    ) -> AsyncIterator[str]:
        """An agent that runs inside; its HTTP address. Stopped cleanly at the end."""
        config = self.config(**more)

        async def run(
            *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED
        ) -> None:
            await run_agent(
                config,
                transport_for=lambda address: self.network.transport("agent"),
                containerizer=containerizer,
                rng=random.Random(7),
                clock=lambda: 1_000,
                run_blocking=inline,
                crash=crash,
                task_status=task_status,
            )

        async with trio.open_nursery() as nursery:
            yield await nursery.start(run)
            nursery.cancel_scope.cancel()


MakeWorld = Callable[[], AbstractAsyncContextManager[World]]


@pytest.fixture
async def world(nursery: trio.Nursery, tmp_path: Path) -> World:
    return World(nursery, tmp_path / "work")
