"""One connection: order of answers, pipelining, backpressure."""

from __future__ import annotations

import trio
import trio.testing
from support.http_wire import connected, echo, get, read_until_closed

from raftleader.httpd.connection import Connection
from raftleader.httpd.messages import (
    Answer,
    Deferred,
    Request,
    Response,
)
from raftleader.limits import PIPELINED_REQUESTS_MAX


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
