"""A request's body that is read while it comes, however long that takes."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator

import trio

BUFFERED_BYTES_MAX = 256 * 1024
"""Received and not yet taken by the handler; then the client has to wait."""


class BodyStream:
    """The bytes of one body, in order. One reader.

    What the handler does not take, because it has answered, is dropped.
    """

    def __init__(self) -> None:
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._changed = trio.Event()
        self._has_ended = False
        self._is_broken = False
        self._is_dropped = False

    async def receive(self) -> bytes:
        """The next bytes; empty once the body is complete.

        Raises trio.BrokenResourceError if the client went before that.
        """
        await trio.lowlevel.checkpoint()
        while not self._parts:
            if self._has_ended:
                return b""
            if self._is_broken:
                raise trio.BrokenResourceError("the body ended too early")
            await self._wait()
        part = self._parts.popleft()
        self._size -= len(part)
        self._notify()
        return part

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while part := await self.receive():
            yield part

    # For the connection.

    async def put(self, part: bytes) -> None:
        """Add bytes; waits while the handler is far behind."""
        while self._size >= BUFFERED_BYTES_MAX and not self._is_dropped:
            await self._wait()
        if not self._is_dropped:
            self._parts.append(part)
            self._size += len(part)
            self._notify()

    def end(self) -> None:
        """The body is complete."""
        self._has_ended = True
        self._notify()

    def break_off(self) -> None:
        """Nothing more comes, and it is not complete."""
        self._is_broken = not self._has_ended
        self._notify()

    def drop(self) -> None:
        """Nobody reads it any more."""
        self._is_dropped = True
        self._parts.clear()
        self._size = 0
        self._notify()

    async def _wait(self) -> None:
        await self._changed.wait()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
