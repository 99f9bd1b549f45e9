"""The pieces of a link: tasks that can be stopped between two chunks, rewired, and
started again, and lose nothing by it."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Protocol

import trio

from chaos.proxy.pipes import CHUNK_BYTES_MAX, Chunk, Pipe
from raftleader.httpd.sockets import SocketStream

PUMP_BYTES_MAX = 256 * 1024
"""One read, where no toxic looks at it."""

BROKEN = (trio.BrokenResourceError, trio.ClosedResourceError)


class Piece:
    """A task that does ``_work`` until it is interrupted, or its end is reached.

    Attributes:
        held: Taken in and not yet passed on. Goes first when it is started again.
        is_closed: It has reached its end and cannot be started any more.
    """

    def __init__(self, nursery: trio.Nursery) -> None:
        self.held: deque[Chunk] = deque()
        self.is_closed = False
        self._nursery = nursery
        self._scope = trio.CancelScope()
        self._stopped = trio.Event()

    def start(self) -> None:
        """Begin, or go on; nothing, when the link is over."""
        if self._nursery.cancel_scope.cancel_called:
            return
        self._scope, self._stopped = trio.CancelScope(), trio.Event()
        self._nursery.start_soon(self._run, self._scope, self._stopped)

    async def interrupt(self) -> bool:
        """Stop it, between two chunks; False if it is closed."""
        self._scope.cancel()
        await self._stopped.wait()
        return not self.is_closed

    async def _run(self, scope: trio.CancelScope, stopped: trio.Event) -> None:
        try:
            with scope:
                await self._work()
        finally:
            stopped.set()

    async def _work(self) -> None:
        raise NotImplementedError


class Feeding(Piece):
    """A piece that puts into a pipe; it may be given another one while it stands.

    Attributes:
        passed: Bytes that went on.
    """

    def __init__(self, nursery: trio.Nursery, outbox: Pipe) -> None:
        super().__init__(nursery)
        self.outbox = outbox
        self.passed = 0

    async def pass_on(self, size: int | None = None) -> None:
        """What is held goes on; with ``size``, so many bytes of the first chunk."""
        while self.held:
            chunk = rest = self.held[0]
            if size is not None:
                rest = Chunk(chunk.data[size:], chunk.read_at)
                chunk = Chunk(chunk.data[:size], chunk.read_at)
            await self.outbox.put(chunk)
            self.passed += len(chunk.data)
            if size is not None:
                self.held[0] = rest
                return
            self.held.popleft()

    def close(self) -> None:
        """What comes after it is told that this was all. Idempotent."""
        self.is_closed = True
        self.outbox.end()


class Reader(Feeding):
    """From a connection into the first pipe. ``count`` is told how many bytes."""

    def __init__(
        self,
        nursery: trio.Nursery,
        source: SocketStream,
        outbox: Pipe,
        count: Callable[[int], None],
    ) -> None:
        super().__init__(nursery, outbox)
        self._source = source
        self._count = count

    async def _work(self) -> None:
        await self.pass_on()
        try:
            while data := await self._source.receive_some(CHUNK_BYTES_MAX):
                self._count(len(data))
                self.held.append(Chunk(data, trio.current_time()))
                await self.pass_on()
        except BROKEN:
            pass  # An end like any other: that is how the real one takes it.
        self.close()


class Behaviour(Protocol):
    """A kind of toxic, with its numbers."""

    async def __call__(self, stage: Stage) -> None:
        """Take chunks of ``stage`` and pass them on, or not; for ever, or until it has
        closed it. Cancelled when the toxic is changed."""


class Kind(Protocol):
    """The toxic of a stage, as far as the stage must know it."""

    @property
    def toxicity(self) -> float: ...
    @property
    def behaviour(self) -> Behaviour: ...


class Stage(Feeding):
    """Where one toxic acts on one link.

    Attributes:
        is_doomed: It is about to close, and nothing can change that.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        kind: Kind,
        *,
        inbox: Pipe,
        outbox: Pipe,
        rng: random.Random,
    ) -> None:
        super().__init__(nursery, outbox)
        self.kind: Kind | None = kind
        self.inbox = inbox
        self.is_doomed = False
        self._rng = rng

    @property
    def rng(self) -> random.Random:
        return self._rng

    async def interrupt(self) -> bool:
        """See ``Piece``. Waits for the end of a stage that is doomed."""
        if self.is_doomed:
            await self._stopped.wait()
            return False
        return await super().interrupt()

    async def take(self) -> Chunk | None:
        """Hold the next chunk; None at the end."""
        chunk = await self.inbox.get()
        if chunk is not None:
            self.held.append(chunk)
        return chunk

    def drop(self) -> None:
        """Lose what is held."""
        self.held.clear()

    async def _work(self) -> None:
        await self.pass_on()
        is_hit = self.kind is not None and self._rng.random() < self.kind.toxicity
        if self.kind is not None and is_hit:
            await self.kind.behaviour(self)
        else:
            await let_through(self)


async def let_through(stage: Stage) -> None:
    """The behaviour that does nothing."""
    while await stage.take() is not None:
        await stage.pass_on()
    stage.close()


class Sending(Piece):
    """A piece that writes to a connection, and closes it at the end.

    Attributes:
        unsent: Goes first when it is started again.
    """

    def __init__(
        self, nursery: trio.Nursery, dest: SocketStream, unsent: bytes
    ) -> None:
        super().__init__(nursery)
        self.unsent = memoryview(unsent)
        self._dest = dest

    async def _send(self, data: bytes) -> None:
        self.unsent = memoryview(data)
        await self._send_rest()

    async def _send_rest(self) -> None:
        while self.unsent:
            sent = self._dest.send_nowait(self.unsent)
            self.unsent = self.unsent[sent:]
            if self.unsent:
                await self._dest.wait_send_all_might_not_block()


class Writer(Sending):
    """From the last pipe into a connection."""

    def __init__(
        self,
        nursery: trio.Nursery,
        inbox: Pipe,
        dest: SocketStream,
        *,
        unsent: bytes,
        count: Callable[[int], None],
        on_end: Callable[[], None],
    ) -> None:
        super().__init__(nursery, dest, unsent)
        self.inbox = inbox
        self._count = count
        self._on_end = on_end

    async def _work(self) -> None:
        try:
            await self._send_rest()
            while (chunk := await self.inbox.get()) is not None:
                self._count(len(chunk.data))
                await self._send(chunk.data)
        except BROKEN:
            pass
        self.is_closed = True
        self._on_end()


class Pump(Sending):
    """From connection to connection: a link without toxics is this alone."""

    def __init__(
        self,
        nursery: trio.Nursery,
        source: SocketStream,
        dest: SocketStream,
        *,
        unsent: bytes,
        count_in: Callable[[int], None],
        count_out: Callable[[int], None],
        on_end: Callable[[], None],
    ) -> None:
        super().__init__(nursery, dest, unsent)
        self._source = source
        self._count_in = count_in
        self._count_out = count_out
        self._on_end = on_end

    async def _work(self) -> None:
        try:
            await self._send_rest()
            while data := await self._source.receive_some(PUMP_BYTES_MAX):
                self._count_in(len(data))
                self._count_out(len(data))
                await self._send(data)
        except BROKEN:
            pass
        self.is_closed = True
        self._on_end()
