"""A scripted agent that speaks the real wire format over memory."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import attrs
import pytest
import trio
import trio.testing

from raftleader.framework.executors import (
    Executor,
    ExecutorDriver,
    ExecutorEnvironment,
)
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.executor_api import (
    Acknowledged,
    LaunchTask,
    Subscribe,
    Subscribed,
    Update,
)
from raftleader.protocol.executor_v1 import decode_call, encode_event
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId
from raftleader.protocol.recordio import encode_record
from raftleader.protocol.tasks import CommandInfo, ExecutorInfo, TaskInfo

EXECUTOR = ExecutorInfo(
    executor_id="e-1", framework_id="f-1", command=CommandInfo(value="run")
)
SUBSCRIBED = Subscribed(
    executor_info=EXECUTOR,
    framework_info=FrameworkInfo(user="u", name="n", id=FrameworkId("f-1")),
    agent_id=AgentId("a-1"),
    agent_info=AgentInfo(hostname="h", ip="127.0.0.1", port=5051),
)


@attrs.define(eq=False)
class FakeAgent:
    """An agent. ``is_storing`` acknowledges updates at once; ``refuse`` answers calls
    of these names with a status and a text, once; ``lose`` takes one, and the
    connection breaks instead of its answer; ``is_up`` listens at all."""

    nursery: trio.Nursery
    is_up: bool = True
    is_storing: bool = True
    refuse: dict[str, tuple[int, str]] = attrs.field(factory=dict)
    lose: list[str] = attrs.field(factory=list)
    subscribes: list[Subscribe] = attrs.field(factory=list)
    calls: list[object] = attrs.field(factory=list)
    headers: list[dict[str, str]] = attrs.field(factory=list)
    dialled: list[float] = attrs.field(factory=list)
    streams: list[trio.abc.Stream] = attrs.field(factory=list)
    connections: list[trio.abc.Stream] = attrs.field(factory=list)

    async def connect(self, host: str, port: int) -> trio.abc.Stream:
        assert (host, port) == ("agent", 5051)
        await trio.lowlevel.checkpoint()
        self.dialled.append(trio.current_time())
        if not self.is_up:
            raise ConnectionRefusedError("refused")
        ours, theirs = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self.serve, theirs)
        return ours

    async def crash(self) -> None:
        """Every connection breaks."""
        while self.connections:
            await self.connections.pop().aclose()
        self.streams.clear()

    async def send(self, *events) -> None:
        for event in events:
            record = encode_record(encode_event(event))
            await self.streams[-1].send_all(b"%x\r\n%b\r\n" % (len(record), record))

    async def launch(self, *names: str) -> None:
        await self.send(*[LaunchTask(task=task_of(name)) for name in names])

    async def serve(self, stream: trio.abc.Stream) -> None:
        self.connections.append(stream)
        buffer = b""
        try:
            while True:
                while b"\r\n\r\n" not in buffer:
                    data = await stream.receive_some()
                    if not data:
                        return
                    buffer += data
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                first, *rest = head.decode().split("\r\n")
                assert first == "POST /api/v1/executor HTTP/1.1"
                headers = dict(line.lower().split(": ", 1) for line in rest)
                length = int(headers["content-length"])
                while len(buffer) < length:
                    buffer += await stream.receive_some()
                body, buffer = buffer[:length], buffer[length:]
                self.headers.append(headers)
                await self.answer(stream, decode_call(body))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def answer(self, stream: trio.abc.Stream, call) -> None:
        name = type(call).__name__
        if name in self.lose:
            self.lose.remove(name)
            self.calls.append(call)
            await self.crash()
        elif name in self.refuse:
            status, text = self.refuse.pop(name)
            await self.reply(stream, f"{status} No", text)
        elif isinstance(call, Subscribe):
            self.subscribes.append(call)
            await stream.send_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n"
            )
            self.streams.append(stream)
            await self.send(SUBSCRIBED)
            if self.is_storing:
                for status in call.unacknowledged_updates:
                    await self.store(status)
        else:
            self.calls.append(call)
            await self.reply(stream, "202 Accepted")
            if isinstance(call, Update) and self.is_storing:
                await self.store(call.status)

    async def store(self, status) -> None:
        await self.send(Acknowledged(task_id=status.task_id, uuid=status.uuid))

    async def reply(self, stream: trio.abc.Stream, status: str, text: str = "") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n\r\n"
        await stream.send_all((head + text).encode())


def task_of(name: str) -> TaskInfo:
    return TaskInfo(
        name=name, task_id=TaskId(name), agent_id=AgentId("a-1"), executor=EXECUTOR
    )


class Recorder(Executor):
    """Notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []

    async def registered(self, driver, event) -> None:
        self.heard.append(("registered", event.agent_id))

    async def reregistered(self, driver, event) -> None:
        self.heard.append(("reregistered", event.agent_id))

    async def launch(self, driver, task) -> None:
        self.heard.append(("launch", task.task_id))

    async def kill(self, driver, task_id, grace_s) -> None:
        self.heard.append(("kill", task_id, grace_s))

    async def message(self, driver, data) -> None:
        self.heard.append(("message", data))

    async def shutdown(self, driver) -> None:
        self.heard.append(("shutdown",))

    async def disconnected(self, driver) -> None:
        self.heard.append(("disconnected",))

    async def error(self, driver, message) -> None:
        self.heard.append(("error", message))


@pytest.fixture
async def agent() -> AsyncIterator[FakeAgent]:
    """Ask for ``autojump_clock`` beside it: only the test itself can set the clock."""
    async with trio.open_nursery() as nursery:
        yield FakeAgent(nursery)
        nursery.cancel_scope.cancel()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def driver_of(agent: FakeAgent):
    """Makes drivers: ``driver_of(executor, is_checkpointed=True, ...)``."""

    def make(executor: Executor, **more) -> ExecutorDriver:
        environment = ExecutorEnvironment(
            agent="agent:5051",
            framework_id=FrameworkId("f-1"),
            executor_id="e-1",
            recovery_timeout_s=900,
            **more,
        )
        return ExecutorDriver(
            executor,
            environment=environment,
            connect=agent.connect,
            rng=random.Random(7),
            wall_ms=lambda: 1_700_000_000_000,
        )

    return make
