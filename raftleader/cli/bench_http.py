"""``bench http``: ACCEPT calls a second over HTTP on a pool of connections.

One leader whose log has no other member, in a process of its own; another process
speaks for its agents, which run nothing. Every call takes one offer and launches one
task from it; the task is said to have finished, and that is acknowledged: the whole
life of a task but for its process.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Generic, TypeVar

import attrs
import msgspec
import trio

from raftleader.cli.bench_launch import BenchError
from raftleader.cli.local_cluster import local_cluster
from raftleader.cli.local_plan import LocalClusterOptions, NodePlan
from raftleader.cli.local_process import child_environment
from raftleader.cli.measured_cluster import Bar, percentile, progress_bar
from raftleader.cli.output import Output
from raftleader.cli.up import cluster_folder
from raftleader.protocol.recordio import RecordDecoder

AGENTS = 200
"""Each has one offer at a time on its way: enough that no call waits for one."""
AGENT_RESOURCES = "cpus:1000;mem:1000000"
WARM_UP_S = 1.0
LOOK_S = 0.1
PIPELINED_MAX = 64
"""Acknowledgements sent before the first of them is answered."""
STALL_TIMEOUT_S = 20.0

T = TypeVar("T")

_ACCEPT = (
    '{"framework_id":{"value":"%s"},"type":"ACCEPT","accept":{"offer_ids":[{"value":'
    '"%s"}],"filters":{"refuse_seconds":0},"operations":[{"type":"LAUNCH","launch":'
    '{"task_infos":[{"name":"no-op","task_id":{"value":"%s"},"agent_id":{"value":"%s"},'
    '"command":{"value":"true"},"resources":[{"name":"cpus","type":"SCALAR","scalar":'
    '{"value":0.1}},{"name":"mem","type":"SCALAR","scalar":{"value":32}}]}]}}]}}'
)
_ACKNOWLEDGE = (
    '{"framework_id":{"value":"%s"},"type":"ACKNOWLEDGE","acknowledge":{"agent_id":'
    '{"value":"%s"},"task_id":{"value":"%s"},"uuid":"%s"}}'
)
_SUBSCRIBE = (
    '{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"bench","name":'
    '"bench http","failover_timeout":60}}}'
)


@attrs.frozen(kw_only=True)
class HttpFigures:
    """Of ACCEPT calls: from the first byte sent to the answer 202."""

    calls_per_s: float
    p50_ms: float
    p99_ms: float
    connections: int
    seconds: float


class Waiting(Generic[T]):
    """Things to do, in order; whoever waits longest gets the next."""

    def __init__(self) -> None:
        self._things: deque[T] = deque()
        self._waiters = trio.lowlevel.ParkingLot()

    def put(self, thing: T) -> None:
        self._things.append(thing)
        self._waiters.unpark()

    async def take(self, most: int) -> list[T]:
        """At least one."""
        while not self._things:
            await self._waiters.park()
        return [self._things.popleft() for _ in range(min(most, len(self._things)))]


@attrs.define(eq=False)
class Framework:
    """The load: what it was offered, and what it has to acknowledge."""

    host: str
    port: int
    framework_id: str = ""
    stream_id: str = ""
    offers: Waiting[tuple[str, str]] = attrs.field(factory=lambda: Waiting())
    acknowledgements: Waiting[bytes] = attrs.field(factory=lambda: Waiting())
    launched: int = 0
    ended: int = 0
    times_s: list[float] = attrs.field(factory=list)
    is_warm: trio.Event = attrs.field(factory=trio.Event)
    is_measuring: bool = False

    async def subscribe(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Read events until cancelled."""
        stream = await trio.open_tcp_stream(self.host, self.port)
        async with stream:
            await stream.send_all(self._request(_SUBSCRIBE, stream_id=""))
            head, rest = await _read_head(stream)
            self.stream_id = head["mesos-stream-id"]
            chunks, records = ChunkDecoder(), RecordDecoder()
            while True:
                for record in records.feed(chunks.feed(rest)):
                    self._take(msgspec.json.decode(record))
                if self.framework_id:
                    task_status.started()
                    break
                rest = await _receive(stream)
            while True:
                data = await _receive(stream)
                for record in records.feed(chunks.feed(data)):
                    self._take(msgspec.json.decode(record))

    async def accept_for_ever(self) -> None:
        """One connection of the pool: a call when the one before was answered."""
        async with await trio.open_tcp_stream(self.host, self.port) as stream:
            while True:
                ((offer_id, agent_id),) = await self.offers.take(1)
                self.launched += 1
                body = _ACCEPT % (
                    *(self.framework_id, offer_id, f"t{self.launched}", agent_id),
                )
                request = self._request(body, stream_id=self.stream_id)
                sent_at = time.perf_counter()
                await stream.send_all(request)
                await _read_accepted(stream, 1)
                if self.is_measuring:
                    self.times_s.append(time.perf_counter() - sent_at)

    async def acknowledge_for_ever(self) -> None:
        """One more connection, on which calls do not wait for each other."""
        async with await trio.open_tcp_stream(self.host, self.port) as stream:
            while True:
                waiting = await self.acknowledgements.take(PIPELINED_MAX)
                await stream.send_all(b"".join(waiting))
                await _read_accepted(stream, len(waiting))

    def _take(self, event: dict[str, dict[str, object]]) -> None:
        match event:
            case {"type": "OFFERS", "offers": {"offers": list(offers)}}:
                for offer in offers:
                    self.offers.put((offer["id"]["value"], offer["agent_id"]["value"]))
            case {"type": "UPDATE", "update": {"status": dict(status)}}:
                if status["state"] != "TASK_FINISHED":
                    raise BenchError(f"{status['state']}: {status.get('message')}")
                self.ended += 1
                if self.ended == AGENTS:
                    self.is_warm.set()
                body = _ACKNOWLEDGE % (
                    self.framework_id,
                    status["agent_id"]["value"],
                    status["task_id"]["value"],
                    status["uuid"],
                )
                request = self._request(body, stream_id=self.stream_id)
                self.acknowledgements.put(request)
            case {"type": "SUBSCRIBED", "subscribed": {"framework_id": dict(name)}}:
                self.framework_id = name["value"]
            case {"type": "ERROR", "error": error}:
                raise BenchError(f"the stream ended: {error}")

    def _request(self, body: str, *, stream_id: str) -> bytes:
        header = f"Mesos-Stream-Id: {stream_id}\r\n" if stream_id else ""
        return (
            f"POST /api/v1/scheduler HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"Content-Type: application/json\r\nAccept: application/json\r\n{header}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


@attrs.define(eq=False)
class ChunkDecoder:
    """A chunked body, as its bytes come."""

    _buffer: bytearray = attrs.field(factory=bytearray, init=False)

    def feed(self, data: bytes) -> bytes:
        """What is in the chunks that are complete now."""
        buffer, begin = self._buffer, 0
        buffer += data
        found: list[bytes] = []
        while True:
            end = buffer.find(b"\r\n", begin)
            if end < 0:
                break
            size = int(buffer[begin:end], 16)
            if len(buffer) < end + 2 + size + 2:
                break
            found.append(bytes(buffer[end + 2 : end + 2 + size]))
            begin = end + 2 + size + 2
        del buffer[:begin]
        return b"".join(found)


async def bench_http(seconds: float, connections: int, output: Output) -> None:
    """Measure, and print one record. Raises BenchError and errors of calls."""
    async with lone_leader() as leader:
        with progress_bar(output, "seconds of calls", round(seconds)) as bar:
            figures = await measure(leader, seconds, connections, bar)
    record = {k: round(v, 3) for k, v in attrs.asdict(figures).items()}
    output.record(record, title=f"ACCEPT over HTTP, {connections} connections")


@asynccontextmanager
async def lone_leader() -> AsyncIterator[NodePlan]:
    """A leader without followers, and agents that run nothing."""
    with cluster_folder(None, is_kept=False) as folder:
        options = LocalClusterOptions(
            folder=folder,
            leaders=1,
            agents=0,
            engine="single_node",
            log_level="warning",
        )
        async with local_cluster(options) as cluster:
            await cluster.wait_ready()
            leader = cluster.plan.leaders[0]
            address = leader.arguments[leader.arguments.index("--agents") + 1]
            program = [sys.executable, "-P", "-m", "raftleader.cli.emulated_agents"]
            async with trio.open_nursery() as nursery:
                process: trio.Process = await nursery.start(
                    partial(
                        trio.run_process,
                        [*program, address, str(AGENTS), AGENT_RESOURCES],
                        stdin=subprocess.PIPE,
                        env=child_environment(),
                    )
                )
                assert process.stdin is not None
                try:
                    yield leader
                finally:
                    await process.stdin.aclose()


async def measure(
    leader: NodePlan, seconds: float, connections: int, bar: Bar
) -> HttpFigures:
    """Load the leader for ``seconds``, after a second that does not count."""
    host, _, port = leader.address.rpartition(":")
    framework = Framework(host=host, port=int(port))
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(framework.subscribe)
            nursery.start_soon(framework.acknowledge_for_ever)
            for _ in range(connections):
                nursery.start_soon(framework.accept_for_ever)
            await _wait_for_tasks(framework)
            await trio.sleep(WARM_UP_S)
            framework.is_measuring = True
            begun_at = trio.current_time()
            while (elapsed_s := trio.current_time() - begun_at) < seconds:
                bar.show(int(elapsed_s))
                await trio.sleep(min(LOOK_S, seconds - elapsed_s))
            calls = len(framework.times_s)
            bar.show(round(seconds))
            nursery.cancel_scope.cancel()
    except* BenchError as group:
        raise group.exceptions[0] from None
    return HttpFigures(
        calls_per_s=calls / elapsed_s,
        p50_ms=1000 * percentile(framework.times_s, 0.5),
        p99_ms=1000 * percentile(framework.times_s, 0.99),
        connections=connections,
        seconds=elapsed_s,
    )


async def _wait_for_tasks(framework: Framework) -> None:
    """Until all agents were offered once; raises BenchError if nothing moves."""
    with trio.move_on_after(STALL_TIMEOUT_S):
        await framework.is_warm.wait()
        return
    raise BenchError(f"after {STALL_TIMEOUT_S:g} s only {framework.ended} tasks ended")


async def _receive(stream: trio.abc.ReceiveStream) -> bytes:
    data = await stream.receive_some(65536)
    if not data:
        raise BenchError("the leader closed a connection")
    return bytes(data)


async def _read_head(stream: trio.abc.ReceiveStream) -> tuple[dict[str, str], bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        data += await _receive(stream)
    head, _, rest = data.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    if " 200 " not in status:
        raise BenchError(f"SUBSCRIBE was answered {status}: {rest.decode()}")
    fields = (line.partition(":") for line in lines)
    return {name.lower(): value.strip() for name, _, value in fields}, rest


async def _read_accepted(stream: trio.abc.ReceiveStream, count: int) -> None:
    """So many answers 202, which have no body."""
    data = b""
    while (found := data.count(b"\r\n\r\n")) < count:
        data += await _receive(stream)
    if data.count(b"HTTP/1.1 202 ") != found:
        raise BenchError(f"a call was answered {data.decode('latin-1')}")
