"""Subscribers on real connections that stop reading while thousands of events come.

They are cut, counted, and cost no more than their bound; the others hear everything
at once.
"""

from __future__ import annotations

import json
import socket
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from raftleader.api.app import build_handler
from raftleader.api.operator import followers
from raftleader.cli.bench_http import ChunkDecoder
from raftleader.cli.bench_state import read_page
from raftleader.httpd.server import serve_http, split_address
from raftleader.leader import event_streams
from raftleader.protocol import agent_rpc as rpc
from raftleader.protocol.recordio import RecordDecoder

MESSAGES = 4_000
MESSAGE_BYTES = 4_096
BOUND_BYTES = 4 * 1024 * 1024
"""Far less than all messages together."""
UNREAD_BYTES = 4 * 1024 * 1024
"""What may be on its way to a client besides: one write, and the kernel's buffers."""


class Reader:
    """A subscriber that reads everything as it comes."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.events: list[dict[str, Any]] = []
        self.stream_id = ""
        self._head = b""
        self._chunks, self._records = ChunkDecoder(), RecordDecoder()

    async def run(self) -> None:
        async for data in self.stream:
            self._take(data)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    def _take(self, data: bytes) -> None:
        if not self.stream_id:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            assert head.startswith(b"HTTP/1.1 200"), head
            self.stream_id = "known"
        for record in self._records.feed(self._chunks.feed(data)):
            self.events.append(json.loads(record))


@asynccontextmanager
async def subscribed(
    address: str, path: str, call: dict[str, Any], *, is_stuck: bool = False
) -> AsyncIterator[Reader]:
    body = json.dumps(call)
    with socket.socket() as plain:
        if is_stuck:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.connect(split_address(address))
        plain.setblocking(False)
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(plain))
        await stream.send_all(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Accept: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            f"{body}".encode()
        )
        yield Reader(stream)


def subscribe(name: str) -> dict[str, Any]:
    info = {"user": "me", "name": name, "failover_timeout": 600.0}
    return {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}


def framework_id(node: Any, name: str) -> str | None:
    found = (f.id for f in node.state.frameworks.values() if f.info.name == name)
    return next(found, None)


async def test_framework_that_stops_reading_is_cut_and_the_others_hear_everything(
    world, until, nursery, monkeypatch
) -> None:
    monkeypatch.setattr(event_streams, "WAITING_BYTES_MAX", BOUND_BYTES)
    node = await world.node()
    agent = await world.agent(node)
    handler = build_handler(node.service)
    address = await nursery.start(serve_http, handler, "127.0.0.1:0")
    path = "/api/v1/scheduler"
    async with (
        subscribed(address, path, subscribe("quick")) as quick,
        subscribed(address, path, subscribe("stuck"), is_stuck=True),
    ):
        nursery.start_soon(quick.run)
        await until(lambda: framework_id(node, "quick") and framework_id(node, "stuck"))
        ids = [framework_id(node, name) for name in ("quick", "stuck")]
        await until(lambda: all(node.service.stream_of(one) for one in ids))

        async def flood(count: int) -> None:
            for number in range(count):
                data = number.to_bytes(4, "big") * (MESSAGE_BYTES // 4)
                for one in ids:
                    message = rpc.FromExecutor(
                        framework_id=one, executor_id="e", data=data
                    )
                    await agent.say(message)
                if number % 50 == 0:
                    # The quick one is never far behind, whatever becomes of the other.
                    await until(lambda n=number: len(quick.of("MESSAGE")) >= n)

        await flood(MESSAGES)
        await until(lambda: len(quick.of("MESSAGE")) == MESSAGES)
        assert node.counts["streams_cut_slow"] == 1
        assert node.service.stream_of(ids[0]) is not None
        assert node.service.stream_of(ids[1]) is None
        await until(lambda: not node.state.frameworks[ids[1]].connected)
        assert node.state.frameworks[ids[0]].connected
        assert not quick.of("ERROR")
        nursery.cancel_scope.cancel()


async def test_events_that_wait_for_a_stuck_framework_hold_no_more_than_the_bound(
    world, until, nursery, monkeypatch
) -> None:
    monkeypatch.setattr(event_streams, "WAITING_BYTES_MAX", BOUND_BYTES)
    node = await world.node()
    agent = await world.agent(node)
    handler = build_handler(node.service)
    address = await nursery.start(serve_http, handler, "127.0.0.1:0")
    call = subscribe("stuck")
    async with subscribed(address, "/api/v1/scheduler", call, is_stuck=True):
        await until(lambda: framework_id(node, "stuck"))
        one = framework_id(node, "stuck")
        await until(lambda: node.service.stream_of(one))
        tracemalloc.start()
        try:
            for number in range(MESSAGES):
                data = number.to_bytes(4, "big") * (MESSAGE_BYTES // 4)
                message = rpc.FromExecutor(framework_id=one, executor_id="e", data=data)
                await agent.say(message)
                await trio.lowlevel.checkpoint()
            await until(lambda: node.counts["streams_cut_slow"] == 1)
            held, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 2 * BOUND_BYTES + UNREAD_BYTES
        assert held < UNREAD_BYTES
        nursery.cancel_scope.cancel()


async def test_operator_that_stops_reading_is_cut_and_the_others_hear_everything(
    world, until, nursery, monkeypatch
) -> None:
    monkeypatch.setattr(followers, "BYTES_WAITING_MAX", BOUND_BYTES // 4)
    node = await world.node()
    handler = build_handler(node.service)
    address = await nursery.start(serve_http, handler, "127.0.0.1:0")
    call = {"type": "SUBSCRIBE"}
    async with (
        subscribed(address, "/api/v1", call) as quick,
        subscribed(address, "/api/v1", call, is_stuck=True),
    ):
        nursery.start_soon(quick.run)
        await until(lambda: quick.of("SUBSCRIBED"))
        count = 0
        while count < MESSAGES and await cut_slow(address) == 0:
            for _ in range(100):
                await node.subscribe(name=f"{count} {'x' * 2000}")
                count += 1
            await until(lambda n=count: len(quick.of("FRAMEWORK_ADDED")) >= n)
        assert await cut_slow(address) == 1
        assert count < MESSAGES, "what waits for it is bounded in bytes"
        await node.subscribe(name="the last")
        await until(lambda: len(quick.of("FRAMEWORK_ADDED")) == count + 1)
        nursery.cancel_scope.cancel()


async def cut_slow(address: str) -> float:
    """As the metrics have it."""
    page, *_ = await read_page(address, "/metrics/snapshot")
    figures = json.loads(page)
    figure: float = figures["raftleader/operator_streams_cut_slow"]
    return figure
