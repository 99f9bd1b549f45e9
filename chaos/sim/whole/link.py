"""The two ends of a simulated link, and the two directions between them.

A frame is on its way from when it is sent until the clock calls its delivery. What a
link suffers is looked up when the plan of faults changes, not for each frame.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

import attrs
import trio

from chaos.sim.whole.clock import VirtualClock
from transports.errors import FrameTooLargeError, LinkClosedError
from transports.fault_plan import NO_FAULT, Fault

FRAME_OVERHEAD_BYTES = 16
"""Charged for each frame beside its bytes, so that empty frames are bounded too."""


class Delivered(Protocol):
    """Told of all frames that reach the other side, and of those that are lost."""

    def __call__(self, source: str, target: str, frames: list[bytes]) -> None: ...


@attrs.define(eq=False, kw_only=True)
class Direction:
    """One direction of a link.

    Attributes:
        fault: What happens to frames now; set when the plan changes.
        twice_probability: Chance of what is sent at once to arrive twice. That is
            more than a transport may do; members of a Raft group must bear it.
        sent: Set when the next frames are put in.
        is_over: No frame can be put in any more.
        is_at_end: And none will come out any more, but those in ``arrived``.
    """

    source: str
    target: str
    clock: VirtualClock
    rng: random.Random
    latency_s: tuple[float, float]
    bytes_max: int
    delivered: Delivered
    lost: Callable[[int], object]
    repeated: Callable[[int], object]
    fault: Fault = NO_FAULT
    twice_probability: float = 0.0
    is_over: bool = False
    is_at_end: bool = False
    arrived: deque[bytes] = attrs.field(factory=deque)
    sent: trio.Event | None = None
    _bytes: int = 0
    _last_due_s: float = 0.0
    _in_flight: int = 0
    _batches: int = 0
    _held_until_s: float = -1.0
    _is_vanished: bool = False
    _kept: list[Callable[[], None]] = attrs.field(factory=list)
    _reader: trio.lowlevel.Task | None = None
    _room: trio.lowlevel.ParkingLot | None = None

    def draw_latency_s(self) -> float:
        latency_s = self.rng.uniform(*self.latency_s)
        least, greatest = self.fault.delay_s
        return latency_s + self.rng.uniform(least, greatest) if greatest else latency_s

    async def wait_room(self, size: int) -> None:
        """Return when so many bytes may be put in, or the direction is over."""
        while self._bytes and self._bytes + size > self.bytes_max and not self.is_over:
            if self._room is None:
                self._room = trio.lowlevel.ParkingLot()
            await self._room.park()

    def put(self, frames: list[bytes]) -> None:
        """Send them off together; some may never arrive."""
        fault = self.fault
        if fault.is_silent or fault.drop_probability:
            kept = [frame for frame in frames if not self._is_dropped(fault)]
            self.lost(len(frames) - len(kept))
            frames = kept
        if not frames:
            return
        times = 1
        if self.twice_probability and self._batches:  # never what introduces a link
            times += self.rng.random() < self.twice_probability
        self._batches += 1
        for _ in range(times):
            self._bytes += sum(map(len, frames)) + FRAME_OVERHEAD_BYTES * len(frames)
            self._in_flight += len(frames)
            self.clock.call_at(self._due_s(), partial(self._deliver, frames))
        if times > 1:
            self.repeated(len(frames))
        if self.sent is not None:
            self.sent.set()
            self.sent = None

    def end(self) -> None:
        """No more frames; those on their way still arrive, and the end after them."""
        if not self.is_over:
            self.is_over = True
            self._wake_writers()
            self.clock.call_at(self._due_s(), self._arrive_at_end)

    def cut(self) -> None:
        """No more frames, and those on their way are lost."""
        self.is_over = self.is_at_end = True
        self.arrived.clear()
        self._kept.clear()
        self._wake_writers()
        self._wake_reader()

    def vanish(self) -> None:
        """The sender lost its power: frames on their way are lost, and no end comes.

        The receiver waits until it loses its patience."""
        self.is_over = True
        self._is_vanished = True
        self._kept.clear()

    def hold_back(self, seconds: float) -> int:
        """What is on its way arrives so much later, in order; says how many frames."""
        self._held_until_s = self.clock.now_s + seconds
        self.clock.call_at(self._held_until_s, self._release)
        return self._in_flight

    def suffer(self, fault: Fault) -> None:
        """From now on this happens to frames."""
        self.fault = fault
        self._release()

    def _release(self) -> None:
        if not self._is_kept_back:
            kept, self._kept = self._kept, []
            for arrive in kept:
                arrive()

    @property
    def _is_kept_back(self) -> bool:
        return self.fault.is_stalled or self.clock.now_s < self._held_until_s

    async def wait_arrived(self) -> None:
        """Return when a frame has arrived or the end is reached; a checkpoint."""
        if self._reader is not None:
            raise trio.BusyResourceError("another task is receiving from this link")
        if self.arrived or self.is_at_end:
            await trio.lowlevel.checkpoint_if_cancelled()

        def abort(_: object) -> trio.lowlevel.Abort:
            self._reader = None
            return trio.lowlevel.Abort.SUCCEEDED

        while not self.arrived and not self.is_at_end:
            self._reader = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(abort)

    def take(self, count: int) -> list[bytes]:
        """The first ``count`` frames that arrived."""
        frames = [self.arrived.popleft() for _ in range(count)]
        self._bytes -= sum(map(len, frames)) + FRAME_OVERHEAD_BYTES * len(frames)
        self._wake_writers()
        return frames

    def _due_s(self) -> float:
        due_s = self.clock.now_s + self.draw_latency_s()
        self._last_due_s = max(self._last_due_s, due_s)
        return self._last_due_s

    def _is_dropped(self, fault: Fault) -> bool:
        return fault.is_silent or self.rng.random() < fault.drop_probability

    def _deliver(self, frames: list[bytes]) -> None:
        if self.is_at_end or self._is_vanished:
            self._in_flight -= len(frames)
            self.lost(len(frames))
        elif self._is_kept_back:
            self._kept.append(partial(self._deliver, frames))
        else:
            self._in_flight -= len(frames)
            self.delivered(self.source, self.target, frames)
            self.arrived.extend(frames)
            self._wake_reader()

    def _arrive_at_end(self) -> None:
        if self._is_kept_back:
            self._kept.append(self._arrive_at_end)
        elif not self._is_vanished:
            self.is_at_end = True
            self._wake_reader()

    def _wake_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            trio.lowlevel.reschedule(reader)

    def _wake_writers(self) -> None:
        if self._room is not None:
            self._room.unpark_all()


@attrs.define(eq=False, kw_only=True)
class SimulatedLink:
    """One end of a link: a ``transports.interface.Link``.

    Attributes:
        local: Our own address on this link, as the peer sees it.
    """

    peer: str
    local: str
    frame_bytes_max: int
    incoming: Direction
    outgoing: Direction
    _is_closed: bool = attrs.field(default=False, init=False)

    async def send(self, frame: bytes) -> None:
        await self.send_many([frame])

    async def send_many(self, frames: list[bytes]) -> None:
        self._check_open()
        longest = max(map(len, frames), default=0)
        if longest > self.frame_bytes_max:
            self.close_now()
            raise FrameTooLargeError(
                f"a frame of {longest} bytes is over the limit of "
                f"{self.frame_bytes_max}"
            )
        # A turn of the loop for each send would be a third of all turns.
        await trio.lowlevel.checkpoint_if_cancelled()
        await self.outgoing.wait_room(sum(map(len, frames)))
        self._check_open()
        if self.outgoing.is_over:
            self.close_now()
            raise LinkClosedError(f"{self.peer} closed the link")
        self.outgoing.put(frames)

    async def receive(self) -> bytes:
        return (await self._receive(1))[0]

    async def receive_many(self) -> list[bytes]:
        return await self._receive(None)

    async def aclose(self) -> None:
        self.close_now()
        await trio.lowlevel.checkpoint()

    def close_now(self) -> None:
        """As ``aclose``; idempotent."""
        if not self._is_closed:
            self._is_closed = True
            self.outgoing.end()
            self.incoming.cut()

    async def _receive(self, count_max: int | None) -> list[bytes]:
        self._check_open()
        incoming = self.incoming
        await incoming.wait_arrived()
        self._check_open()
        if not incoming.arrived:
            self.close_now()
            raise LinkClosedError(f"{self.peer} closed the link")
        count = 0
        for frame in incoming.arrived:
            if len(frame) > self.frame_bytes_max or count == count_max:
                break
            count += 1
        if not count:
            size = len(incoming.arrived[0])
            self.close_now()
            raise FrameTooLargeError(
                f"the peer sent a frame of {size} bytes; "
                f"the limit is {self.frame_bytes_max}"
            )
        return incoming.take(count)

    def _check_open(self) -> None:
        if self._is_closed:
            raise LinkClosedError(f"the link with {self.peer} is closed")
