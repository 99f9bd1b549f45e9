"""The writer of an answer that lasts."""

from __future__ import annotations

import trio

from raftleader.httpd.messages import Stream
from raftleader.httpd.writing import LAST_CHUNK, chunk_bytes

WRITE_TIMEOUT_S = 60.0
"""A client that does not take one write within this time is given up."""


class ChunkWriter:
    """The ``StreamWriter`` of a connection."""

    def __init__(
        self, stream: trio.abc.SendStream, head: bytes, *, is_chunked: bool
    ) -> None:
        self._stream = stream
        self._unsent_head = head
        self._is_chunked = is_chunked
        self.is_broken = False

    async def send(self, chunks: list[bytes]) -> None:
        if self._is_chunked:
            chunks = [chunk_bytes(chunk) for chunk in chunks]
        await self._write(b"".join((self._unsent_head, *chunks)))
        self._unsent_head = b""

    async def finish(self) -> None:
        """End the answer."""
        end = LAST_CHUNK if self._is_chunked else b""
        await self._write(self._unsent_head + end)

    async def _write(self, data: bytes) -> None:
        with trio.move_on_after(WRITE_TIMEOUT_S):
            try:
                await self._stream.send_all(data)
                return
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
        self.is_broken = True
        raise trio.BrokenResourceError("the client is gone")


async def run_cancelled(stream: Stream) -> None:
    """Call ``run`` for a client that is gone, so that it can clean up."""
    with trio.CancelScope(shield=True) as scope:
        scope.cancel()
        await stream.run(_NobodyReads())


class _NobodyReads:
    """The ``StreamWriter`` of a client that is gone."""

    async def send(self, chunks: list[bytes]) -> None:
        await trio.lowlevel.checkpoint()
        raise trio.BrokenResourceError("the client is gone")
