"""The HTTP client against small scripted servers over memory streams."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from raftleader.errors import (
    ApiError,
    InvalidInputError,
    OutcomeUnknownError,
    OverloadedError,
    UnavailableError,
)
from raftleader.framework.http_client import encode_request, open_http_client
from raftleader.limits import PIPELINED_REQUESTS_MAX

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Runs ``script(stream)`` for every connection."""

    def __init__(self, nursery, script) -> None:
        self.connections = 0
        self.nursery = nursery
        self.script = script

    async def connect(self, host, port):
        self.connections += 1
        ours, theirs = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self.serve, theirs)
        return ours

    async def serve(self, stream):
        try:
            await self.script(stream)
        finally:
            await trio.aclose_forcefully(stream)


async def read_requests(stream, count):
    """The targets of ``count`` requests without bodies."""
    data = b""
    while data.count(b"\r\n\r\n") < count:
        data += await stream.receive_some()
    return [head.split()[1] for head in data.split(b"\r\n\r\n")[:count]]


async def answer(target, body):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


@pytest.fixture
async def serve(nursery):
    return lambda script: Server(nursery, script)


async def test_answers_are_matched_in_order_on_one_connection(serve):
    async def script(stream):
        targets = await read_requests(stream, 10)
        for target in targets:
            reply = await answer(target, b"for " + target)
            for place in range(0, len(reply), 7):
                await stream.send_all(reply[place : place + 7])
        await trio.sleep_forever()

    server = serve(script)
    got = {}
    async with open_http_client(connect=server.connect) as client:

        async def ask(number):
            answer = await client.request("h:1", "GET", f"/{number}")
            got[number] = answer.body

        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(ask, number)
    assert got == {number: b"for /%d" % number for number in range(10)}
    assert server.connections == 1


async def test_requests_posted_together_leave_in_one_write(serve):
    writes = []

    async def script(stream):
        while data := await stream.receive_some():
            writes.append(data)
            await stream.send_all(OK * data.count(b"\r\n\r\n"))

    async with open_http_client(connect=serve(script).connect) as client:
        connection = await client.connection("h:1")
        exchanges = [
            connection.post_nowait(encode_request("h:1", "GET", "/"))
            for _ in range(PIPELINED_REQUESTS_MAX)
        ]
        with pytest.raises(OverloadedError):
            connection.post_nowait(b"one too many")
        for exchange in exchanges:
            assert (await exchange.wait(1)).body == b"ok"
    assert len(writes) == 1


async def test_connection_is_kept_and_opened_again_after_it_closed(
    serve, autojump_clock
):
    async def script(stream):
        for _ in range(3):
            await read_requests(stream, 1)
            await stream.send_all(OK)

    server = serve(script)
    async with open_http_client(connect=server.connect) as client:
        for _ in range(3):
            await client.request("h:1", "GET", "/")
        await trio.sleep(1)
        assert server.connections == 1
        await client.request("h:1", "GET", "/")
        assert server.connections == 2


async def test_connection_close_in_an_answer_is_obeyed(serve, autojump_clock):
    async def script(stream):
        await read_requests(stream, 1)
        await stream.send_all(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))
        await trio.sleep_forever()

    server = serve(script)
    async with open_http_client(connect=server.connect) as client:
        for _ in range(2):
            assert (await client.request("h:1", "GET", "/")).body == b"ok"
    assert server.connections == 2


async def test_broken_connection_fails_what_was_sent_as_unknown(serve, autojump_clock):
    async def script(stream):
        await read_requests(stream, 2)
        await stream.send_all(OK)

    async with open_http_client(connect=serve(script).connect) as client:
        connection = await client.connection("h:1")
        data = encode_request("h:1", "GET", "/")
        first, second = (connection.post_nowait(data) for _ in range(2))
        assert (await first.wait(1)).status == 200
        with pytest.raises(OutcomeUnknownError):
            await second.wait(1)
        with pytest.raises(UnavailableError):
            connection.post_nowait(data)


async def test_request_that_never_left_is_known_not_to_have_happened(
    serve, autojump_clock
):
    async def script(stream):
        await read_requests(stream, 1)

    async with open_http_client(connect=serve(script).connect) as client:
        connection = await client.connection("h:1")
        data = encode_request("h:1", "GET", "/")
        connection.post_nowait(data)
        await trio.sleep(0.1)
        assert connection.is_broken
        with pytest.raises(UnavailableError):
            await connection.post(data)
        connection = await client.connection("h:1")
        exchange = connection.post_nowait(data)
        connection.give_up("as the test says")
        with pytest.raises(UnavailableError, match="as the test says"):
            await exchange.wait(1)


async def test_answer_that_does_not_come_in_time_ends_the_connection(
    serve, autojump_clock
):
    async def script(stream):
        await trio.sleep_forever()

    server = serve(script)
    async with open_http_client(connect=server.connect) as client:
        for _ in range(2):
            with pytest.raises(OutcomeUnknownError, match="within 3 s"):
                await client.request("h:1", "GET", "/", timeout_s=3)
    assert trio.current_time() >= 6
    assert server.connections == 2


async def test_request_cancelled_before_it_left_never_leaves(serve, autojump_clock):
    seen = []

    async def script(stream):
        seen.extend(await read_requests(stream, 1))
        await stream.send_all(OK)
        await trio.sleep_forever()

    async with open_http_client(connect=serve(script).connect) as client:
        connection = await client.connection("h:1")
        first = connection.post_nowait(encode_request("h:1", "GET", "/1"))
        second = connection.post_nowait(encode_request("h:1", "GET", "/2"))
        with trio.CancelScope() as scope:
            scope.cancel()
            await first.wait(1)
        assert (await second.wait(1)).status == 200
    assert seen == [b"/2"]


@pytest.mark.parametrize(
    "reply", [b"SMTP ready\r\n", OK + OK, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000]
)
async def test_nonsense_from_the_server_ends_the_connection(
    serve, autojump_clock, reply
):
    async def script(stream):
        await read_requests(stream, 1)
        await stream.send_all(reply)
        await trio.sleep_forever()

    async with open_http_client(connect=serve(script).connect) as client:
        connection = await client.connection("h:1")
        exchange = connection.post_nowait(encode_request("h:1", "GET", "/"))
        try:
            await exchange.wait(1)
        except OutcomeUnknownError:
            pass
        assert connection.is_broken
        assert "something else than HTTP" in connection.problem


async def test_host_that_refuses_or_hangs_is_unavailable(autojump_clock):
    async def refuse(host, port):
        raise ConnectionRefusedError("refused")

    async def hang(host, port):
        await trio.sleep_forever()

    for connect in (refuse, hang):
        async with open_http_client(connect=connect) as client:
            with pytest.raises(UnavailableError):
                await client.request("h:1", "GET", "/")
    with pytest.raises(InvalidInputError):
        async with open_http_client(connect=refuse) as client:
            await client.request("nowhere", "GET", "/")


async def test_stream_gives_bytes_as_they_come_and_ends(serve, autojump_clock):
    async def script(stream):
        await stream.receive_some()
        await stream.send_all(
            b"HTTP/1.1 200 OK\r\nMesos-Stream-Id: s\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        )
        await trio.sleep(100)
        await stream.send_all(b"2\r\nde\r\n0\r\n\r\n")

    async with (
        open_http_client(connect=serve(script).connect) as client,
        client.stream("h:1", "POST", "/", body=b"{}") as answer,
    ):
        assert answer.status == 200
        assert answer.headers["mesos-stream-id"] == "s"
        assert [data async for data in answer] == [b"abc", b"de"]


async def test_stream_that_breaks_off_is_an_error(serve, autojump_clock):
    async def script(stream):
        await stream.receive_some()
        await stream.send_all(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        )

    async with (
        open_http_client(connect=serve(script).connect) as client,
        client.stream("h:1", "POST", "/") as answer,
    ):
        assert await answer.receive() == b"abc"
        with pytest.raises(OutcomeUnknownError, match="closed too early"):
            await answer.receive()


async def test_stream_whose_head_does_not_come_is_given_up(serve, autojump_clock):
    async def script(stream):
        await trio.sleep_forever()

    async with open_http_client(connect=serve(script).connect) as client:
        with pytest.raises(OutcomeUnknownError, match="within 2 s"):
            async with client.stream("h:1", "GET", "/", timeout_s=2):
                pytest.fail("no answer came")


async def test_stream_read_whole_has_a_limit(serve, autojump_clock):
    async def script(stream):
        await stream.receive_some()
        await stream.send_all(await answer(b"", b"x" * 1000))

    async with open_http_client(connect=serve(script).connect) as client:
        async with client.stream("h:1", "GET", "/") as reply:
            with pytest.raises(InvalidInputError):
                await reply.read_all(bytes_max=999)
        async with client.stream("h:1", "GET", "/") as reply:
            assert len((await reply.read_all(bytes_max=1000)).body) == 1000


async def test_get_json_follows_redirects_and_refuses_the_rest(serve, autojump_clock):
    async def script(stream):
        while True:
            (target,) = await read_requests(stream, 1)
            if target == b"/state":
                await stream.send_all(
                    b"HTTP/1.1 307 Temporary Redirect\r\nLocation: //h:2/state\r\n"
                    b"Content-Length: 0\r\n\r\n"
                )
            elif target == b"/html":
                await stream.send_all(await answer(target, b"<html>"))
            elif target == b"/ok":
                await stream.send_all(await answer(target, b'{"a": [1]}'))
            else:
                await stream.send_all(
                    b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope"
                )

    server = serve(script)
    async with open_http_client(connect=server.connect) as client:
        assert await client.get_json("h:1", "/ok") == {"a": [1]}
        with pytest.raises(ApiError, match="404: nope"):
            await client.get_json("h:1", "/missing")
        with pytest.raises(InvalidInputError, match="not JSON"):
            await client.get_json("h:1", "/html")
        with pytest.raises(ApiError) as caught:  # a loop of redirects ends
            await client.get_json("h:1", "/state")
        assert caught.value.status == 307
