"""A request whose body is sent while it comes about, and then its answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from raftleader.errors import OutcomeUnknownError, UnavailableError
from raftleader.framework.addresses import parse_address
from raftleader.framework.http_answers import Answer
from raftleader.framework.http_client import (
    CONNECT_TIMEOUT_S,
    AnswerStream,
    Headers,
    connect_tcp,
)


class StreamedRequest:
    """A request that has begun. Made by ``open_streamed_request``.

    Both methods that send raise OutcomeUnknownError when the server is gone, or has
    answered and closed before it had everything; ``read_answer`` then tells.
    """

    def __init__(self, stream: trio.abc.Stream, address: str) -> None:
        self._stream = stream
        self._address = address

    async def send(self, data: bytes) -> None:
        """Send a piece of the body, which must not be empty (asserted)."""
        assert data, "an empty chunk would end the body"
        await self._send(b"%x\r\n%b\r\n" % (len(data), data))

    async def finish(self) -> None:
        """Nothing more comes."""
        await self._send(b"0\r\n\r\n")

    async def read_answer(self) -> Answer:
        """Wait for the answer. Raises OutcomeUnknownError."""
        answer = AnswerStream(self._stream, self._address)
        await answer.read_head()
        return await answer.read_all()

    async def _send(self, data: bytes) -> None:
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise OutcomeUnknownError(
                f"{self._address}: the connection broke"
            ) from error


@asynccontextmanager
async def open_streamed_request(
    address: str, target: str, headers: Headers
) -> AsyncIterator[StreamedRequest]:
    """POST to ``target``, on a connection of its own; leaving closes it.

    Raises UnavailableError if there is no connection.
    """
    host, port = parse_address(address)
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    head = (
        f"POST {target} HTTP/1.1\r\nHost: {address}\r\n{lines}"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    try:
        with trio.fail_after(CONNECT_TIMEOUT_S):
            stream = await connect_tcp(host, port)
    except (OSError, trio.TooSlowError) as error:
        raise UnavailableError(f"{address}: no connection ({error})") from error
    try:
        request = StreamedRequest(stream, address)
        await request._send(head.encode("latin-1"))
        yield request
    finally:
        await trio.aclose_forcefully(stream)
