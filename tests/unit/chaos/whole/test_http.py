"""HTTP over simulated streams: what breaks, stalls and is lost on the way."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import pytest
import trio

from chaos.sim.whole.clock import VirtualClock
from chaos.sim.whole.determinism import run_deterministically
from chaos.sim.whole.http import HttpNetwork
from chaos.sim.whole.stream import BUFFER_BYTES_MAX, SimulatedStream, stream_pair
from raftleader.errors import OutcomeUnknownError, UnavailableError
from raftleader.framework.http_client import open_http_client
from raftleader.httpd.messages import Request, Response


def run_http(body: Callable[[HttpNetwork], Awaitable[None]]) -> list[str]:
    """The requests that the server was asked, by their targets."""
    asked: list[str] = []
    clock = VirtualClock()

    def handler(request: Request) -> Response:
        asked.append(request.path)
        return Response(status=200, body=b"done")

    async def main() -> None:
        http = HttpNetwork(clock, random.Random(1), (0.001, 0.01))
        serve = http.server("n1", lambda function, *arguments: function(*arguments))
        async with trio.open_nursery() as nursery:
            await nursery.start(serve, handler, "n1:80")
            await body(http)
            nursery.cancel_scope.cancel()

    run_deterministically(main, 1, clock)
    return asked


def test_request_is_answered_by_the_real_server() -> None:
    async def body(http: HttpNetwork) -> None:
        async with open_http_client(connect=http.connector("f")) as client:
            answer = await client.request("n1:80", "GET", "/x")
            assert (answer.status, answer.body) == (200, b"done")
        with pytest.raises(ConnectionRefusedError):
            await http.connector("f")("n2", 80)

    assert run_http(body) == ["/x"]


def test_lost_answer_leaves_the_client_in_doubt_and_the_deed_done() -> None:
    async def body(http: HttpNetwork) -> None:
        http.loss_probability = 1.0
        async with open_http_client(connect=http.connector("f")) as client:
            with pytest.raises(OutcomeUnknownError):
                await client.request("n1:80", "GET", "/done")
        assert http.answers_lost == 1
        assert http.disturbances == 1

    assert run_http(body) == ["/done"]


def test_stalled_server_answers_when_it_flows_again() -> None:
    async def body(http: HttpNetwork) -> None:
        async with open_http_client(connect=http.connector("f")) as client:
            await client.request("n1:80", "GET", "/before")
            http.stall("n1")
            with trio.move_on_after(5.0) as patience:
                await client.request("n1:80", "GET", "/lost", timeout_s=100.0)
            assert patience.cancelled_caught
            http.flow("n1")
            await client.request("n1:80", "GET", "/after")

    assert run_http(body) == ["/before", "/lost", "/after"]


def test_broken_connections_fail_at_both_ends() -> None:
    async def body(http: HttpNetwork) -> None:
        async with open_http_client(connect=http.connector("f")) as client:
            connection = await client.connection("n1:80")
            await trio.sleep(1.0)
            assert http.break_all("f") == 1
            assert http.break_all("f") == 0
            await trio.sleep(0.1)
            with pytest.raises(UnavailableError):
                await connection.post(b"GET / HTTP/1.1\r\n\r\n")

    assert run_http(body) == []


def run_streams(
    body: Callable[[SimulatedStream, SimulatedStream], Awaitable[None]],
) -> None:
    clock = VirtualClock()

    async def main() -> None:
        await body(*stream_pair(clock, random.Random(1), (0.01, 0.05)))

    run_deterministically(main, 1, clock)


def test_bytes_arrive_in_order_and_then_the_end() -> None:
    async def body(ours: SimulatedStream, theirs: SimulatedStream) -> None:
        for _ in range(10):
            await ours.send_all(b"0123456789")
        await ours.aclose()
        data = b""
        while piece := await theirs.receive_some(7):
            assert len(piece) <= 7
            data += piece
        assert data == b"0123456789" * 10
        with pytest.raises(trio.BrokenResourceError):
            await theirs.send_all(b"x")

    run_streams(body)


def test_sender_waits_while_too_much_is_unread() -> None:
    async def body(ours: SimulatedStream, theirs: SimulatedStream) -> None:
        await ours.send_all(bytes(BUFFER_BYTES_MAX + 1))
        with trio.move_on_after(1.0) as patience:
            await ours.send_all(b"x")
        assert patience.cancelled_caught
        await theirs.receive_some()
        await ours.send_all(b"y")
        assert await theirs.receive_some() == b"y"

    run_streams(body)


def test_closed_stream_says_so_to_whoever_waits_on_it() -> None:
    async def body(ours: SimulatedStream, theirs: SimulatedStream) -> None:
        async with trio.open_nursery() as nursery:

            async def wait() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await ours.receive_some()

            nursery.start_soon(wait)
            await trio.sleep(1.0)
            await ours.aclose()
        assert await theirs.receive_some() == b""
        with pytest.raises(trio.ClosedResourceError):
            await ours.send_all(b"x")

    run_streams(body)
