"""A link over one TCP socket: written for many small frames at little cost.

It works on the plain socket with trio's ``wait_readable`` and ``wait_writable``:
a batch costs one system call and one turn of the loop in each direction, however
many frames it holds. trio's own streams would add a checkpoint and an attempt
that would block to every call.
"""

from __future__ import annotations

import socket
from collections import deque

import attrs
import trio

from transports.errors import FrameTooLargeError, LinkClosedError, TransportError
from transports.frames import FrameDecoder, encode_frames

READ_BYTES_MIN = 64 * 1024
"""One read takes so much: some hundred small frames, and cheap to allocate."""

READ_BYTES_MAX = 1024 * 1024
"""One read takes no more, also in the middle of a large frame: a large frame must
not keep the loop from its other links."""


@attrs.define(eq=False)
class TcpLink:
    """A :class:`transports.interface.Link` on a connected, non-blocking socket.

    ``local`` is our own address on this link, as the peer sees it.
    """

    _socket: socket.socket
    peer: str = attrs.field(kw_only=True)
    local: str = attrs.field(kw_only=True)
    frame_bytes_max: int = attrs.field(kw_only=True)
    _decoder: FrameDecoder = attrs.field(init=False)
    _arrived: deque[bytes] = attrs.field(factory=deque, init=False)
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _is_closed: bool = attrs.field(default=False, init=False)
    _has_more: bool = attrs.field(default=False, init=False)

    @_decoder.default
    def _make_decoder(self) -> FrameDecoder:
        return FrameDecoder(frame_bytes_max=self.frame_bytes_max)

    async def send(self, frame: bytes) -> None:
        await self.send_many([frame])

    async def send_many(self, frames: list[bytes]) -> None:
        self._check_open()
        try:
            data = encode_frames(frames, frame_bytes_max=self.frame_bytes_max)
        except FrameTooLargeError:
            self._close()
            raise
        try:
            self._turn.acquire_nowait()
        except trio.WouldBlock:
            await self._turn.acquire()  # fair
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            self._check_open()
            await self._write(data)
        finally:
            self._turn.release()

    async def receive(self) -> bytes:
        if self._arrived:
            # No turn of the loop for each frame: what has arrived is bounded by
            # one read, so nobody is kept waiting for long.
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await self._wait_arrived()
        return self._arrived.popleft()

    async def receive_many(self) -> list[bytes]:
        if self._arrived:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await self._wait_arrived()
        frames = list(self._arrived)
        self._arrived.clear()
        return frames

    async def aclose(self) -> None:
        self._close()
        await trio.lowlevel.checkpoint()

    async def _write(self, data: bytes) -> None:
        sent = 0
        try:
            with memoryview(data) as view:
                while sent < len(view):
                    try:
                        sent += self._socket.send(view[sent:])
                    except BlockingIOError:
                        await trio.lowlevel.wait_writable(self._socket)
        except OSError as error:
            self._close()
            raise LinkClosedError(f"link with {self.peer} broke: {error}") from error
        except trio.ClosedResourceError:
            raise self._closed_error() from None
        finally:
            if 0 < sent < len(data):
                self._close()  # half a frame has left: nothing can follow it

    async def _wait_arrived(self) -> None:
        self._check_open()
        try:
            chunk = b""  # first ask for the error behind the last good frame
            while not (frames := self._decoder.feed(chunk)):
                chunk = await self._read()
        except TransportError:
            self._close()
            raise
        self._arrived.extend(frames)

    async def _read(self) -> bytes:
        """The next bytes of the stream; always a checkpoint."""
        read_bytes = min(
            max(self._decoder.missing_bytes, READ_BYTES_MIN), READ_BYTES_MAX
        )
        try:
            if self._has_more:
                await trio.lowlevel.checkpoint()
                self._check_open()
            else:
                await trio.lowlevel.wait_readable(self._socket)
            while True:
                try:
                    chunk = self._socket.recv(read_bytes)
                    break
                except BlockingIOError:
                    await trio.lowlevel.wait_readable(self._socket)
        except OSError as error:
            raise LinkClosedError(f"link with {self.peer} broke: {error}") from error
        except trio.ClosedResourceError:
            raise self._closed_error() from None
        self._has_more = len(chunk) == read_bytes
        if not chunk:
            where = "" if self._decoder.is_between_frames else " in half a frame"
            raise LinkClosedError(f"{self.peer} closed the link{where}")
        return chunk

    def _check_open(self) -> None:
        if self._is_closed:
            raise self._closed_error()

    def _closed_error(self) -> LinkClosedError:
        return LinkClosedError(f"the link with {self.peer} is closed")

    def _close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._arrived.clear()
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
