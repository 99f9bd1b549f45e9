"""The two ends of a link in memory, and the two pipes between them."""

from __future__ import annotations

import random
from collections import deque

import attrs
import trio

from transports.errors import FrameTooLargeError, LinkClosedError

FRAME_OVERHEAD_BYTES = 16
"""Charged for each frame beside its bytes, so that empty frames are bounded too."""


@attrs.define(kw_only=True, eq=False)
class Pipe:
    """One direction of a link: frames on their way, each with the time it is due.

    Bounded in bytes; a sender waits for room. Times are never earlier than the
    one before, so order holds whatever the latencies.
    """

    rng: random.Random | None
    latency_s: tuple[float, float]
    bytes_max: int
    _frames: deque[tuple[float, bytes]] = attrs.field(factory=deque, init=False)
    _bytes: int = attrs.field(default=0, init=False)
    _last_due: float = attrs.field(default=0.0, init=False)
    _end_due: float | None = attrs.field(default=None, init=False)
    _is_read: bool = attrs.field(default=False, init=False)
    _arrivals: trio.lowlevel.ParkingLot = attrs.field(
        factory=trio.lowlevel.ParkingLot, init=False
    )
    _departures: trio.lowlevel.ParkingLot = attrs.field(
        factory=trio.lowlevel.ParkingLot, init=False
    )

    @property
    def is_ended(self) -> bool:
        """Whether no frame can be put in any more."""
        return self._end_due is not None

    def draw_latency_s(self) -> float:
        return self.rng.uniform(*self.latency_s) if self.rng else self.latency_s[0]

    async def wait_room(self, frame: bytes) -> None:
        """Return when ``frame`` may be put in, or the pipe has ended."""
        while (
            self._frames
            and not self.is_ended
            and self._bytes + len(frame) + FRAME_OVERHEAD_BYTES > self.bytes_max
        ):
            await self._departures.park()

    def put_nowait(self, frame: bytes) -> None:
        self._frames.append((self._due(), frame))
        self._bytes += len(frame) + FRAME_OVERHEAD_BYTES
        self._arrivals.unpark_all()

    def end(self) -> None:
        """No more frames; those on their way still arrive, and the end after them."""
        if self._end_due is None:
            self._end_due = self._due()
            self._wake_all()

    def cut(self) -> None:
        """No more frames, and those on their way are lost."""
        self._frames.clear()
        self._bytes = 0
        self._end_due = trio.current_time()
        self._wake_all()

    async def wait_due(self) -> bool:
        """Return when a frame is due (True) or the pipe is at its end (False).

        Always a checkpoint. One task at a time.
        """
        if self._is_read:
            raise trio.BusyResourceError("another task is receiving from this link")
        self._is_read = True
        try:
            await trio.lowlevel.checkpoint()
            while True:
                due = self._frames[0][0] if self._frames else self._end_due
                if due is None:
                    await self._arrivals.park()
                elif due <= trio.current_time():
                    return bool(self._frames)
                else:
                    with trio.move_on_at(due):
                        await self._arrivals.park()
        finally:
            self._is_read = False

    def take_nowait(self, *, frame_bytes_max: int, only_first: bool) -> list[bytes]:
        """The frames that are due, at least one; or the first of them only.

        Stops before a frame over ``frame_bytes_max``; raises FrameTooLargeError if
        that is the first.
        """
        now = trio.current_time()
        taken: list[bytes] = []
        while self._frames and self._frames[0][0] <= now:
            frame = self._frames[0][1]
            if len(frame) > frame_bytes_max:
                if not taken:
                    raise FrameTooLargeError(
                        f"the peer sent a frame of {len(frame)} bytes; "
                        f"the limit is {frame_bytes_max}"
                    )
                break
            self._frames.popleft()
            self._bytes -= len(frame) + FRAME_OVERHEAD_BYTES
            taken.append(frame)
            if only_first:
                break
        self._departures.unpark_all()
        return taken

    def _due(self) -> float:
        self._last_due = max(
            self._last_due, trio.current_time() + self.draw_latency_s()
        )
        return self._last_due

    def _wake_all(self) -> None:
        self._arrivals.unpark_all()
        self._departures.unpark_all()


@attrs.define(kw_only=True, eq=False)
class MemoryLink:
    """One end of a link: a :class:`transports.interface.Link`.

    ``local`` is our own address on this link, as the peer sees it; ``nodes`` are
    the dialler's and the listener's names.
    """

    peer: str
    local: str
    nodes: tuple[str, str]
    frame_bytes_max: int
    _incoming: Pipe
    _outgoing: Pipe
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _is_closed: bool = attrs.field(default=False, init=False)

    async def send(self, frame: bytes) -> None:
        await self.send_many([frame])

    async def send_many(self, frames: list[bytes]) -> None:
        self._check_open()
        longest = max(map(len, frames), default=0)
        if longest > self.frame_bytes_max:
            self._close()
            raise FrameTooLargeError(
                f"a frame of {longest} bytes is over the limit of "
                f"{self.frame_bytes_max}"
            )
        async with self._turn:
            for frame in frames:
                await self._outgoing.wait_room(frame)
                self._check_open()
                if self._outgoing.is_ended:
                    self._close()
                    raise LinkClosedError(f"{self.peer} closed the link")
                self._outgoing.put_nowait(frame)

    async def receive(self) -> bytes:
        return (await self._receive(only_first=True))[0]

    async def receive_many(self) -> list[bytes]:
        return await self._receive(only_first=False)

    async def aclose(self) -> None:
        self._close()
        await trio.lowlevel.checkpoint()

    def break_now(self) -> bool:
        """Break both ends, frames on their way are lost; False if it was closed."""
        was_open = not (self._incoming.is_ended and self._outgoing.is_ended)
        self._incoming.cut()
        self._outgoing.cut()
        return was_open

    async def _receive(self, *, only_first: bool) -> list[bytes]:
        self._check_open()
        has_frame = await self._incoming.wait_due()
        self._check_open()
        if not has_frame:
            self._close()
            raise LinkClosedError(f"{self.peer} closed the link")
        try:
            return self._incoming.take_nowait(
                frame_bytes_max=self.frame_bytes_max, only_first=only_first
            )
        except FrameTooLargeError:
            self._close()
            raise

    def _check_open(self) -> None:
        if self._is_closed:
            raise LinkClosedError(f"the link with {self.peer} is closed")

    def _close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._outgoing.end()
            self._incoming.cut()
