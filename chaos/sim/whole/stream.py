"""Streams of bytes in memory, on the virtual clock: what stands for a TCP socket."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import attrs
import trio

from chaos.sim.whole.clock import VirtualClock

BUFFER_BYTES_MAX = 256 * 1024
"""Bytes on their way or unread in one direction before the sender waits."""


@attrs.define(eq=False, kw_only=True)
class SimulatedStream(trio.abc.HalfCloseableStream):
    """One end of a connection.

    Attributes:
        other: The other end.
        on_arrival: Asked when bytes arrive here; False if they must not, because the
            connection broke just then.
    """

    clock: VirtualClock
    rng: random.Random
    latency_s: tuple[float, float]
    other: SimulatedStream = attrs.field(init=False)
    on_arrival: Callable[[], bool] = attrs.field(default=lambda: True)
    _arrived: bytearray = attrs.field(factory=bytearray, init=False)
    _bytes: int = attrs.field(default=0, init=False)
    _last_due_s: float = attrs.field(default=0.0, init=False)
    _is_at_end: bool = attrs.field(default=False, init=False)
    _is_eof_sent: bool = attrs.field(default=False, init=False)
    _is_broken: bool = attrs.field(default=False, init=False)
    _is_closed: bool = attrs.field(default=False, init=False)
    _is_stalled: bool = attrs.field(default=False, init=False)
    _kept: list[Callable[[], None]] = attrs.field(factory=list, init=False)
    _changed: trio.lowlevel.ParkingLot = attrs.field(
        factory=trio.lowlevel.ParkingLot, init=False
    )

    # --- What goes wrong ------------------------------------------------------------

    def break_now(self) -> None:
        """What waits or is called from now on fails; bytes on their way are lost."""
        self._is_broken = True
        self._kept.clear()
        self._changed.unpark_all()

    def stall(self, *, is_stalled: bool) -> None:
        """Whether what comes here is kept back."""
        self._is_stalled = is_stalled
        if not is_stalled:
            kept, self._kept = self._kept, []
            for arrive in kept:
                arrive()

    # --- trio.abc.HalfCloseableStream -----------------------------------------------

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        self._check_writable()
        if not data:
            return
        await self.wait_send_all_might_not_block()
        self._check_writable()
        self.other._bytes += len(data)
        self.other._arrive_later(partial(self.other._take_in, bytes(data)))

    async def wait_send_all_might_not_block(self) -> None:
        other = self.other
        while other._bytes > BUFFER_BYTES_MAX and not (self._is_over or other._is_over):
            await other._changed.park()

    async def send_eof(self) -> None:
        self._check_writable()
        self._send_end()
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._is_closed:
            raise trio.ClosedResourceError
        if self._arrived or self._is_over or self._is_at_end:
            await trio.lowlevel.checkpoint_if_cancelled()
        while not (self._arrived or self._is_over or self._is_at_end):
            await self._changed.park()
        if self._is_closed:
            raise trio.ClosedResourceError
        if self._is_broken:
            raise trio.BrokenResourceError("the connection broke")
        count = len(self._arrived) if max_bytes is None else max_bytes
        data = bytes(self._arrived[:count])
        del self._arrived[:count]
        self._bytes -= len(data)
        self._changed.unpark_all()
        return data

    async def aclose(self) -> None:
        self.close_now()
        await trio.lowlevel.checkpoint()

    def close_now(self) -> None:
        """As ``aclose``: what was sent arrives, and its end. Idempotent."""
        if not self._is_closed:
            self._is_closed = True
            if not self._is_broken:
                self._send_end()
            self._changed.unpark_all()
            self.other._changed.unpark_all()

    # --- Within ---------------------------------------------------------------------

    @property
    def _is_over(self) -> bool:
        return self._is_closed or self._is_broken

    def _check_writable(self) -> None:
        if self._is_closed:
            raise trio.ClosedResourceError
        if self._is_broken or self.other._is_closed:
            raise trio.BrokenResourceError("the connection broke")
        if self._is_eof_sent:
            raise trio.ClosedResourceError("after send_eof")

    def _send_end(self) -> None:
        if not self._is_eof_sent:
            self._is_eof_sent = True
            self.other._arrive_later(self.other._take_end)

    def _arrive_later(self, arrive: Callable[[], None]) -> None:
        """In order, however long each takes."""
        due_s = self.clock.now_s + self.rng.uniform(*self.latency_s)
        self._last_due_s = max(self._last_due_s, due_s)
        self.clock.call_at(self._last_due_s, partial(self._arrive, arrive))

    def _arrive(self, arrive: Callable[[], None]) -> None:
        if self._is_stalled:
            self._kept.append(arrive)
        else:
            arrive()

    def _take_in(self, data: bytes) -> None:
        if not self._is_over and self.on_arrival():
            self._arrived += data
            self._changed.unpark_all()

    def _take_end(self) -> None:
        self._is_at_end = True
        self._changed.unpark_all()


def stream_pair(
    clock: VirtualClock, rng: random.Random, latency_s: tuple[float, float]
) -> tuple[SimulatedStream, SimulatedStream]:
    """The two ends of a new connection."""
    ours, theirs = (
        SimulatedStream(clock=clock, rng=rng, latency_s=latency_s) for _ in range(2)
    )
    ours.other, theirs.other = theirs, ours
    return ours, theirs
