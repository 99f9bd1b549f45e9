"""Promised answers: given by a plain call, later, in the order of the requests."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from support.http_wire import MemoryStream, connected, get, read_until_closed

from raftleader.httpd.messages import Promise, Reply, Request, Response
from raftleader.httpd.server import serve_http, split_address


class Promises:
    """A handler that promises everything but ``/now``."""

    def __init__(self) -> None:
        self.made: dict[str, Promise] = {}
        self._more = trio.Event()

    def __call__(self, request: Request) -> Reply:
        if request.path == "/now":
            return Response(status=200, body=b"now")
        promise = self.made[request.path] = Promise()
        if request.path == "/kept":
            self.keep("/kept")
        self._more.set()
        return promise

    async def wait_made(self, path: str) -> None:
        while path not in self.made:
            self._more = trio.Event()
            await self._more.wait()

    def keep(self, path: str, body: bytes = b"") -> None:
        text = body or path.encode()
        self.made[path].keep(lambda: Response(status=200, body=text))


@asynccontextmanager
async def served(promises: Promises) -> AsyncIterator[trio.SocketStream]:
    """A client of the real server, on a real connection."""
    async with trio.open_nursery() as nursery:
        address = await nursery.start(serve_http, promises, "127.0.0.1:0")
        async with await trio.open_tcp_stream(*split_address(address)) as client:
            yield client
        nursery.cancel_scope.cancel()


async def answers(client: MemoryStream | trio.SocketStream, count: int) -> list[bytes]:
    received = b""
    while (pieces := received.split(b"HTTP/1.1 200 OK"))[count:] == []:
        received += bytes(await client.receive_some())
    return [piece.partition(b"\r\n\r\n")[2] for piece in pieces[1:]]


@pytest.mark.parametrize("is_real", [False, True], ids=["memory", "socket"])
async def test_promises_are_answered_in_the_order_of_the_requests(
    is_real: bool,
) -> None:
    promises = Promises()
    async with served(promises) if is_real else connected(promises) as client:
        await client.send_all(get("/1") + get("/now") + get("/2") + get("/kept"))
        await promises.wait_made("/kept")
        promises.keep("/2")
        await trio.testing.wait_all_tasks_blocked()
        promises.keep("/1")
        assert await answers(client, 4) == [b"/1", b"now", b"/2", b"/kept"]
        await client.send_all(get("/3"))
        await promises.wait_made("/3")
        promises.keep("/3")
        promises.made["/3"].keep(lambda: Response(status=404))
        assert await answers(client, 1) == [b"/3"]


async def test_promise_is_answered_after_the_client_stopped_sending() -> None:
    promises = Promises()
    async with served(promises) as client:
        await client.send_all(get("/1"))
        await client.send_eof()
        await promises.wait_made("/1")
        await trio.testing.wait_all_tasks_blocked()
        promises.keep("/1")
        assert await answers(client, 1) == [b"/1"]
        assert await client.receive_some() == b""


async def test_promise_that_closes_is_written_and_then_the_connection_ends() -> None:
    promises = Promises()
    async with connected(promises) as client:
        await client.send_all(get("/1", "Connection: close"))
        await trio.testing.wait_all_tasks_blocked()
        promises.keep("/1")
        received = await read_until_closed(client)
        assert b"Connection: close" in received
        assert received.endswith(b"/1")


@pytest.mark.parametrize("is_real", [False, True], ids=["memory", "socket"])
async def test_promise_is_kept_in_vain_when_the_client_is_gone(is_real: bool) -> None:
    promises = Promises()
    async with served(promises) if is_real else connected(promises) as client:
        await client.send_all(get("/1") + get("/2"))
        await promises.wait_made("/2")
        if isinstance(client, trio.SocketStream):
            linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # a reset, not an end
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        await client.aclose()
        await trio.testing.wait_all_tasks_blocked()
        promises.keep("/1")
        await trio.testing.wait_all_tasks_blocked()
        promises.keep("/2")


async def test_promise_whose_answer_cannot_be_made_is_500(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken() -> Response:
        raise ZeroDivisionError

    promises = Promises()
    async with connected(promises) as client:
        await client.send_all(get("/1"))
        await trio.testing.wait_all_tasks_blocked()
        promises.made["/1"].keep(broken)
        received = bytes(await client.receive_some())
        assert received.startswith(b"HTTP/1.1 500 ")
    assert "handler failed: GET /1" in caplog.text


async def test_answer_larger_than_the_socket_takes_arrives_whole() -> None:
    body = b"x" * 20_000_000
    promises = Promises()
    async with served(promises) as client:
        await client.send_all(get("/1") + get("/2"))
        await promises.wait_made("/2")
        promises.keep("/1", body)
        promises.keep("/2")
        await trio.testing.wait_all_tasks_blocked()
        received = bytearray()
        while not received.endswith(b"/2"):
            received += await client.receive_some()
        assert received.count(b"x") == len(body)
