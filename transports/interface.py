"""What a transport promises: frames between named addresses.

A *frame* is bytes, at most ``frame_bytes_max`` long. A *link* is a two-way path
between a dialler and a listener. On one link, in one direction:

* frames arrive in the order they were sent, each at most once;
* a frame may never arrive (the link broke; a fault wrapper dropped it);
* a frame arrives whole and unchanged, or the link breaks.

Nothing is promised across two links, even between the same two addresses. A
transport knows nothing of Raft, of tasks or of who may speak: identity is the
business of whoever uses the link.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import trio

from transports.errors import (
    BadAddressError,
    BadFrameError,
    DialError,
    FrameTooLargeError,
    LinkClosedError,
    TransportError,
)

__all__ = [
    "FRAME_BYTES_MAX",
    "BadAddressError",
    "BadFrameError",
    "DialError",
    "FrameTooLargeError",
    "Link",
    "LinkClosedError",
    "LinkHandler",
    "Transport",
    "TransportError",
]

FRAME_BYTES_MAX = 64 * 1024 * 1024
"""Largest frame by default: a full log batch with room to spare. A peer that
announces more is answered with :class:`FrameTooLargeError` and cut."""


class Link(Protocol):
    """A two-way path to one peer.

    After any TransportError the link is closed, and stays so: calls on it raise
    LinkClosedError.
    """

    @property
    def peer(self) -> str:
        """The peer's address as seen from here; for messages, not for trust."""

    async def send(self, frame: bytes) -> None:
        """Hand over one frame; waits while the path is full.

        Raises LinkClosedError or FrameTooLargeError. If cancelled, the frame may
        or may not arrive, and the link is closed when half of it has left.
        Safe to call from several tasks; each frame stays whole.
        """

    async def send_many(self, frames: list[bytes]) -> None:
        """Hand over frames in order, in as few writes as the path allows.

        As :meth:`send`; no frame of another task comes between them. If
        cancelled, the first few may arrive and the others not.
        """

    async def receive(self) -> bytes:
        """The next frame.

        Raises LinkClosedError at the end, BadFrameError or FrameTooLargeError
        on bytes that are no frame. One task at a time. Cancel-safe: a frame is
        returned whole or stays.
        """

    async def receive_many(self) -> list[bytes]:
        """At least one frame, and all others that have already arrived.

        As :meth:`receive`. Frames that arrived before bytes that are none are
        returned first; the error comes with the next call.
        """

    async def aclose(self) -> None:
        """Close at once; frames not yet on their way are lost. Idempotent.

        Whoever waits in a call on this link gets LinkClosedError.
        """


LinkHandler = Callable[[Link], Awaitable[None]]
"""Serves one accepted link, and returns when done with it; the link is then
closed. A TransportError that escapes (alone or in a group) ends this link only;
any other error is a bug and ends the listener."""


class Transport(Protocol):
    """A way to dial and to listen. One per process, shared by its services."""

    async def dial(self, address: str) -> Link:
        """A new link to ``address`` (``scheme://...``). Raises DialError,
        or BadAddressError if no link could ever be made to such an address.

        Bounded by the transport's own dial timeout. Whoever dials closes the link.
        """

    async def serve(
        self,
        address: str,
        handler: LinkHandler,
        *,
        task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept links at ``address`` until cancelled, each in a task of its own.

        ``task_status.started`` is given the address really bound (a port of 0
        becomes a number). Raises BadAddressError, or OSError if it is taken.
        """
