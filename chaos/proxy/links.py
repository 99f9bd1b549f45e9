"""One direction of a connection, and the toxics on it, which come and go meanwhile.

    source - Reader - Stage - Stage - Writer - dest      with toxics, in their order
    source ---------------- Pump ------------- dest      without

A change interrupts the pieces beside it, rewires them and starts them again. As in
the real one that gives the last toxic a new draw and a new start when another comes
behind it. No byte is lost or moved by a change, but for those a toxic drops.

When the source ends, or a toxic closes its stage, the end runs through all that comes
after it, and the destination is closed for both directions; a half-closed connection
does not exist here. The connection's other link sees that as the end of its source.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import attrs
import trio

from chaos.proxy.pieces import Feeding, Pump, Reader, Stage, Writer
from chaos.proxy.pipes import Pipe
from chaos.proxy.toxics import Toxic
from raftleader.httpd.sockets import SocketStream


@attrs.define
class Counted:
    """Bytes of one link."""

    received: int = 0
    sent: int = 0

    def count_in(self, size: int) -> None:
        self.received += size

    def count_out(self, size: int) -> None:
        self.sent += size


class Link:
    """From ``source`` to ``dest``. Run it once; change it by one task at a time."""

    def __init__(
        self,
        source: SocketStream,
        dest: SocketStream,
        *,
        direction: str,
        toxics: Sequence[Toxic],
        rng: random.Random,
    ) -> None:
        self.direction = direction
        self.counted = Counted()
        self._source = source
        self._dest = dest
        self._first_toxics = list(toxics)
        self._rng = rng
        self._over = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._pump: Pump | None = None
        self._reader: Reader | None = None
        self._stages: dict[Toxic, Stage] = {}
        self._writer: Writer | None = None

    async def run(self) -> None:
        """Until the end has run through. Closes ``dest``, but not ``source``."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                try:
                    if self._first_toxics:
                        self._begin_staged(self._first_toxics, unsent=b"")
                    else:
                        self._begin_pump(b"")
                    await self._over.wait()
                finally:
                    nursery.cancel_scope.cancel()
        finally:
            close_now(self._dest)

    @property
    def toxics(self) -> tuple[Toxic, ...]:
        """On it now, in their order."""
        return tuple(self._stages)

    async def add(self, toxic: Toxic) -> None:
        """Behind all others. Nothing, if the link is ending."""
        if self._nursery is None:
            self._first_toxics.append(toxic)
            return
        if self._is_over:
            return
        if self._pump is not None:
            if await self._pump.interrupt():
                unsent = bytes(self._pump.unsent)
                self._pump = None
                self._begin_staged((toxic,), unsent=unsent)
            return
        last = self._last_feeding()
        if await last.interrupt():
            stage = self._stage(toxic, outbox=last.outbox)
            last.outbox = stage.inbox
            stage.start()
            last.start()

    async def update(self, toxic: Toxic) -> None:
        """Its numbers have changed."""
        stage = self._stages.get(toxic)
        if stage is not None and await stage.interrupt():
            stage.start()

    async def remove(self, toxic: Toxic) -> None:
        """What it holds goes on at once; or the link ends, if it is of that kind."""
        if self._nursery is None:
            self._first_toxics.remove(toxic)
            return
        stage = self._stages.get(toxic)
        if stage is None or self._is_over or not await stage.interrupt():
            return
        if toxic.ends_connections:
            stage.close()
            return
        before = self._before(toxic)
        if not await before.interrupt():
            # Its end is in the pipe already. The stage stays, and does nothing.
            stage.kind = None
            stage.start()
            return
        del self._stages[toxic]
        left = [*stage.held, *stage.inbox.get_nowait()]
        before.held.extendleft(reversed(left))
        before.outbox = stage.outbox
        if not self._stages and await self._back_to_pump():
            return
        before.start()

    @property
    def _is_over(self) -> bool:
        assert self._nursery is not None
        return self._nursery.cancel_scope.cancel_called

    def _begin_pump(self, unsent: bytes) -> None:
        assert self._nursery is not None
        self._pump = Pump(
            self._nursery,
            self._source,
            self._dest,
            unsent=unsent,
            count_in=self.counted.count_in,
            count_out=self.counted.count_out,
            on_end=self._over.set,
        )
        self._pump.start()

    def _begin_staged(self, toxics: Sequence[Toxic], *, unsent: bytes) -> None:
        assert self._nursery is not None
        last = Pipe(1)
        self._writer = Writer(
            self._nursery,
            last,
            self._dest,
            unsent=unsent,
            count=self.counted.count_out,
            on_end=self._over.set,
        )
        self._reader = Reader(self._nursery, self._source, last, self.counted.count_in)
        before: Feeding = self._reader
        for toxic in toxics:
            stage = self._stage(toxic, outbox=last)
            before.outbox = stage.inbox
            before = stage
        for piece in (self._writer, *self._stages.values(), self._reader):
            piece.start()

    def _stage(self, toxic: Toxic, *, outbox: Pipe) -> Stage:
        assert self._nursery is not None
        stage = self._stages[toxic] = Stage(
            self._nursery,
            toxic,
            inbox=Pipe(toxic.chunks_max),
            outbox=outbox,
            rng=self._rng,
        )
        return stage

    def _last_feeding(self) -> Feeding:
        assert self._reader is not None
        return list(self._stages.values())[-1] if self._stages else self._reader

    def _before(self, toxic: Toxic) -> Feeding:
        assert self._reader is not None
        before: Feeding = self._reader
        for other, stage in self._stages.items():
            if other is toxic:
                break
            before = stage
        return before

    async def _back_to_pump(self) -> bool:
        """With no toxic left, and a reader that stands: one task is enough."""
        assert self._reader is not None
        assert self._writer is not None
        if not await self._writer.interrupt():
            return False
        waiting = [*self._writer.inbox.get_nowait(), *self._reader.held]
        unsent = b"".join(
            [bytes(self._writer.unsent), *(chunk.data for chunk in waiting)]
        )
        self.counted.count_out(sum(len(chunk.data) for chunk in waiting))
        self._reader = self._writer = None
        self._begin_pump(unsent)
        return True


def close_now(stream: SocketStream) -> None:
    """Close the socket; whoever waits on it is told. Idempotent."""
    if stream.socket.fileno() >= 0:
        trio.lowlevel.notify_closing(stream.socket)
        stream.socket.close()
