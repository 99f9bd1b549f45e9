"""Answers that last: chunks, the end of the client, the end of the stream."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing
from support.http_wire import connected, get, read_until_closed

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


async def test_stream_that_ends_by_itself_is_due_to_who_sends_nothing_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def run(writer: StreamWriter) -> None:
        await writer.send([b"one"])
        await trio.sleep(1)
        await writer.send([b"two"])

    def handler(request: Request) -> Answer | Deferred:
        stream = Stream(run=run, is_finite=True)

        async def later() -> Answer:
            await trio.sleep(1)
            return stream

        return later if request.path == "/later" else stream

    for path in ("/now", "/later"):
        async with connected(handler) as client:
            await client.send_all(get(path))
            await client.send_eof()
            received = await read_until_closed(client)
        assert received.endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"), path


async def test_stream_without_an_end_is_refused_to_who_sends_nothing_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    runs = []

    async def run(writer: StreamWriter) -> None:
        runs.append(1)
        await writer.send([b"one"])

    def handler(request: Request) -> Deferred:
        async def later() -> Answer:
            await trio.sleep(1)
            return Stream(run=run)

        return later

    async with connected(handler) as client:
        await client.send_all(get("/"))
        await client.send_eof()
        received = await read_until_closed(client)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert len(runs) == 1
