"""The blocks of a snapshot's file: written in order, read anywhere, always checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from raftleader.errors import ConfigError, JournalDamagedError
from raftleader.replication.disk import Disk, File
from raftleader.replication.raft.messages import SnapshotMeta
from raftleader.replication.snapshots.format import (
    BLOCK_BYTES,
    CHECKSUM_BYTES,
    block_offset,
    decode_block,
    encode_block,
    file_bytes,
    header_bytes,
    read_header,
)

SYNC_BYTES = 1024 * 1024
"""Written between two syncs: some milliseconds each, instead of a second at the end."""


class BlockWriter:
    """Appends state to a file, block by block.

    Attributes:
        size_bytes: Of state so far, including what is not yet in the file.
    """

    def __init__(self, file: File, begin: int) -> None:
        """``begin``: size of the header."""
        self.size_bytes = 0
        self._file = file
        self._begin = begin
        self._blocks = 0
        self._buffer = bytearray()
        self._hasher = hashlib.blake2b(digest_size=CHECKSUM_BYTES)
        self._unsynced_bytes = 0

    def take_over(self, size_bytes: int) -> None:
        """The file has blocks of an earlier life of up to ``size_bytes`` of state: go
        on after those that are whole. Reads them all."""
        while self.size_bytes + BLOCK_BYTES <= size_bytes:
            offset = block_offset(self._begin, self._blocks)
            size = block_offset(self._begin, self._blocks + 1) - offset
            data = decode_block(self._blocks, self._file.read(offset, size))
            if data is None or len(data) != BLOCK_BYTES:
                return
            self._blocks += 1
            self.size_bytes += BLOCK_BYTES
            self._hasher.update(data)

    def add(self, data: bytes) -> None:
        """Write what makes whole blocks, keep the rest. Raises OSError."""
        self._hasher.update(data)
        self.size_bytes += len(data)
        self._buffer += data
        whole = len(self._buffer) - len(self._buffer) % BLOCK_BYTES
        if whole:
            self._write(whole)
            if self._unsynced_bytes >= SYNC_BYTES:
                self._unsynced_bytes = 0
                self._file.sync()

    def flush(self) -> None:
        """Write the last, shorter block. Nothing can be added after it."""
        if self._buffer:
            self._write(len(self._buffer))

    def checksum(self) -> bytes:
        """Of all bytes of state so far."""
        return self._hasher.digest()

    def _write(self, size: int) -> None:
        offset = block_offset(self._begin, self._blocks)
        blocks: list[bytes] = []
        for at in range(0, size, BLOCK_BYTES):
            data = bytes(self._buffer[at : min(at + BLOCK_BYTES, size)])
            blocks.append(encode_block(self._blocks, data))
            self._blocks += 1
        self._file.write(offset, b"".join(blocks))
        self._unsynced_bytes += size
        del self._buffer[:size]


class BlockReader:
    """Reads the state in a stored file; every block is checked before it is given."""

    def __init__(self, path: str, file: File, begin: int, meta: SnapshotMeta) -> None:
        """``begin``: size of the header. Raises JournalDamagedError if the file has
        not the size it must have."""
        self.path = path
        self.meta = meta
        self._file = file
        self._begin = begin
        size, expected = file.size(), file_bytes(begin, meta.size_bytes)
        if size != expected:
            raise JournalDamagedError(
                path, min(size, expected), f"{size} bytes long, not {expected}"
            )

    def close(self) -> None:
        """Let the file go; idempotent."""
        self._file.close()

    def read(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes of state; fewer only at the end.

        Raises JournalDamagedError, OSError."""
        end = min(offset + size, self.meta.size_bytes)
        if offset >= end:
            return b""
        first, last = offset // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
        data = b"".join(self._block(number) for number in range(first, last + 1))
        skipped = offset - first * BLOCK_BYTES
        return data[skipped : skipped + end - offset]

    def chunks(self, size: int) -> Iterator[bytes]:
        """All bytes of state, ``size`` at a time, and at the end the check of the
        whole. Raises JournalDamagedError, OSError."""
        hasher = hashlib.blake2b(digest_size=CHECKSUM_BYTES)
        for offset in range(0, self.meta.size_bytes, size):
            chunk = self.read(offset, size)
            hasher.update(chunk)
            yield chunk
        if hasher.digest() != self.meta.checksum:
            raise JournalDamagedError(
                self.path, self._begin, "the checksum of the whole is wrong"
            )

    def _block(self, number: int) -> bytes:
        offset = block_offset(self._begin, number)
        end = min(
            block_offset(self._begin, number + 1),
            file_bytes(self._begin, self.meta.size_bytes),
        )
        data = decode_block(number, self._file.read(offset, end - offset))
        if data is None:
            raise JournalDamagedError(
                self.path, offset, "the checksum of a block is wrong"
            )
        return data


def open_stored(
    disk: Disk, path: str, index: int, term: int, cluster_id: str
) -> BlockReader:
    """The reader of a file that has its name, and so should be whole.

    Raises JournalDamagedError, ConfigError (see ``read_header``), OSError."""
    file = disk.open(path)
    try:
        meta = read_header(path, file, cluster_id)
        if (meta.index, meta.term) != (index, term):
            raise JournalDamagedError(path, 0, "the header has another name")
        begin = header_bytes(cluster_id, index, term, meta.configuration)
        return BlockReader(path, file, begin, meta)
    except (JournalDamagedError, ConfigError):
        file.close()
        raise
