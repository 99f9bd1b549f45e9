"""``bench state``: how long ``/state`` of a large cluster takes, and whom it holds up.

A leader in a process of its own, whose cluster was made up, is asked for the page again
and again. It says how long, meanwhile, nothing else of it could run; beside that stands
the same for as long a time in which nobody asked for anything.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import msgspec
import trio

from raftleader.cli.bench_http import ChunkDecoder
from raftleader.cli.bench_launch import BenchError
from raftleader.cli.bench_log_node import Lines
from raftleader.cli.local_process import child_environment
from raftleader.cli.measured_cluster import Bar, percentile, progress_bar
from raftleader.cli.output import Output
from raftleader.cli.up import cluster_folder
from raftleader.httpd.server import split_address

START_TIMEOUT_S = 120.0
READ_TIMEOUT_S = 60.0
RECEIVE_BYTES = 1024 * 1024
_HEAD_END = b"\r\n\r\n"


class _Said(msgspec.Struct, frozen=True):
    http: str = ""
    longest_pause_ms: float = 0.0


class _Listed(msgspec.Struct, frozen=True):
    tasks: list[msgspec.Raw]


class _Document(msgspec.Struct, frozen=True):
    slaves: list[msgspec.Raw]
    frameworks: list[_Listed]


@attrs.frozen(kw_only=True)
class StateFigures:
    """What was measured.

    Attributes:
        bytes: Size of the page.
        first_byte_s: From the call to the first byte of the answer, at worst.
        median_s, max_s: From the call to the last byte.
        longest_pause_ms: In which nothing else of the leader ran, of all reads.
        idle_pause_ms: The same while nobody read.
    """

    agents: int
    tasks: int
    reads: int
    bytes: int
    first_byte_s: float
    median_s: float
    max_s: float
    longest_pause_ms: float
    idle_pause_ms: float


@attrs.define
class StateNode:
    """The leader."""

    process: trio.Process
    address: str
    said: Lines

    async def take_longest_pause_ms(self) -> float:
        """Since the last call."""
        assert self.process.stdin is not None
        await self.process.stdin.send_all(b"\n")
        return (await _next(self.said)).longest_pause_ms


async def bench_state(agents: int, tasks: int, reads: int, output: Output) -> None:
    """Measure, and print one record. Raises BenchError and OSError."""
    with (
        cluster_folder(None, is_kept=False) as folder,
        progress_bar(output, "reads", reads) as bar,
    ):
        async with open_node(folder, agents, tasks) as node:
            figures = await measure(node, reads, bar)
    record = {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in attrs.asdict(figures).items()
    }
    output.record(record, title="/state of one leader")


@asynccontextmanager
async def open_node(folder: Path, agents: int, tasks: int) -> AsyncIterator[StateNode]:
    """A leader of such a cluster, which ends with the block."""
    program = [sys.executable, "-P", "-m", "raftleader.cli.bench_state_node"]
    with (folder / "log").open("wb") as log:
        process = await trio.lowlevel.open_process(
            [*program, str(folder / "data"), str(agents), str(tasks)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            env=child_environment(),
        )
    try:
        assert process.stdout is not None
        said, began = Lines(process.stdout), _Said()
        with trio.move_on_after(START_TIMEOUT_S):
            began = await _next(said)
        if not began.http:
            raise BenchError(f"the leader did not begin within {START_TIMEOUT_S:g} s")
        yield StateNode(process, began.http, said)
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()


async def measure(node: StateNode, reads: int, bar: Bar) -> StateFigures:
    """Read the page so often."""
    document, _, _ = await read_page(node.address, "/state")  # the first is not counted
    counted = msgspec.json.decode(document, type=_Document)
    await node.take_longest_pause_ms()
    firsts_s: list[float] = []
    times_s: list[float] = []
    for number in range(reads):
        bar.show(number)
        _, first_s, all_s = await read_page(node.address, "/state")
        firsts_s.append(first_s)
        times_s.append(all_s)
    pause_ms = await node.take_longest_pause_ms()
    await trio.sleep(sum(times_s))
    idle_ms = await node.take_longest_pause_ms()
    return StateFigures(
        agents=len(counted.slaves),
        tasks=sum(len(framework.tasks) for framework in counted.frameworks),
        reads=reads,
        bytes=len(document),
        first_byte_s=max(firsts_s),
        median_s=percentile(times_s, 0.5),
        max_s=max(times_s),
        longest_pause_ms=pause_ms,
        idle_pause_ms=idle_ms,
    )


async def read_page(address: str, path: str) -> tuple[bytes, float, float]:
    """The page, and the seconds to its first and its last byte. Raises BenchError."""
    host, port = split_address(address)
    begins_at = time.perf_counter()
    parts: list[bytes] = []
    first_s = 0.0
    with trio.fail_after(READ_TIMEOUT_S):
        async with await trio.open_tcp_stream(host, port) as stream:
            request = f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close"
            await stream.send_all(request.encode() + _HEAD_END)
            while data := await stream.receive_some(RECEIVE_BYTES):
                first_s = first_s or time.perf_counter() - begins_at
                parts.append(data)
    all_s = time.perf_counter() - begins_at
    head, _, body = b"".join(parts).partition(_HEAD_END)
    if not head.startswith(b"HTTP/1.1 200 "):
        raise BenchError(f"{path} was answered {head.decode('latin-1')}")
    if b"chunked" in head.lower():
        body = ChunkDecoder().feed(body)
    return body, first_s, all_s


async def _next(said: Lines) -> _Said:
    try:
        return msgspec.json.decode(await said.__anext__(), type=_Said)
    except StopAsyncIteration:
        raise BenchError("the leader ended before its time") from None
