"""One connection: order of answers, backpressure, streams, silence and rudeness."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from raftleader.httpd.connection import Connection
from raftleader.httpd.messages import (
    Answer,
    Deferred,
    Handler,
    Request,
    Response,
    Stream,
    StreamWriter,
)
from raftleader.limits import PIPELINED_REQUESTS_MAX

MemoryStream = trio.StapledStream[
    trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream
]


@asynccontextmanager
async def connected(handler: Handler) -> AsyncIterator[MemoryStream]:
    client, server = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Connection(server, handler, peer="client").serve)
        yield client
        await client.aclose()


def get(path: str, *headers: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in headers)
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


def echo(request: Request) -> Response:
    return Response(status=200, body=request.path.encode())


async def read_until_closed(client: MemoryStream) -> bytes:
    received = b""
    while piece := await client.receive_some():
        received += piece
    return received


def bodies_of(received: bytes) -> list[bytes]:
    """Bodies of consecutive answers with a Content-Length."""
    bodies = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        length = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
        bodies.append(received[:length])
        received = received[length:]
    return bodies


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


async def test_pipelined_requests_are_handled_at_once_and_answered_in_order(
    autojump_clock: trio.testing.MockClock,
) -> None:
    gate = Gate()
    async with connected(gate) as client:
        await client.send_all(get("/1") + get("/2") + get("/3"))
        await trio.testing.wait_all_tasks_blocked()
        assert gate.paths == ["/1", "/2", "/3"]

        gate.ready["/3"].set()
        gate.ready["/2"].set()
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(1) as nothing:
            await client.receive_some()
        assert nothing.cancelled_caught

        gate.ready["/1"].set()
        await trio.testing.wait_all_tasks_blocked()
        received = bytes(await client.receive_some())
        assert bodies_of(received) == [b"/1", b"/2", b"/3"]


async def test_answers_that_become_ready_together_leave_in_one_write() -> None:
    gate = Gate()
    client, server = trio.testing.memory_stream_pair()
    writes: list[int] = []
    deliver = server.send_stream.send_all_hook
    assert deliver is not None

    async def count_write() -> None:
        writes.append(1)
        await deliver()

    server.send_stream.send_all_hook = count_write
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Connection(server, gate, peer="").serve)
        await client.send_all(b"".join(get(f"/{n}") for n in range(50)))
        await trio.testing.wait_all_tasks_blocked()
        for event in gate.ready.values():
            event.set()
        await trio.testing.wait_all_tasks_blocked()
        assert len(bodies_of(bytes(await client.receive_some()))) == 50
        assert len(writes) == 1
        await client.aclose()


async def test_client_that_pipelines_without_reading_is_read_no_further() -> None:
    gate = Gate()
    count = PIPELINED_REQUESTS_MAX + 10
    async with connected(gate) as client:
        await client.send_all(b"".join(get(f"/{n}") for n in range(count)))
        await trio.testing.wait_all_tasks_blocked()
        assert len(gate.paths) == PIPELINED_REQUESTS_MAX

        gate.ready["/0"].set()
        await trio.testing.wait_all_tasks_blocked()
        assert len(gate.paths) == PIPELINED_REQUESTS_MAX + 1

        for n in range(count):
            gate.ready.setdefault(f"/{n}", trio.Event()).set()
        await trio.testing.wait_all_tasks_blocked()
        assert len(bodies_of(bytes(await client.receive_some()))) == count


async def test_sync_answers_beyond_the_limit_are_all_given() -> None:
    count = 3 * PIPELINED_REQUESTS_MAX
    async with connected(echo) as client:
        requests = b"".join(get(f"/{n}") for n in range(count))
        await client.send_all(requests)
        await client.send_eof()
        received = bodies_of(await read_until_closed(client))
        assert received == [f"/{n}".encode() for n in range(count)]


async def test_pending_answers_are_given_after_the_client_stopped_sending() -> None:
    gate = Gate()
    async with connected(gate) as client:
        await client.send_all(get("/1"))
        await client.send_eof()
        await trio.testing.wait_all_tasks_blocked()
        gate.ready["/1"].set()
        assert bodies_of(await read_until_closed(client)) == [b"/1"]


async def test_answers_wait_no_longer_when_the_client_is_gone() -> None:
    ended = trio.Event()

    def handler(request: Request) -> Deferred | Response:
        async def wait() -> Answer:
            try:
                await trio.sleep_forever()
            finally:
                ended.set()
            raise AssertionError

        return wait if request.path == "/wait" else Response(status=200)

    client, server = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Connection(server, handler, peer="").serve)
        await client.send_all(get("/now") + get("/wait"))
        await trio.testing.wait_all_tasks_blocked()
        server.send_stream.close()  # As a reset would look like to the writer.
        server.receive_stream.close()
        await ended.wait()


async def test_connection_close_is_answered_and_closed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with connected(echo) as client:
        await client.send_all(get("/one") + get("/2", "Connection: close") + get("/3"))
        received = await read_until_closed(client)
        assert received.count(b"HTTP/1.1 200 OK") == 2
        assert b"Connection: close" in received.partition(b"/one")[2]


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


async def test_continue_is_sent_in_its_place_before_the_body_comes() -> None:
    async with connected(echo) as client:
        head = b"POST /2 HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
        await client.send_all(get("/1") + head)
        await trio.testing.wait_all_tasks_blocked()
        received = bytes(await client.receive_some())
        assert received.endswith(b"/1HTTP/1.1 100 Continue\r\n\r\n")
        await client.send_all(b"x")
        assert bytes(await client.receive_some()).endswith(b"\r\n\r\n/2")


async def test_head_is_answered_without_the_body_but_with_its_length() -> None:
    async with connected(echo) as client:
        await client.send_all(b"HEAD /abc HTTP/1.1\r\n\r\n" + get("/x"))
        first, second = bytes(await client.receive_some()).split(b"HTTP/1.1 200 OK")[1:]
        assert b"Content-Length: 4" in first
        assert first.endswith(b"\r\n\r\n")
        assert second.endswith(b"/x")


async def test_empty_answer_names_its_length_but_204_does_not() -> None:
    def handler(request: Request) -> Response:
        return Response(status=int(request.path[1:]))

    async with connected(handler) as client:
        await client.send_all(get("/202"))
        received = bytes(await client.receive_some())
        assert received.startswith(b"HTTP/1.1 202 Accepted\r\nDate: ")
        assert received.endswith(b" GMT\r\nContent-Length: 0\r\n\r\n")
        await client.send_all(get("/204") + get("/299"))
        received = bytes(await client.receive_some())
        assert received.count(b"Content-Length") == 1
        assert b"HTTP/1.1 299 Unknown\r\n" in received


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


def streaming(run: Callable[[StreamWriter], Awaitable[None]]) -> Handler:
    def handler(request: Request) -> Answer:
        if request.path == "/stream":
            return Stream(run=run, headers=(("Mesos-Stream-Id", "s"),))
        return Response(status=200, body=request.path.encode())

    return handler


async def test_stream_is_chunked_one_chunk_for_each_and_ends_the_connection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def run(writer: StreamWriter) -> None:
        await writer.send([b"one", b"twelve bytes"])
        await trio.sleep(1000)
        await writer.send([b"x" * 26])

    async with connected(streaming(run)) as client:
        await client.send_all(get("/one") + get("/stream") + get("/3"))
        received = await read_until_closed(client)
    head, _, body = received.partition(b"/one")[2].partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nMesos-Stream-Id: s\r\nDate: ")
    assert b"\r\nTransfer-Encoding: chunked" in head
    assert b"\r\nConnection: close" in head
    assert body == (
        b"3\r\none\r\nc\r\ntwelve bytes\r\n1a\r\n" + b"x" * 26 + b"\r\n0\r\n\r\n"
    )


async def test_stream_to_an_old_client_is_plain_bytes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def run(writer: StreamWriter) -> None:
        await writer.send([b"one", b"two"])

    async with connected(streaming(run)) as client:
        await client.send_all(b"GET /stream HTTP/1.0\r\n\r\n")
        received = await read_until_closed(client)
    assert b"chunked" not in received
    assert received.endswith(b"\r\n\r\nonetwo")


async def test_stream_is_cancelled_as_soon_as_the_client_goes() -> None:
    cancelled = trio.Event()

    async def run(writer: StreamWriter) -> None:
        try:
            await writer.send([b"x"])
            await trio.sleep_forever()
        finally:
            cancelled.set()

    async with connected(streaming(run)) as client:
        await client.send_all(get("/stream"))
        await client.receive_some()
        await client.aclose()
        await cancelled.wait()


async def test_stream_is_run_cancelled_when_the_client_went_before_its_turn() -> None:
    steps: list[str] = []
    opened = trio.Event()

    async def run(writer: StreamWriter) -> None:
        try:
            steps.append("run")
            await writer.send([b"x"])
            steps.append("sent")
        finally:
            steps.append("closed")

    def handler(request: Request) -> Deferred:
        async def wait() -> Answer:
            if request.path == "/slow":
                await trio.sleep_forever()
            opened.set()
            return Stream(run=run)

        return wait

    async with trio.open_nursery() as nursery:
        client, server = trio.testing.memory_stream_pair()
        nursery.start_soon(Connection(server, handler, peer="").serve)
        await client.send_all(get("/slow") + get("/stream"))
        await opened.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert steps == []
        nursery.cancel_scope.cancel()
    assert steps == ["run", "closed"]


async def test_head_of_a_stream_runs_it_cancelled(
    autojump_clock: trio.testing.MockClock,
) -> None:
    steps: list[str] = []

    async def run(writer: StreamWriter) -> None:
        try:
            await trio.sleep_forever()
        finally:
            steps.append("closed")

    async with connected(streaming(run)) as client:
        await client.send_all(b"HEAD /stream HTTP/1.1\r\n\r\n")
        received = await read_until_closed(client)
    assert received.endswith(b"Connection: close\r\n\r\n")
    assert steps == ["closed"]


async def test_bug_in_a_stream_is_logged_and_cuts_it_short(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run(writer: StreamWriter) -> None:
        await writer.send([b"x"])
        raise KeyError("a bug")

    async with connected(streaming(run)) as client:
        await client.send_all(get("/stream"))
        received = await read_until_closed(client)
    assert received.endswith(b"1\r\nx\r\n")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


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


async def test_silent_stream_is_not_closed_for_being_idle(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def run(writer: StreamWriter) -> None:
        await writer.send([b"x"])
        await trio.sleep(1000)
        await writer.send([b"y"])

    async with connected(streaming(run)) as client:
        await client.send_all(get("/stream"))
        received = await read_until_closed(client)
    assert received.endswith(b"1\r\nx\r\n1\r\ny\r\n0\r\n\r\n")


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
