"""The server on real sockets, spoken to by hand."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from raftleader.errors import ConfigError
from raftleader.httpd.messages import (
    Answer,
    Deferred,
    Handler,
    Request,
    Response,
    Stream,
    StreamWriter,
)
from raftleader.httpd.server import join_address, serve_http, split_address

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def hello(request: Request) -> Response:
    return Response(status=200, body=b"hello " + request.body)


@asynccontextmanager
async def served(
    handler: Handler, *, connections_max: int = 100
) -> AsyncIterator[tuple[str, int]]:
    async with trio.open_nursery() as nursery:

        async def serve(task_status: trio.TaskStatus[str]) -> None:
            await serve_http(
                handler,
                "127.0.0.1:0",
                connections_max=connections_max,
                task_status=task_status,
            )

        address = await nursery.start(serve)
        yield split_address(address)
        nursery.cancel_scope.cancel()


async def ask(address: tuple[str, int], data: bytes) -> bytes:
    """Send, say that no more comes, and read to the end."""
    async with await trio.open_tcp_stream(*address) as stream:
        await stream.send_all(data)
        await stream.send_eof()
        received = b""
        async for piece in stream:
            received += piece
        return received


async def test_server_answers_on_the_port_it_names() -> None:
    async with served(hello) as address:
        received = await ask(address, GET)
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        assert received.endswith(b"\r\n\r\nhello ")


async def test_body_of_the_largest_size_is_taken_and_one_byte_more_is_413() -> None:
    def measure(request: Request) -> Response:
        return Response(status=200, body=b"%d" % len(request.body))

    size = 8 * 1024 * 1024
    async with served(measure) as address:
        head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n"
        received = await ask(address, head % size + bytes(size))
        assert received.endswith(b"\r\n\r\n8388608")
        # The client sends all of it before it reads: the answer must survive.
        received = await ask(address, head % (size + 1) + bytes(size + 1))
        assert received.startswith(b"HTTP/1.1 413 ")


async def test_server_survives_whatever_a_client_does() -> None:
    async with served(hello) as address:
        for rude in (
            b"\x16\x03\x01",
            b"GET",
            b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx",
        ):
            stream = await trio.open_tcp_stream(*address)
            await stream.send_all(rude)
            # Reset instead of a goodbye.
            stream.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            await stream.aclose()
        stream = await trio.open_tcp_stream(*address)
        await stream.aclose()
        assert (await ask(address, GET)).startswith(b"HTTP/1.1 200 OK")


async def test_stream_is_cancelled_when_the_client_resets() -> None:
    cancelled = trio.Event()

    async def run(writer: StreamWriter) -> None:
        try:
            await writer.send([b"x"])
            await trio.sleep_forever()
        finally:
            cancelled.set()

    def handler(request: Request) -> Answer:
        return Stream(run=run)

    async with served(handler) as address:
        stream = await trio.open_tcp_stream(*address)
        await stream.send_all(GET)
        await stream.receive_some()
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await stream.aclose()
        with trio.fail_after(5):
            await cancelled.wait()


async def test_connection_beyond_the_limit_is_answered_503() -> None:
    async with served(hello, connections_max=1) as address:
        async with await trio.open_tcp_stream(*address) as first:
            await first.send_all(GET)
            await first.receive_some()
            received = await ask(address, GET)
            assert received.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert b"\r\nRetry-After: 1\r\n" in received
        # The server sees the end of the first one before it accepts the next.
        received = b"HTTP/1.1 503"
        with trio.fail_after(5):
            while received.startswith(b"HTTP/1.1 503"):
                received = await ask(address, GET)
        assert received.startswith(b"HTTP/1.1 200")


async def test_cancelling_the_server_ends_streams_and_waits() -> None:
    ended: list[str] = []

    async def run(writer: StreamWriter) -> None:
        try:
            await writer.send([b"x"])
            await trio.sleep_forever()
        finally:
            ended.append("stream")

    def handler(request: Request) -> Answer | Deferred:
        async def wait() -> Answer:
            try:
                await trio.sleep_forever()
            finally:
                ended.append("wait")
            raise AssertionError

        return Stream(run=run) if request.path == "/stream" else wait

    async with served(handler) as address:
        one = await trio.open_tcp_stream(*address)
        await one.send_all(b"GET /stream HTTP/1.1\r\n\r\n")
        await one.receive_some()
        two = await trio.open_tcp_stream(*address)
        await two.send_all(GET)
        await trio.sleep(0.05)
    assert sorted(ended) == ["stream", "wait"]
    assert await one.receive_some() == b""
    await one.aclose()
    await two.aclose()


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:5050", ("::1", 5050)),
    ],
)
def test_address_is_split_and_joined(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts
    assert join_address(*parts) == address


@pytest.mark.parametrize("address", ["", "host", ":80", "h:x", "h:65536", "::1:80"])
def test_address_that_is_none_is_a_config_error(address: str) -> None:
    with pytest.raises(ConfigError, match="is not HOST:PORT"):
        split_address(address)
