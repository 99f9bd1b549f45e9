"""A small HTTP/1.1 client: pipelined calls, and streams that last.

Written because a scheduler has two needs no general client serves well: many
small calls in flight on one connection, and knowing of each failed call whether
it may have happened (OutcomeUnknownError) or certainly did not
(UnavailableError).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio

from raftleader.errors import (
    ApiError,
    InvalidInputError,
    OutcomeUnknownError,
    UnavailableError,
)
from raftleader.framework.addresses import address_of_location, parse_address
from raftleader.framework.http_answers import ANSWER_BYTES_MAX, Answer, AnswerParser
from raftleader.framework.http_connection import READ_BYTES, HttpConnection
from raftleader.framework.nursery import PlainNursery, open_plain_nursery

Connect = Callable[[str, int], Awaitable[trio.abc.Stream]]
Headers = Sequence[tuple[str, str]]

CONNECT_TIMEOUT_S = 2.0
"""A host of the same site answers in milliseconds, or is not there."""
ANSWER_TIMEOUT_S = 10.0
"""Twice CALL_TIMEOUT_S, within which a server answers or refuses."""
REDIRECTS_MAX = 5
"""Hops that ``get_json`` follows."""


async def connect_tcp(host: str, port: int) -> trio.abc.Stream:
    """The usual way to a server."""
    return await trio.open_tcp_stream(host, port)


def encode_request(
    address: str, method: str, target: str, headers: Headers = (), body: bytes = b""
) -> bytes:
    """A request as bytes, with ``Host`` and ``Content-Length``."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    length = f"Content-Length: {len(body)}\r\n" if body or method != "GET" else ""
    head = f"{method} {target} HTTP/1.1\r\nHost: {address}\r\n{lines}{length}\r\n"
    return head.encode("latin-1") + body


class AnswerStream:
    """An answer that is read while it comes. Made by ``HttpClient.stream``."""

    def __init__(self, stream: trio.abc.Stream, address: str) -> None:
        self.address = address
        self._stream = stream
        self._parser = AnswerParser(gather=False)

    @property
    def status(self) -> int:
        assert self._parser.head is not None
        return self._parser.head.status

    @property
    def headers(self) -> dict[str, str]:
        assert self._parser.head is not None
        return dict(self._parser.head.headers)

    async def read_head(self) -> None:
        """Wait for status and headers. Raises OutcomeUnknownError."""
        while self._parser.head is None:
            if not await self._feed():
                raise OutcomeUnknownError(f"{self.address}: closed without an answer")

    async def receive(self) -> bytes:
        """The next bytes of the body; empty once it has ended properly.

        Raises OutcomeUnknownError when the connection breaks or closes early.
        """
        while not self._parser.chunks:
            if self._parser.is_complete:
                return b""
            if not await self._feed():
                if "content-length" in self.headers or "chunked" in self.headers.get(
                    "transfer-encoding", ""
                ):
                    raise OutcomeUnknownError(f"{self.address}: closed too early")
                return b""
        data = b"".join(self._parser.chunks)
        self._parser.chunks.clear()
        return data

    async def read_all(self, *, bytes_max: int = ANSWER_BYTES_MAX) -> Answer:
        """The rest as one answer. Raises InvalidInputError if it is too long."""
        parts: list[bytes] = []
        size = 0
        async for data in self:
            parts.append(data)
            size += len(data)
            if size > bytes_max:
                raise InvalidInputError("answer", f"body exceeds {bytes_max} bytes")
        return Answer(status=self.status, headers=self.headers, body=b"".join(parts))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self.receive():
            yield data

    async def _feed(self) -> bool:
        try:
            data = await self._stream.receive_some(READ_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise OutcomeUnknownError(
                f"{self.address}: the connection broke"
            ) from error
        if data:
            self._parser.feed(data)
        return bool(data)


class HttpClient:
    """Keeps one pipelined connection to each address. See ``open_http_client``."""

    def __init__(
        self,
        nursery: PlainNursery,
        *,
        connect: Connect = connect_tcp,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self.answer_timeout_s = answer_timeout_s
        self._nursery = nursery
        self._connect = connect
        self._connect_timeout_s = connect_timeout_s
        self._connections: dict[str, HttpConnection] = {}
        self._opening: dict[str, trio.Lock] = {}

    async def connection(self, address: str) -> HttpConnection:
        """The connection to ``address``, opened if need be.

        Raises UnavailableError, or InvalidInputError for a malformed address.
        """
        connection = self._connections.get(address)
        if connection is not None and not connection.is_broken:
            return connection
        async with self._opening.setdefault(address, trio.Lock()):
            connection = self._connections.get(address)
            if connection is None or connection.is_broken:
                connection = HttpConnection(await self._dial(address), address)
                self._connections[address] = connection
                self._nursery.start_soon(self._run, connection)
            return connection

    def drop(self, address: str, reason: str) -> None:
        """Close the connection to ``address``: what waits on it fails now."""
        connection = self._connections.get(address)
        if connection is not None:
            connection.give_up(reason)

    async def _run(self, connection: HttpConnection) -> None:
        await connection.run()
        if self._connections.get(connection.address) is connection:
            del self._connections[connection.address]

    async def request(
        self,
        address: str,
        method: str,
        target: str,
        *,
        headers: Headers = (),
        body: bytes = b"",
        timeout_s: float | None = None,
    ) -> Answer:
        """Send one request and wait for its answer, whatever its status.

        Raises UnavailableError if it was certainly not sent, OutcomeUnknownError
        if it may have been. ``timeout_s`` is for the answer alone.
        """
        data = encode_request(address, method, target, headers, body)
        connection = await self.connection(address)
        exchange = await connection.post(data)
        return await exchange.wait(
            self.answer_timeout_s if timeout_s is None else timeout_s
        )

    async def get_json(self, address: str, target: str) -> Any:
        """GET a JSON document, following redirects to the leader.

        Raises ApiError for any other status than 200, and like ``request``.
        """
        for _ in range(REDIRECTS_MAX + 1):
            answer = await self.request(address, "GET", target)
            location = address_of_location(answer.headers.get("location"))
            if answer.status not in (301, 302, 307, 308) or location is None:
                break
            address = location
        if answer.status != 200:
            raise ApiError(answer.status, answer.text)
        try:
            return json.loads(answer.body)
        except ValueError as error:
            raise InvalidInputError("answer", f"is not JSON: {error}") from error

    @asynccontextmanager
    async def stream(
        self,
        address: str,
        method: str,
        target: str,
        *,
        headers: Headers = (),
        body: bytes = b"",
        timeout_s: float | None = None,
    ) -> AsyncIterator[AnswerStream]:
        """A request on a connection of its own; its answer is read as it comes.

        Entering waits for the head, at most ``timeout_s``; raises like
        ``request``. Leaving closes the connection at once.
        """
        timeout_s = self.answer_timeout_s if timeout_s is None else timeout_s
        stream = await self._dial(address)
        try:
            answer = AnswerStream(stream, address)
            try:
                with trio.fail_after(timeout_s):
                    await stream.send_all(
                        encode_request(address, method, target, headers, body)
                    )
                    await answer.read_head()
            except trio.TooSlowError:
                raise OutcomeUnknownError(
                    f"{address}: no answer within {timeout_s:g} s"
                ) from None
            except (trio.BrokenResourceError, InvalidInputError) as error:
                raise OutcomeUnknownError(f"{address}: {error}") from error
            yield answer
        finally:
            await trio.aclose_forcefully(stream)

    async def _dial(self, address: str) -> trio.abc.Stream:
        host, port = parse_address(address)
        try:
            with trio.fail_after(self._connect_timeout_s):
                return await self._connect(host, port)
        except trio.TooSlowError:
            raise UnavailableError(
                f"{address}: no connection within {self._connect_timeout_s:g} s"
            ) from None
        except OSError as error:
            raise UnavailableError(f"{address}: {error}") from error


@asynccontextmanager
async def open_http_client(
    *,
    connect: Connect = connect_tcp,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    answer_timeout_s: float = ANSWER_TIMEOUT_S,
) -> AsyncIterator[HttpClient]:
    """A client for the body of an ``async with``; its connections end with it.

    An exception of the body comes out as it is, not as a group.
    """
    async with open_plain_nursery() as nursery:
        yield HttpClient(
            nursery,
            connect=connect,
            connect_timeout_s=connect_timeout_s,
            answer_timeout_s=answer_timeout_s,
        )
        nursery.cancel()
