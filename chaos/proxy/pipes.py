"""What flows through a link, and the bounded queues between its pieces."""

from __future__ import annotations

from collections import deque

import attrs
import trio

CHUNK_BYTES_MAX = 32 * 1024
"""What is read from a connection at once, where toxics may look at it."""


@attrs.frozen
class Chunk:
    """Bytes of one read, or a part of them.

    Attributes:
        read_at: When they were read, on trio's clock.
    """

    data: bytes
    read_at: float


class Pipe:
    """Chunks in order, from one piece to the next. One writer, one reader.

    Both calls are safe to cancel: a chunk is passed on whole, or not at all.
    """

    def __init__(self, chunks_max: int) -> None:
        self._chunks: deque[Chunk] = deque()
        self._chunks_max = chunks_max
        self._has_ended = False
        self._news = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()

    async def put(self, chunk: Chunk) -> None:
        """Add it; waits while the pipe is full."""
        while len(self._chunks) >= self._chunks_max:
            await self._room.park()
        self._chunks.append(chunk)
        self._news.unpark_all()

    async def get(self) -> Chunk | None:
        """The next chunk, or None at the end; again and again, once it is reached."""
        while not self._chunks:
            if self._has_ended:
                return None
            await self._news.park()
        chunk = self._chunks.popleft()
        self._room.unpark_all()
        return chunk

    def get_nowait(self) -> list[Chunk]:
        """Everything that waits in it."""
        chunks = list(self._chunks)
        self._chunks.clear()
        self._room.unpark_all()
        return chunks

    def end(self) -> None:
        """Nothing more comes. Idempotent."""
        self._has_ended = True
        self._news.unpark_all()
