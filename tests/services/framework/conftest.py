"""A scripted cluster: leader nodes that speak the real wire format over memory."""

from __future__ import annotations

import pathlib
import random
import threading
import urllib.parse
from collections.abc import AsyncIterator, Iterator

import attrs
import msgspec
import pytest
import trio
import trio.testing

from raftleader.framework.driver import SchedulerDriver
from raftleader.framework.handlers import Scheduler
from raftleader.limits import RESULT_BYTES_MAX
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskId
from raftleader.protocol.json_v1 import decode_call, encode_event
from raftleader.protocol.offers import Offer
from raftleader.protocol.recordio import encode_record
from raftleader.protocol.resources import Resources
from raftleader.protocol.scheduler_api import (
    Accept,
    Acknowledge,
    Decline,
    Heartbeat,
    Kill,
    Offers,
    Revive,
    Subscribe,
    Subscribed,
    Suppress,
    Teardown,
    Update,
)
from raftleader.protocol.tasks import Source, TaskState, TaskStatus

FRAMEWORK_ID = FrameworkId("f-1")


@attrs.define(eq=False)
class FakeNode:
    """A leader node. ``role``: leads, follows, none (503), down, paused, deaf.

    ``paused`` accepts connections and answers nothing; ``deaf`` answers probes
    only. By names of calls: ``crash_on`` dies having taken one, ``lose`` closes
    the connection instead of one answer, ``refuse`` answers so, once.
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
    turn: trio.Lock = attrs.field(factory=trio.Lock)
    capabilities: tuple[str, ...] = ("PARTITION_AWARE", "MULTI_ROLE")

    def crash(self) -> None:
        self.role = "down"
        for connection in self.connections:
            if isinstance(connection, trio.SocketStream):
                connection.socket.close()
            else:
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
        async with self.turn:
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
        if line.startswith("GET /files/"):
            return await self.serve_file(stream, line.split()[1])
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
            await self.after(call)
            return True
        if headers["mesos-stream-id"] != f"s-{len(self.subscribes)}":
            text = "The stream ID is not the one of the subscription"
            return await self.reply(stream, "400 Bad Request", "", text)
        assert call.framework_id == FRAMEWORK_ID
        await self.reply(stream, "202 Accepted")
        await self.after(call)
        return True

    async def after(self, call) -> None:
        """What an answered call causes; nothing here."""

    async def serve_file(self, stream, target: str) -> bool:
        return await self.reply(stream, "404 Not Found", "", "no files here")

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


class LocalCluster(FakeNode):
    """A leader with one agent that runs commands as local processes."""

    def __init__(self, folder: pathlib.Path, cpus: int = 4) -> None:
        super().__init__("local")
        self.folder = folder
        self.cpus = cpus
        self.used = 0
        self.offered: dict[str, Offer] = {}
        self.is_suppressed = False
        self.unacknowledged: dict[bytes, Update] = {}
        self.processes: dict[str, trio.Process] = {}
        self.sandboxes: dict[str, pathlib.Path] = {}
        self.launched: list[str] = []
        self.numbers = iter(range(1, 1_000_000))
        self.stand_in: dict[str, list[TaskState]] = {}
        """States told instead of running a task, by the task's name."""
        self.drop_offers = 0
        """Offers to be answered with TASK_DROPPED when accepted."""

    async def run(self, started) -> None:
        async with trio.open_nursery() as self.nursery:
            self.token = trio.lowlevel.current_trio_token()
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            self.port = listeners[0].socket.getsockname()[1]
            self.address = f"127.0.0.1:{self.port}"
            started.set()
            await trio.serve_listeners(self.serve, listeners)

    def in_thread(self, function, *args):
        return trio.from_thread.run(function, *args, trio_token=self.token)

    async def fail_over(self, silence_s: float = 0.0) -> None:
        """All connections break; after a while the same node leads again."""
        self.crash()
        await trio.sleep(silence_s)
        self.role = "leads"

    async def tell(self, *events) -> None:
        if self.streams and events:
            try:
                await self.send(*events)
            except (trio.BrokenResourceError, trio.ClosedResourceError, IndexError):
                pass  # it crashed meanwhile

    async def offer_rest(self) -> None:
        free = self.cpus - self.used
        if free <= 0 or self.is_suppressed or self.offered:
            return
        offer = msgspec.structs.replace(
            FakeCluster.offer(f"o-{next(self.numbers)}", free, 100_000),
            agent=AgentInfo(hostname="h", ip="127.0.0.1", port=self.port),
            role="*",
        )
        self.offered[offer.id] = offer
        await self.tell(Offers(offers=(offer,)))

    async def after(self, call) -> None:
        match call:
            case Subscribe():
                self.is_suppressed = bool(call.suppressed_roles)
                if self.offered:
                    await self.tell(Offers(offers=tuple(self.offered.values())))
                await self.tell(*self.unacknowledged.values())
            case Suppress():
                self.is_suppressed = True
            case Revive():
                self.is_suppressed = False
            case Decline():
                for offer_id in call.offer_ids:
                    self.offered.pop(offer_id, None)
            case Accept():
                await self.launch(call)
            case Acknowledge():
                self.unacknowledged.pop(call.uuid, None)
            case Kill():
                process = self.processes.get(call.task_id)
                if process is not None:
                    process.kill()
            case Teardown():
                for process in self.processes.values():
                    process.kill()
        if not isinstance(call, Acknowledge):
            await self.offer_rest()

    async def launch(self, call: Accept) -> None:
        known = [self.offered.pop(i, None) for i in call.offer_ids]
        tasks = [t for operation in call.operations for t in operation.tasks]
        if all(known):
            assert self.used + len(tasks) <= self.cpus
        for task in tasks:
            if task.task_id in self.launched:
                continue  # a repeated ACCEPT
            if self.drop_offers > 0 or not all(known):
                await self.update(task.task_id, TaskState.DROPPED)
                continue
            self.launched.append(task.task_id)
            self.used += 1
            self.nursery.start_soon(self.run_task, task)
        self.drop_offers -= 1

    async def update(self, task_id, state, **fields) -> None:
        update = FakeCluster.update(task_id, state, number=next(self.numbers))
        update = Update(status=msgspec.structs.replace(update.status, **fields))
        self.unacknowledged[update.status.uuid] = update
        await self.tell(update)

    async def run_task(self, task) -> None:
        if task.name in self.stand_in:
            for state in self.stand_in.pop(task.name):
                await self.update(task.task_id, state, message="as the test says")
        else:
            await self.execute(task)
        self.used -= 1
        await self.offer_rest()

    async def execute(self, task) -> None:
        sandbox = self.folder / task.task_id
        sandbox.mkdir()
        (sandbox / "task.data").write_bytes(task.data)
        self.sandboxes[f"frameworks/{FRAMEWORK_ID}/tasks/{task.task_id}"] = sandbox
        environment = dict(task.command.environment)
        process = await trio.lowlevel.open_process(
            list(task.command.arguments),
            cwd=sandbox,
            env={**environment, "MESOS_TASK_ID": task.task_id},
        )
        self.processes[task.task_id] = process
        await self.update(task.task_id, TaskState.RUNNING)
        status = await process.wait()
        del self.processes[task.task_id]
        result = sandbox / "task.result"
        data = result.read_bytes() if result.exists() else None
        if data is not None and len(data) > RESULT_BYTES_MAX:
            data = None
        if status == 0:
            await self.update(task.task_id, TaskState.FINISHED, data=data)
        elif status == -9:
            await self.update(task.task_id, TaskState.KILLED, message="killed")
        else:
            await self.update(
                task.task_id, TaskState.FAILED, message=f"exited with status {status}"
            )

    async def serve_file(self, stream, target: str) -> bool:
        path = urllib.parse.parse_qs(target.partition("?")[2])["path"][0]
        folder, _, name = path.rpartition("/")
        data = (self.sandboxes[folder] / name).read_bytes()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n"
        await stream.send_all(head.encode() + data)
        return True


@pytest.fixture
def local_cluster(tmp_path: pathlib.Path) -> Iterator[LocalCluster]:
    cluster = LocalCluster(tmp_path)
    started = threading.Event()
    scope = trio.CancelScope()

    async def run() -> None:
        with scope:
            await cluster.run(started)

    thread = threading.Thread(target=trio.run, args=(run,), daemon=True)
    thread.start()
    assert started.wait(5)
    yield cluster
    trio.from_thread.run_sync(scope.cancel, trio_token=cluster.token)
    thread.join(5)
    assert not cluster.processes, "a task was left running"


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()
