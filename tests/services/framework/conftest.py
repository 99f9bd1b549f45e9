"""A scripted cluster: leader nodes that speak the real wire format over memory."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import attrs
import pytest
import trio
import trio.testing

from raftleader.framework.driver import SchedulerDriver
from raftleader.framework.handlers import Scheduler
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskId
from raftleader.protocol.json_v1 import decode_call, encode_event
from raftleader.protocol.offers import Offer
from raftleader.protocol.recordio import encode_record
from raftleader.protocol.resources import Resources
from raftleader.protocol.scheduler_api import (
    Heartbeat,
    Offers,
    Subscribe,
    Subscribed,
    Update,
)
from raftleader.protocol.tasks import Source, TaskState, TaskStatus

FRAMEWORK_ID = FrameworkId("f-1")


@attrs.define(eq=False)
class FakeNode:
    """A leader node. ``role``: leads, follows, none (503), down, paused, deaf.

    ``paused`` accepts connections and answers nothing; ``deaf`` answers probes
    only. ``crash_on`` names calls at which it dies, having taken them; ``lose`` names calls whose next answer is lost with the connection;
    ``refuse`` answers calls by name, once each.
    """

    address: str
    role: str = "leads"
    redirect_to: str = ""
    calls: list = attrs.field(factory=list)
    subscribes: list = attrs.field(factory=list)
    probes: list = attrs.field(factory=list)
    crash_on: list = attrs.field(factory=list)
    lose: list = attrs.field(factory=list)
    refuse: dict = attrs.field(factory=dict)
    first_events: list = attrs.field(factory=list)
    streams: list = attrs.field(factory=list)
    connections: list = attrs.field(factory=list)
    heartbeat_s: float = 15.0
    capabilities: tuple[str, ...] = ("PARTITION_AWARE", "MULTI_ROLE")

    def crash(self) -> None:
        self.role = "down"
        for connection in self.connections:
            connection.send_stream.close()
            connection.receive_stream.close()
        self.connections.clear()
        self.streams.clear()

    async def send(self, *events) -> None:
        """Put events on the newest stream, in one write."""
        records = [
            encode_record(encode_event(e, capabilities=self.capabilities))
            for e in events
        ]
        await self.send_bytes(b"".join(records))

    async def send_bytes(self, data: bytes) -> None:
        await self.streams[-1].send_all(b"%x\r\n%b\r\n" % (len(data), data))

    async def serve(self, stream) -> None:
        buffer = b""
        self.connections.append(stream)
        try:
            while True:
                while b"\r\n\r\n" not in buffer:
                    data = await stream.receive_some()
                    if not data:
                        return
                    buffer += data
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                lines = head.decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in lines[1:])
                length = int(headers.get("content-length", 0))
                while len(buffer) < length:
                    buffer += await stream.receive_some()
                body, buffer = buffer[:length], buffer[length:]
                if not await self.answer(stream, lines[0], headers, body):
                    return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def answer(self, stream, line, headers, body) -> bool:
        if self.role == "paused":
            await trio.sleep_forever()
        if self.role == "follows":
            location = f"Location: //{self.redirect_to}/api/v1/scheduler\r\n"
            return await self.reply(stream, "307 Temporary Redirect", location)
        if self.role == "none":
            return await self.reply(stream, "503 Unavailable", "", "No leader elected")
        if line.startswith("GET"):
            self.probes.append(trio.current_time())
            return await self.reply(stream, "405 Method Not Allowed", "Allow: POST\r\n")
        if self.role == "deaf":
            await trio.sleep_forever()
        call = decode_call(body)
        name = type(call).__name__
        if isinstance(call, Subscribe):
            assert "mesos-stream-id" not in headers
            self.subscribes.append(call)
        else:
            self.calls.append(call)
        if name in self.refuse:
            status, text = self.refuse.pop(name)
            return await self.reply(stream, status, "", text)
        if name in self.crash_on:
            self.crash()
            return False
        if name in self.lose:
            self.lose.remove(name)
            return False
        if isinstance(call, Subscribe):
            await stream.send_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                b"Mesos-Stream-Id: s-%d\r\nTransfer-Encoding: chunked\r\n\r\n"
                % len(self.subscribes)
            )
            self.streams.append(stream)
            await self.send(
                *(
                    self.first_events
                    or [
                        Subscribed(
                            framework_id=FRAMEWORK_ID,
                            heartbeat_interval_s=self.heartbeat_s,
                        ),
                        Heartbeat(),
                    ]
                )
            )
            return True
        assert headers["mesos-stream-id"] == f"s-{len(self.subscribes)}"
        assert call.framework_id == FRAMEWORK_ID
        return await self.reply(stream, "202 Accepted")

    async def reply(self, stream, status, headers="", text="") -> bool:
        length = f"Content-Length: {len(text)}\r\n"
        await stream.send_all(
            f"HTTP/1.1 {status}\r\n{headers}{length}\r\n{text}".encode()
        )
        return True


class Recorder(Scheduler):
    """Notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.times: list[float] = []

    def note(self, *what: object) -> None:
        self.heard.append(what)
        self.times.append(trio.current_time())

    async def subscribed(self, driver, event) -> None:
        self.note("subscribed", event.framework_id)

    async def resubscribed(self, driver, event) -> None:
        self.note("resubscribed", event.framework_id)

    async def offers(self, driver, offers) -> None:
        self.note("offers", *[offer.id for offer in offers])

    async def rescinded(self, driver, offer_id) -> None:
        self.note("rescinded", offer_id)

    async def update(self, driver, status) -> None:
        self.note("update", status.task_id, status.state)

    async def failure(self, driver, event) -> None:
        self.note("failure", event.agent_id)

    async def disconnected(self, driver) -> None:
        self.note("disconnected")

    async def error(self, driver, message) -> None:
        self.note("error", message)


class FakeCluster:
    """Nodes at host names a, b, c; ``connect`` reaches them over memory streams."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nodes = {f"{name}:1": FakeNode(f"{name}:1") for name in "abc"}
        self.dialled: list[tuple[float, str]] = []
        self._nursery = nursery

    def __getitem__(self, name: str) -> FakeNode:
        return self.nodes[f"{name}:1"]

    def roles(self, **roles: str) -> None:
        for name, role in roles.items():
            self[name].role, _, target = role.partition(" ")
            self[name].redirect_to = f"{target}:1"

    async def connect(self, host: str, port: int) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        self.dialled.append((trio.current_time(), host))
        node = self.nodes[f"{host}:{port}"]
        if node.role == "down":
            raise ConnectionRefusedError("refused")
        ours, theirs = trio.testing.memory_stream_pair()
        self._nursery.start_soon(node.serve, theirs)
        return ours

    def driver(self, scheduler, leaders="abc", **options) -> SchedulerDriver:
        return SchedulerDriver(
            [f"{name}:1" for name in leaders],
            FrameworkInfo(
                user="u", name="n", roles=("eng",), capabilities=("PARTITION_AWARE",)
            ),
            scheduler,
            connect=self.connect,
            rng=random.Random(7),
            **options,
        )

    @staticmethod
    def offer(name: str, cpus: float = 4, mem_mb: float = 1024) -> Offer:
        return Offer(
            id=OfferId(name),
            framework_id=FRAMEWORK_ID,
            agent_id=AgentId("agent-1"),
            role="eng",
            resources=Resources.of(
                {"cpus": round(cpus * 1000), "mem": round(mem_mb * 1000)}
            ),
            agent=AgentInfo(hostname="h", ip="127.0.0.1", port=5051),
        )

    def offers(self, *names: str) -> Offers:
        return Offers(offers=tuple(self.offer(name) for name in names))

    @staticmethod
    def update(task_id: str, state=TaskState.RUNNING, number: int = 0) -> Update:
        return Update(
            status=TaskStatus(
                task_id=TaskId(task_id),
                state=state,
                source=Source.EXECUTOR,
                agent_id=AgentId("agent-1"),
                uuid=number.to_bytes(16, "big") if number else None,
                timestamp_ms=1000,
            )
        )


@pytest.fixture
async def cluster() -> AsyncIterator[FakeCluster]:
    """Ask for ``autojump_clock`` beside it: only the test itself can set the clock."""
    async with trio.open_nursery() as nursery:
        yield FakeCluster(nursery)
        nursery.cancel_scope.cancel()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()
