"""The agent's own journal: records of tasks, in frames, one frame a turn.

A frame is a header (magic, length, how much of the file was on disk when the frame
was written, CRC of the header, CRC of the payload) and a payload. After a crash the
end of the file may be torn: everything that was never synced may be missing or
mangled, and is cut. Damage in what a later frame knows to have been on disk is
something else: the agent refuses to start on it.

Limits: damage in the very last frame looks like a torn one, and is cut like it.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import attrs

from agent.files import sync_folder, write_all
from agent.records import Record, decode_records, encode_records
from raftleader.errors import InvalidInputError, JournalDamagedError

MAGIC = b"\xa7RLc"
FRAME_HEADER = struct.Struct(">4sIQII")

COMPACT_BYTES_MIN = 64 * 1024 * 1024
"""A running agent compacts its file at this size: some 100,000 tasks, and 0.2 s."""

COMPACT_GROWTH = 4
"""... or when it is so many times as large as after the last compaction."""


class RunBlocking(Protocol):
    """Runs a function that waits for the disk; ``trio.to_thread.run_sync`` is one.

    A simulation calls it at once, since threads are foreign to a virtual clock.
    """

    def __call__(
        self, function: Callable[..., Any], /, *args: Any
    ) -> Awaitable[Any]: ...


@attrs.define(eq=False)
class Checkpoint:
    """The open file; one writer, one call at a time.

    Attributes:
        path: The file.
        size: Its length, in bytes.
        is_fsync_on: False only where losing power is not a concern: simulations.
    """

    path: Path
    run_blocking: RunBlocking
    is_fsync_on: bool = True
    size: int = 0
    _fd: int = -1
    _synced: int = 0
    _compacted_size: int = 0

    def rewrite(self, portions: Iterable[list[Record]]) -> None:
        """Replace the file by these records, all or nothing; then append to it.

        Blocks. Whatever fails leaves the old file in place.
        """
        new_path = self.path.with_suffix(".new")
        fd = os.open(
            new_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600
        )
        try:
            size = 0
            for records in portions:
                frame = encode_frame(encode_records(records), size)
                write_all(fd, frame)
                size += len(frame)
            self._fsync(fd)
            new_path.replace(self.path)
            if self.is_fsync_on:
                sync_folder(self.path.parent)
        except BaseException:
            os.close(fd)
            raise
        self.close()
        self._fd, self.size, self._synced, self._compacted_size = fd, size, size, size

    async def append(self, records: list[Record], *, is_sync_needed: bool) -> None:
        """Write the records of a turn in one write, and wait for the disk if asked.

        Without a sync they outlive the agent, but not a loss of power. An OSError
        (disk full) leaves the file unusable: the agent must stop.
        """
        frame = encode_frame(encode_records(records), self._synced)
        if not is_sync_needed:
            write_all(self._fd, frame)
        elif self.is_fsync_on:
            await self.run_blocking(self._write_and_sync, frame)
        else:
            write_all(self._fd, frame)
        self.size += len(frame)
        if is_sync_needed:
            self._synced = self.size

    @property
    def is_compaction_due(self) -> bool:
        return self.size > max(COMPACT_BYTES_MIN, COMPACT_GROWTH * self._compacted_size)

    def close(self) -> None:
        """Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write_and_sync(self, frame: bytes) -> None:
        write_all(self._fd, frame)
        os.fdatasync(self._fd)

    def _fsync(self, fd: int) -> None:
        if self.is_fsync_on:
            os.fsync(fd)


def encode_frame(payload: bytes, synced: int) -> bytes:
    """One frame; ``synced`` bytes of the file before it are known to be on disk."""
    head = struct.pack(">4sIQ", MAGIC, len(payload), synced)
    return head + struct.pack(">II", zlib.crc32(head), zlib.crc32(payload)) + payload


def read_checkpoint(path: Path) -> list[Record]:
    """All records of the file, in order; none if there is no file.

    A torn end is left out. Raises JournalDamagedError, which names the offset.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    records: list[Record] = []
    offset = 0
    while offset < len(data):
        frame = _frame_at(data, offset)
        if frame is None:
            _check_torn(path, data, offset)
            break
        payload, _, end = frame
        try:
            records += decode_records(payload)
        except InvalidInputError as error:
            raise JournalDamagedError(str(path), offset, str(error)) from error
        offset = end
    return records


def _frame_at(data: bytes, offset: int) -> tuple[bytes, int, int] | None:
    """Payload, synced bytes and end of the frame at ``offset``, if it is whole."""
    if offset + FRAME_HEADER.size > len(data):
        return None
    magic, length, synced, head_crc, crc = FRAME_HEADER.unpack_from(data, offset)
    start = offset + FRAME_HEADER.size
    head = data[offset : start - 8]
    if magic != MAGIC or zlib.crc32(head) != head_crc or start + length > len(data):
        return None
    payload = data[start : start + length]
    if zlib.crc32(payload) != crc:
        return None
    return payload, synced, start + length


def _check_torn(path: Path, data: bytes, offset: int) -> None:
    """Whether what begins at ``offset`` may be missing: no later frame says that
    it was on disk."""
    candidate = data.find(MAGIC, offset + 1)
    while candidate >= 0:
        frame = _frame_at(data, candidate)
        if frame is not None and offset < frame[1] <= candidate:
            raise JournalDamagedError(
                str(path),
                offset,
                "no valid record, though it had been written completely; start"
                " with an empty work folder, as a new agent (an older copy of the file"
                " does not know what ran since)",
            )
        candidate = data.find(MAGIC, candidate + 1)
