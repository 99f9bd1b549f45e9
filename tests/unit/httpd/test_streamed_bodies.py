"""Bodies that are read while they come: pace, end, and all ways to break off."""

from __future__ import annotations

from collections.abc import Mapping

import trio
import trio.testing
from support.http_wire import connected, get, read_until_closed

from raftleader.httpd.bodies import BUFFERED_BYTES_MAX, BodyStream
from raftleader.httpd.messages import Answer, Deferred, Request, Response
from raftleader.limits import BODY_BYTES_MAX

HEAD = (
    b"POST /in HTTP/1.1\r\nContent-Type: streamed\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def is_streamed(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type") == "streamed"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Reader:
    """Notes what a streamed body brings."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.problem = ""

    def __call__(self, request: Request) -> Answer | Deferred:
        if request.stream is None:
            return Response(status=200, body=request.body or request.path.encode())
        stream = request.stream
        assert request.body == b""

        async def answer() -> Answer:
            try:
                async for part in stream:
                    self.parts.append(part)
            except trio.BrokenResourceError as error:
                self.problem = str(error)
                return Response(status=400)
            return Response(status=200, body=b"all of it")

        return answer


async def test_streamed_body_reaches_its_handler_part_by_part(
    autojump_clock: trio.testing.MockClock,
) -> None:
    reader = Reader()
    async with connected(reader, is_streamed) as client:
        await client.send_all(get("/before") + HEAD + chunk(b"one"))
        await trio.testing.wait_all_tasks_blocked()
        assert reader.parts == [b"one"]
        await trio.sleep(3600)  # as slowly as it likes
        await client.send_all(chunk(b"two") + b"0\r\n\r\n")
        received = await read_until_closed(client)
    assert reader.parts == [b"one", b"two"]
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.index(b"/before") < received.index(b"all of it")
    assert b"\r\nConnection: close\r\n" in received


async def test_other_bodies_are_read_whole_when_some_are_streamed() -> None:
    async with connected(Reader(), is_streamed) as client:
        await client.send_all(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")
        received = await client.receive_some()
    assert bytes(received).endswith(b"\r\n\r\nabc")


async def test_streamed_body_has_no_limit_of_size() -> None:
    size = 0

    def handler(request: Request) -> Deferred:
        async def answer() -> Answer:
            nonlocal size
            assert request.stream is not None
            async for part in request.stream:
                size += len(part)
            return Response(status=200)

        return answer

    head = HEAD.replace(b"Transfer-Encoding: chunked", b"Content-Length: %d")
    async with connected(handler, is_streamed) as client:
        await client.send_all(head % (BODY_BYTES_MAX + 1))
        await client.send_all(bytes(BODY_BYTES_MAX + 1))
        received = await read_until_closed(client)
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert size == BODY_BYTES_MAX + 1


async def test_put_waits_when_too_much_is_buffered() -> None:
    body = BodyStream()
    await body.put(bytes(BUFFERED_BYTES_MAX))
    with trio.move_on_after(0.01) as scope:
        await body.put(b"x")
    assert scope.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(body.put, b"x")
        assert len(await body.receive()) == BUFFERED_BYTES_MAX
        assert await body.receive() == b"x"
    body.drop()
    await body.put(bytes(2 * BUFFERED_BYTES_MAX))
    await body.put(b"dropped, and nobody waits")


async def test_answer_before_the_end_of_the_body_leaves_and_ends_the_connection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    def handler(request: Request) -> Deferred:
        async def answer() -> Answer:
            assert request.stream is not None
            assert await request.stream.receive() == b"one"
            return Response(status=409, body=b"enough")

        return answer

    async with connected(handler, is_streamed) as client:
        await client.send_all(HEAD + chunk(b"one"))
        received = await read_until_closed(client)
    assert received.startswith(b"HTTP/1.1 409 ")
    assert received.endswith(b"enough")


async def test_immediate_answer_needs_no_body(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with connected(lambda request: Response(status=404), is_streamed) as client:
        await client.send_all(HEAD + chunk(b"one") + chunk(b"two"))
        received = await read_until_closed(client)
    assert received.startswith(b"HTTP/1.1 404 ")


async def test_client_that_goes_breaks_the_body() -> None:
    reader = Reader()
    async with connected(reader, is_streamed) as client:
        await client.send_all(HEAD + chunk(b"one"))
        await client.send_eof()
        received = await read_until_closed(client)
    assert reader.parts == [b"one"]
    assert reader.problem == "the body ended too early"
    assert received.startswith(b"HTTP/1.1 400 ")


async def test_garbage_within_a_body_breaks_it() -> None:
    reader = Reader()
    async with connected(reader, is_streamed) as client:
        await client.send_all(HEAD + chunk(b"one") + b"no chunk\r\n")
        received = await read_until_closed(client)
    assert reader.parts == [b"one"]
    assert reader.problem
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1") == 1


async def test_continue_is_sent_before_a_streamed_body_is_read() -> None:
    async with connected(Reader(), is_streamed) as client:
        await client.send_all(HEAD[:-2] + b"Expect: 100-continue\r\n\r\n")
        assert bytes(await client.receive_some()).startswith(b"HTTP/1.1 100 Continue")
        await client.send_all(chunk(b"one") + b"0\r\n\r\n")
        received = await read_until_closed(client)
    assert received.startswith(b"HTTP/1.1 200 OK")
