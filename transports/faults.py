"""A transport that breaks its promises no further than a network may.

:class:`FaultyTransport` wraps any transport and obeys a :class:`FaultPlan` that is
shared by all wrapped transports of a process. It never reorders within a link: TCP
does not, and a Raft engine may rely on it.

Who does what: the sender's end drops, the receiver's end delays and stalls, both
break links that are cut. So wrap both ends. An accepted link knows its dialler's
label if the inner transport's links tell their own address (``local``), as ``tcp``
and ``mem`` do; else the peer's address stands for it.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import trio

from transports.errors import DialError, LinkClosedError, TransportError
from transports.fault_plan import ANY, Fault, FaultPlan
from transports.interface import Link, LinkHandler, Transport

__all__ = ["ANY", "Fault", "FaultPlan", "FaultyLink", "FaultyTransport"]

HELD_FRAMES_MAX = 4096
"""Frames a receiver's end holds while they are delayed; then it takes no more from
the inner link, whose senders wait in turn."""


@attrs.define(eq=False)
class FaultyTransport:
    """``inner``, with the faults that ``plan`` has for the peer called ``label``."""

    inner: Transport
    plan: FaultPlan
    label: str = attrs.field(kw_only=True)

    async def dial(self, address: str) -> Link:
        if self.plan.is_cut(self.label, address):
            await trio.lowlevel.checkpoint()
            raise self._refused(address)
        with self.plan.dialling():
            inner = await self.inner.dial(address)
            local = getattr(inner, "local", None)
            if local is not None:
                self.plan.name(local, self.label)
        link = FaultyLink(
            inner,
            self.plan,
            label=self.label,
            peer_label=address,
            named_local=local,
        )
        if self.plan.is_cut(self.label, address):  # cut while we dialled
            await link.aclose()
            raise self._refused(address)
        return link

    async def serve(
        self,
        address: str,
        handler: LinkHandler,
        *,
        task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        async def handle(inner: Link) -> None:
            peer_label = await self.plan.wait_named(inner.peer)
            if self.plan.is_cut(self.label, peer_label):
                return
            link = FaultyLink(inner, self.plan, label=self.label, peer_label=peer_label)
            try:
                await handler(link)
            finally:
                await link.aclose()

        naming = _NamingStatus(task_status, self.plan, self.label)
        await self.inner.serve(address, handle, task_status=naming)

    def _refused(self, address: str) -> DialError:
        return DialError(f"{self.label} cannot dial {address}: a fault cuts them")


@attrs.frozen
class _NamingStatus:
    """Names the address when the inner transport says which it is."""

    outer: trio.TaskStatus[str]
    plan: FaultPlan
    label: str

    def started(self, value: str = "") -> None:
        self.plan.name(value, self.label)
        self.outer.started(value)


@attrs.define(eq=False)
class FaultyLink:
    """A link that suffers what the plan says, now, for its two peers."""

    _inner: Link
    _plan: FaultPlan
    label: str = attrs.field(kw_only=True)
    peer_label: str = attrs.field(kw_only=True)
    _named_local: str | None = attrs.field(default=None, kw_only=True)
    _held: deque[tuple[float, bytes]] = attrs.field(factory=deque, init=False)
    _last_due: float = attrs.field(default=-math.inf, init=False)
    _problem: TransportError | None = attrs.field(default=None, init=False)
    _is_broken: bool = attrs.field(default=False, init=False)
    _scopes: dict[trio.CancelScope, None] = attrs.field(factory=dict, init=False)
    _receiving: trio.CancelScope | None = attrs.field(default=None, init=False)
    _drop_rng: random.Random | None = attrs.field(default=None, init=False)
    _delay_rng: random.Random | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._plan.watch(self)

    @property
    def peer(self) -> str:
        return self._inner.peer

    async def send(self, frame: bytes) -> None:
        await self.send_many([frame])

    async def send_many(self, frames: list[bytes]) -> None:
        with self._until_broken():
            fault = self._plan.fault(self.label, self.peer_label)
            if fault.is_silent or fault.drop_probability > 0.0:
                frames = [frame for frame in frames if not self._is_dropped(fault)]
            await self._inner.send_many(frames)
            return
        await self._give_up()

    async def receive(self) -> bytes:
        await self._wait_due()
        return self._held.popleft()[1]

    async def receive_many(self) -> list[bytes]:
        await self._wait_due()
        now = trio.current_time()
        frames = []
        while self._held and self._held[0][0] <= now:
            frames.append(self._held.popleft()[1])
        return frames

    async def aclose(self) -> None:
        self._held.clear()
        self._problem = self._closed_error()
        self._wake_receiver()
        if self._named_local is not None:
            self._plan.forget_name(self._named_local)
            self._named_local = None
        await self._inner.aclose()

    def reconsider(self) -> None:
        """The plan has changed: break if cut, else let the receiver look again."""
        if self._plan.is_cut(self.label, self.peer_label):
            self._is_broken = True
            for scope in list(self._scopes):
                scope.cancel()
        self._wake_receiver()

    async def _wait_due(self) -> None:
        """Return when the first held frame may be delivered; always a checkpoint.

        While it waits for time to pass it goes on taking frames from the inner
        link, so that delays of several frames overlap as they do on a network.
        """
        with self._until_broken():
            await trio.lowlevel.checkpoint()
            while True:
                fault = self._plan.fault(self.peer_label, self.label)
                due = self._held[0][0] if self._held else math.inf
                if due <= trio.current_time() and not fault.is_stalled:
                    return
                if self._problem is not None and not self._held:
                    problem, self._problem = self._problem, self._closed_error()
                    raise problem
                if fault.is_stalled:
                    due = math.inf
                with trio.CancelScope(deadline=due) as self._receiving:
                    if fault.is_stalled or self._is_full:
                        await trio.sleep_forever()
                    await self._take()
        await self._give_up()

    @property
    def _is_full(self) -> bool:
        """Whether no more may be taken from the inner link for now."""
        return self._problem is not None or len(self._held) >= HELD_FRAMES_MAX

    async def _take(self) -> None:
        try:
            frames = await self._inner.receive_many()
        except TransportError as error:
            self._problem = error  # raised behind the frames that we still hold
        else:
            self._hold(frames)

    def _hold(self, frames: list[bytes]) -> None:
        least, greatest = self._plan.fault(self.peer_label, self.label).delay_s
        for frame in frames:
            due = trio.current_time()
            if greatest > 0.0:
                if self._delay_rng is None:
                    self._delay_rng = self._stream(self.peer_label, self.label)
                due += self._delay_rng.uniform(least, greatest)
            self._last_due = max(self._last_due, due)
            self._held.append((self._last_due, frame))

    def _is_dropped(self, fault: Fault) -> bool:
        if fault.is_silent:
            return True
        if self._drop_rng is None:
            self._drop_rng = self._stream(self.label, self.peer_label)
        return self._drop_rng.random() < fault.drop_probability

    def _stream(self, source: str, target: str) -> random.Random:
        name = f"{self._plan.label_of(source)}/{self._plan.label_of(target)}"
        kind = "drop" if source == self.label else "delay"
        return self._plan.stream(f"{kind}/{name}")

    @contextmanager
    def _until_broken(self) -> Iterator[None]:
        """What is inside ends early, without an error, if the link is cut."""
        with trio.CancelScope() as scope:
            self._scopes[scope] = None
            if self._is_broken:
                scope.cancel()
            try:
                yield
            finally:
                del self._scopes[scope]

    async def _give_up(self) -> None:
        with trio.CancelScope(shield=True):  # the inner link closes at once
            await self.aclose()
        raise LinkClosedError(f"the link with {self.peer} was cut by a fault")

    def _closed_error(self) -> LinkClosedError:
        return LinkClosedError(f"the link with {self.peer} is closed")

    def _wake_receiver(self) -> None:
        if self._receiving is not None:
            self._receiving.cancel()
