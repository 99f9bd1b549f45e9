"""A connected socket as a stream, for many small requests at little cost.

It works on the plain socket with trio's ``wait_readable`` and ``wait_writable``.
trio's own stream first tries to read what, after an answer, cannot be there yet, and
gives up the loop's turn with every write; with ``send_nowait`` the answers of many
connections leave in one turn.
"""

from __future__ import annotations

import socket
from typing import Protocol, Self, runtime_checkable

import trio

READ_BYTES_MAX = 64 * 1024
"""One read takes no more."""


@runtime_checkable
class SendsAtOnce(Protocol):
    """A stream that can also be written to without waiting."""

    def send_nowait(self, data: bytes) -> int:
        """Send what goes without waiting; how much of it that was, perhaps nothing.

        Raises trio.BrokenResourceError or trio.ClosedResourceError. Must not be called
        while somebody else writes.
        """


class SocketStream(trio.abc.HalfCloseableStream):
    """See the module docstring. One reader and one writer at a time."""

    def __init__(self, connected: socket.socket) -> None:
        """``connected`` is non-blocking, and the stream's to close."""
        self._socket = connected
        self._may_have_more = False

    @classmethod
    def taking_over(cls, stream: trio.SocketStream) -> Self:
        """The same connection; ``stream`` is of no use afterwards."""
        return cls(socket.socket(fileno=stream.socket.detach()))

    @property
    def socket(self) -> socket.socket:
        """For its options and names."""
        return self._socket

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See ``trio.abc.ReceiveStream``."""
        size = READ_BYTES_MAX if max_bytes is None else max_bytes
        if size < 1:
            raise ValueError("max_bytes must be at least 1")
        self._check_open()
        try:
            if self._may_have_more:
                await trio.lowlevel.checkpoint()
                self._check_open()
            else:
                await trio.lowlevel.wait_readable(self._socket)
            while True:
                try:
                    data = self._socket.recv(size)
                    break
                except BlockingIOError:
                    await trio.lowlevel.wait_readable(self._socket)
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from error
        self._may_have_more = len(data) == size
        return data

    def send_nowait(self, data: bytes | memoryview) -> int:
        """See ``SendsAtOnce``."""
        self._check_open()
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See ``trio.abc.SendStream``; always a checkpoint."""
        with memoryview(data) as view:
            sent = self.send_nowait(view) if view else 0
            if sent == len(view):
                await trio.lowlevel.checkpoint()
            while sent < len(view):
                await self.wait_send_all_might_not_block()
                sent += self.send_nowait(view[sent:])

    async def wait_send_all_might_not_block(self) -> None:
        """See ``trio.abc.SendStream``."""
        self._check_open()
        try:
            await trio.lowlevel.wait_writable(self._socket)
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from error

    async def send_eof(self) -> None:
        """See ``trio.abc.HalfCloseableStream``."""
        self._check_open()
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from error
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """See ``trio.abc.AsyncResource``; whoever waits on it is told."""
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
        await trio.lowlevel.checkpoint()

    def _check_open(self) -> None:
        if self._socket.fileno() < 0:
            raise trio.ClosedResourceError("the connection is closed")
