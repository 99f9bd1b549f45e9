"""One keep-alive connection with many requests in flight (pipelining).

HTTP/1.1 answers come in the order of the requests, so a queue of waiting
exchanges is all the bookkeeping there is. Requests posted while the writer task
is busy leave together in one ``send_all``: at a thousand calls a second the
system calls, not the calls, are what costs.
"""

from __future__ import annotations

from collections import deque

import attrs
import trio

from raftleader.errors import (
    InvalidInputError,
    OutcomeUnknownError,
    OverloadedError,
    RaftLeaderError,
    UnavailableError,
)
from raftleader.framework.http_answers import Answer, AnswerParser
from raftleader.limits import PIPELINED_REQUESTS_MAX

READ_BYTES = 64 * 1024


@attrs.define(eq=False)
class Exchange:
    """A request on its way and, later, its answer."""

    connection: HttpConnection
    data: bytes
    is_sent: bool = False
    answer: Answer | None = None
    problem: RaftLeaderError | None = None
    done: trio.Event = attrs.field(factory=trio.Event)

    @property
    def may_be_done(self) -> bool:
        """It was sent, and nothing says that it was not taken."""
        return self.is_sent and (self.problem is None or not self.problem.definite)

    async def wait(self, timeout_s: float) -> Answer:
        """The answer.

        Raises OutcomeUnknownError if the request may have been sent and no
        answer came within ``timeout_s`` (the connection is then given up: what
        comes later on it cannot be trusted to be timely), UnavailableError if it
        was certainly not sent. Cancelled before it was sent, it never is.
        """
        try:
            with trio.move_on_after(timeout_s):
                await self.done.wait()
        except trio.Cancelled:
            self.connection.withdraw(self)
            raise
        if self.answer is not None:
            return self.answer
        if self.problem is None:
            self.connection.give_up(f"no answer within {timeout_s:g} s")
        assert self.problem is not None
        raise self.problem


class HttpConnection:
    """A connection to ``address``; ``run`` moves its bytes until it breaks."""

    def __init__(self, stream: trio.abc.Stream, address: str) -> None:
        self.address = address
        self.problem: str | None = None
        self._stream = stream
        self._waiting: deque[Exchange] = deque()
        self._outgoing: list[Exchange] = []
        self._wake = trio.Event()
        self._room = trio.Semaphore(PIPELINED_REQUESTS_MAX)
        self._scope = trio.CancelScope()

    @property
    def is_broken(self) -> bool:
        """Whether every further request would fail."""
        return self.problem is not None

    def post_nowait(self, data: bytes) -> Exchange:
        """Queue a whole request. Raises UnavailableError or OverloadedError."""
        self._check()
        try:
            self._room.acquire_nowait()
        except trio.WouldBlock:
            raise OverloadedError(
                f"{PIPELINED_REQUESTS_MAX} requests wait for {self.address}"
            ) from None
        return self._post(data)

    async def post(self, data: bytes) -> Exchange:
        """Like post_nowait, but waits for room in the pipeline."""
        self._check()
        try:
            self._room.acquire_nowait()
        except trio.WouldBlock:
            await self._room.acquire()
            if self.is_broken:
                self._room.release()
                self._check()
        return self._post(data)

    def _check(self) -> None:
        if self.problem is not None:
            raise UnavailableError(f"{self.address}: {self.problem}")

    def _post(self, data: bytes) -> Exchange:
        exchange = Exchange(self, data)
        self._waiting.append(exchange)
        self._outgoing.append(exchange)
        self._wake.set()
        return exchange

    def withdraw(self, exchange: Exchange) -> None:
        """Nobody waits any more: a request that has not left never leaves."""
        if not exchange.is_sent and not exchange.done.is_set() and not self.is_broken:
            self._outgoing.remove(exchange)
            self._waiting.remove(exchange)
            self._room.release()

    def give_up(self, problem: str) -> None:
        """Close; every waiting request fails. Idempotent."""
        if self.problem is not None:
            return
        self.problem = problem
        self._scope.cancel()
        self._outgoing.clear()
        while self._waiting:
            exchange = self._waiting.popleft()
            kind = OutcomeUnknownError if exchange.is_sent else UnavailableError
            exchange.problem = kind(f"{self.address}: {problem}")
            exchange.done.set()
            self._room.release()

    async def run(self) -> None:
        """Send and receive until the connection ends, for whatever reason."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._read)
        finally:
            self.give_up("the connection was closed")
            await trio.aclose_forcefully(self._stream)

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            batch, self._outgoing = self._outgoing, []
            for exchange in batch:
                exchange.is_sent = True
            try:
                await self._stream.send_all(b"".join([e.data for e in batch]))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self.give_up("the connection broke")
                return

    async def _read(self) -> None:
        parser = AnswerParser(gather=True)
        while True:
            try:
                data = await self._stream.receive_some(READ_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self.give_up("the connection broke")
                return
            if not data:
                self.give_up("the server closed the connection")
                return
            try:
                parser.feed(data)
                self._deliver(parser)
            except InvalidInputError as error:
                self.give_up(f"the server sent something else than HTTP: {error}")
                return

    def _deliver(self, parser: AnswerParser) -> None:
        for answer in parser.finished:
            if not self._waiting or not self._waiting[0].is_sent:
                raise InvalidInputError("answer", "nobody asked for it")
            exchange = self._waiting.popleft()
            exchange.answer = answer
            exchange.done.set()
            self._room.release()
        if parser.finished and not parser.keeps_alive:
            self.give_up("the server closed the connection")
        parser.finished.clear()
