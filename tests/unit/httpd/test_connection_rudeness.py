"""One connection: bugs of ours, silence and rudeness of clients."""

from __future__ import annotations

import logging

import pytest
import trio
import trio.testing
from support.http_wire import connected, echo, get, read_until_closed

from raftleader.httpd.messages import (
    Answer,
    Deferred,
    Handler,
    Request,
    Response,
)


class Gate:
    """A handler whose answers become ready when the test says so."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.ready: dict[str, trio.Event] = {}

    def __call__(self, request: Request) -> Deferred:
        self.paths.append(request.path)
        event = self.ready.setdefault(request.path, trio.Event())

        async def wait() -> Answer:
            await event.wait()
            return Response(status=200, body=request.path.encode())

        return wait


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b"400 Bad Request"),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
            b"413 Request Entity Too Large",
        ),
        (
            b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 300,
            b"431 Request Header Fields Too Large",
        ),
    ],
)
async def test_bad_http_is_answered_after_what_came_before_and_closes(
    data: bytes, status: bytes, autojump_clock: trio.testing.MockClock
) -> None:
    gate = Gate()
    async with connected(gate) as client:
        await client.send_all(get("/one") + data)
        await trio.testing.wait_all_tasks_blocked()
        gate.ready["/one"].set()
        received = await read_until_closed(client)
        first, _, second = received.partition(b"/one")
        assert first.startswith(b"HTTP/1.1 200 OK")
        assert second.startswith(b"HTTP/1.1 " + status)
        assert b"Connection: close" in second


def raising(request: Request) -> Response:
    raise KeyError("a bug")


def deferred_raising(request: Request) -> Deferred:
    async def wait() -> Answer:
        raise KeyError("a bug")

    return wait


def no_answer(request: Request) -> Deferred:
    async def wait() -> Answer:
        return None  # type: ignore[return-value]

    return wait


def split_header(request: Request) -> Response:
    return Response(status=200, headers=(("Location", "//x\r\nEvil: 1"),))


@pytest.mark.parametrize(
    "handler", [raising, deferred_raising, no_answer, split_header]
)
async def test_bug_in_a_handler_is_answered_500_logged_and_survived(
    handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(handler) as client:
        for _ in range(2):
            await client.send_all(get("/boom"))
            received = bytes(await client.receive_some())
            assert received.startswith(b"HTTP/1.1 500 Internal Server Error")
            assert b"a bug" not in received
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 2
    assert "/boom" in errors[0].getMessage()


async def test_idle_connection_is_closed_after_two_minutes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with connected(echo) as client:
        await trio.sleep(110)
        await client.send_all(get("/1"))
        await client.receive_some()
        since = trio.current_time()
        assert await client.receive_some() == b""
        assert trio.current_time() - since == 120


async def test_request_that_trickles_is_answered_408_after_two_minutes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with connected(echo) as client, trio.open_nursery() as nursery:

        async def trickle() -> None:
            await client.send_all(b"GET / HTTP/1.1\r\n")
            for _ in range(100):
                await trio.sleep(5)
                await client.send_all(b"A: b\r\n")

        nursery.start_soon(trickle)
        received = await read_until_closed(client)
        assert received.startswith(b"HTTP/1.1 408 Request Timeout")
        assert 120 <= trio.current_time() <= 130
        nursery.cancel_scope.cancel()


async def test_request_that_stops_halfway_is_answered_408(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with connected(echo) as client:
        await client.send_all(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab")
        received = await read_until_closed(client)
        assert received.startswith(b"HTTP/1.1 408 Request Timeout")
