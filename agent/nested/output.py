"""What a container writes, handed to everybody who is attached to it."""

from __future__ import annotations

import enum
from collections import deque

import attrs
import trio

BUFFERED_BYTES_MAX = 1024 * 1024
"""For one reader. A slow one is then waited for, or cut."""


class Source(enum.Enum):
    """Where a piece of output was written. A terminal has STDOUT only."""

    STDOUT = "STDOUT"
    STDERR = "STDERR"


Piece = tuple[Source, bytes]


@attrs.define(eq=False)
class OutputReader:
    """One who is attached.

    Attributes:
        holds_up: Whether the container waits when this reader is slow, as a program
            waits for its terminal. One that does not is cut off.
        was_cut: It was too slow, and what follows is lost to it.
    """

    holds_up: bool
    was_cut: bool = False
    _pieces: deque[Piece] = attrs.field(factory=deque, init=False)
    _size: int = attrs.field(default=0, init=False)
    _has_ended: bool = attrs.field(default=False, init=False)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def receive(self) -> list[Piece]:
        """All that is there, in order, once there is something; empty at the end."""
        await trio.lowlevel.checkpoint()
        while not self._pieces and not self._has_ended:
            await self._wait()
        pieces, self._size = list(self._pieces), 0
        self._pieces.clear()
        self._notify()
        return pieces

    async def _wait(self) -> None:
        await self._changed.wait()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _end(self) -> None:
        self._has_ended = True
        self._notify()

    async def _put(self, piece: Piece) -> None:
        while self._size >= BUFFERED_BYTES_MAX and not self._has_ended:
            await self._wait()
        if not self._has_ended:
            self._pieces.append(piece)
            self._size += len(piece[1])
            self._notify()


@attrs.define(eq=False)
class Output:
    """The output of one container. What nobody reads is dropped here.

    Attributes:
        cut_count: Readers that were cut off because they were slow.
    """

    cut_count: int = 0
    _readers: dict[OutputReader, None] = attrs.field(factory=dict, init=False)
    _has_ended: bool = attrs.field(default=False, init=False)

    def open_reader(self, *, holds_up: bool = False) -> OutputReader:
        """A reader of what comes from now on. To be closed."""
        reader = OutputReader(holds_up)
        if self._has_ended:
            reader._end()
        else:
            self._readers[reader] = None
        return reader

    def close_reader(self, reader: OutputReader) -> None:
        """It reads no more; nobody waits for it. Idempotent."""
        self._readers.pop(reader, None)
        reader._end()

    async def put(self, source: Source, data: bytes) -> None:
        """Hand out a piece. Waits for those readers only that hold it up."""
        for reader in list(self._readers):
            if not reader.holds_up and reader._size >= BUFFERED_BYTES_MAX:
                reader.was_cut = True
                self.cut_count += 1
                self.close_reader(reader)
            else:
                await reader._put((source, data))

    def end(self) -> None:
        """All was written."""
        self._has_ended = True
        for reader in list(self._readers):
            self.close_reader(reader)
