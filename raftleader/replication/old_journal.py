"""Our journal: one append-only file that keeps a node's log, term and vote.

The format, all numbers little-endian::

    file    = header batch*
    header  = magic(8) version(u32) cluster_size(u16) node_size(u16)
              cluster_id node_id crc(u32)          crc over all before it
    batch   = marker(4) crc(u32) size(u32) body    crc over offset(u64) size body
    body    = record+
    record  = kind(u8) size(u32) body
    entry     kind 1: index(u64) term(u64) data
    truncate  kind 2: index(u64)                   drops this entry and all later
    meta      kind 3: term(u64) vote               vote: 0, or 1 and a node id

Records wait in memory until ``sync`` writes them as one batch and waits for the
disk. So a batch is the unit of loss: the next one is written only after this one
is durable. A bad batch with nothing valid behind it was therefore never synced,
whatever order its pages reached the disk in, and is cut. A bad batch with a valid
one behind it is damage to what was promised, and the node refuses to start. (What
cannot be told apart: damage to the very last batch, after it was synced.)

The offset is part of the checksum, so that a batch is valid at one place only:
a copy of a journal inside an entry is never mistaken for a part of this one.

A new file is made under another name and linked into place when it is durable,
so a journal never has half a header. The header's layout is the same in all versions.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from raftleader.errors import ConfigError, JournalDamagedError
from raftleader.replication.entries import Entry

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
_MAGIC = b"rljrnl\r\n"
_MARKER = b"\xf5RB\x1a"
_HEADER = struct.Struct("<8sIHH")
_BATCH = struct.Struct("<4sII")
_PLACE = struct.Struct("<QI")
_RECORD = struct.Struct("<BI")
_ENTRY = struct.Struct("<QQ")
_INDEX = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")

_KIND_ENTRY, _KIND_TRUNCATE, _KIND_META = 1, 2, 3


class Journal:
    """The journal of one node, open and locked.

    What is appended counts only after ``sync``; ``entries``, ``term`` and ``vote``
    show it at once. A failed write or sync is final: every later call raises
    OSError, since nobody can tell what is on the disk. Not safe across threads.

    Attributes:
        path: The file.
        entries: The log, oldest first. Read it; change it by the methods only.
        term: Latest term this node has seen; 0 at first.
        vote: Node id this node voted for in ``term``, or None.
        size_bytes: Bytes in the file and waiting for it.
    """

    def __init__(self, path: Path, descriptor: int, *, start: int) -> None:
        """For ``open`` alone: the header of ``start`` bytes is already checked."""
        self.path = path
        self.entries: list[Entry] = []
        self.term = 0
        self.vote: str | None = None
        self._descriptor = descriptor
        self._end = start
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._problem: str | None = None
        self._recover()

    @classmethod
    def open(cls, path: Path, *, cluster_id: str, node_id: str) -> Self:
        """Open the journal at ``path``, or make a new one, and lock it.

        A batch that was being written at a crash is cut, with a log warning.
        Raises ConfigError if the file is of another cluster or node, of a newer
        format, or open elsewhere; JournalDamagedError if it cannot be trusted;
        OSError.
        """
        header = _header(cluster_id, node_id)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            descriptor = _create(path, header)
        try:
            _lock(descriptor, path)
            start = _check_header(descriptor, path, cluster_id, node_id)
            return cls(path, descriptor, start=start)
        except BaseException:
            os.close(descriptor)
            raise

    @property
    def is_dirty(self) -> bool:
        """Records wait for ``sync``."""
        return bool(self._pending)

    @property
    def size_bytes(self) -> int:
        return self._end + self._pending_bytes

    @property
    def last_index(self) -> int:
        """Index of the last entry; 0 if there is none."""
        return self.entries[-1].index if self.entries else 0

    def append(self, index: int, term: int, data: bytes) -> None:
        """Add one entry. ``index`` must follow the last one; the first is free."""
        if self.entries and index != self.entries[-1].index + 1:
            raise ValueError(f"entry {index} after entry {self.entries[-1].index}")
        self._add(_KIND_ENTRY, _ENTRY.pack(index, term) + data)
        self.entries.append(Entry(data, index, term))

    def truncate(self, from_index: int) -> None:
        """Drop entry ``from_index``, which must exist, and all later ones."""
        position = _position(self.entries, from_index)
        self._add(_KIND_TRUNCATE, _INDEX.pack(from_index))
        del self.entries[position:]

    def set_meta(self, term: int, vote: str | None) -> None:
        """Remember the term and the vote cast in it. A term never goes down."""
        if term < self.term:
            raise ValueError(f"term {term} after term {self.term}")
        ballot = b"\x00" if vote is None else b"\x01" + vote.encode()
        self._add(_KIND_META, _INDEX.pack(term) + ballot)
        self.term, self.vote = term, vote

    def sync(self) -> None:
        """Make everything added so far durable: one write, one fdatasync, or nothing.

        Blocks the thread. After an OSError the journal is dead: the kernel may have
        dropped the pages it could not write, so a second fdatasync proves nothing.
        """
        if not self._pending:
            return
        self._require_alive()
        body = b"".join(self._pending)
        checksum = zlib.crc32(body, zlib.crc32(_PLACE.pack(self._end, len(body))))
        batch = _BATCH.pack(_MARKER, checksum, len(body)) + body
        try:
            _write_all(self._descriptor, batch, self._end)
            os.fdatasync(self._descriptor)
        except OSError as error:
            self._problem = f"an earlier write failed: {error}"
            raise
        self._end += len(batch)
        self._pending.clear()
        self._pending_bytes = 0

    def close(self) -> None:
        """Sync, unless an earlier write failed, and let go. Idempotent."""
        try:
            if self._problem is None:
                self.sync()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let go without a sync, as a killed process would. Idempotent."""
        self._problem = self._problem or "it is closed"
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _add(self, kind: int, body: bytes) -> None:
        self._require_alive()
        record = _RECORD.pack(kind, len(body)) + body
        self._pending.append(record)
        self._pending_bytes += len(record)

    def _require_alive(self) -> None:
        if self._problem is not None:
            raise OSError(f"journal {self.path} takes nothing more: {self._problem}")

    def _recover(self) -> None:
        size = os.fstat(self._descriptor).st_size
        if size == self._end:
            return
        with mmap.mmap(self._descriptor, size, access=mmap.ACCESS_READ) as content:
            while (body := _batch_at(content, self._end)) is not None:
                self._replay(body)
                self._end += _BATCH.size + len(body)
            valid = _find_batch(content, self._end + 1)
        if self._end == size:
            return
        if valid is not None:
            problem = f"a valid batch follows at byte {valid}"
            raise JournalDamagedError(str(self.path), self._end, problem)
        logger.warning(
            "journal %s: cut %d bytes of an unfinished write at byte %d",
            self.path,
            size - self._end,
            self._end,
        )
        os.ftruncate(self._descriptor, self._end)
        os.fsync(self._descriptor)

    def _replay(self, body: bytes) -> None:
        """Take one batch whose checksum is right; nonsense in it is our own bug."""
        try:
            for kind, record in _records(body):
                if kind == _KIND_ENTRY:
                    index, term = _ENTRY.unpack_from(record)
                    if self.entries and index != self.entries[-1].index + 1:
                        raise ValueError(f"entry {index} is out of order")
                    self.entries.append(Entry(record[_ENTRY.size :], index, term))
                elif kind == _KIND_TRUNCATE:
                    (index,) = _INDEX.unpack(record)
                    del self.entries[_position(self.entries, index) :]
                elif kind == _KIND_META:
                    (self.term,) = _INDEX.unpack_from(record)
                    ballot = record[_INDEX.size :]
                    self.vote = ballot[1:].decode() if ballot[0] else None
                else:
                    raise ValueError(f"unknown kind of record: {kind}")
        except (ValueError, IndexError, struct.error) as error:
            raise JournalDamagedError(str(self.path), self._end, str(error)) from error


def _position(entries: list[Entry], index: int) -> int:
    position = index - entries[0].index if entries else -1
    if not 0 <= position < len(entries):
        raise ValueError(f"no entry {index} to truncate from")
    return position


def _header(cluster_id: str, node_id: str) -> bytes:
    cluster, node = cluster_id.encode(), node_id.encode()
    fixed = _HEADER.pack(_MAGIC, FORMAT_VERSION, len(cluster), len(node))
    content = fixed + cluster + node
    return content + _CHECKSUM.pack(zlib.crc32(content))


def _check_header(descriptor: int, path: Path, cluster_id: str, node_id: str) -> int:
    """Return where the header ends, or refuse the file."""

    def damaged(problem: str) -> JournalDamagedError:
        return JournalDamagedError(str(path), 0, problem)

    fixed = os.pread(descriptor, _HEADER.size, 0)
    if len(fixed) < _HEADER.size:
        raise damaged("the header is cut")
    magic, version, cluster_size, node_size = _HEADER.unpack(fixed)
    if magic != _MAGIC:
        raise damaged("not a journal")
    names_size = cluster_size + node_size
    rest = os.pread(descriptor, names_size + _CHECKSUM.size, _HEADER.size)
    if len(rest) < names_size + _CHECKSUM.size:
        raise damaged("the header is cut")
    names, (checksum,) = rest[:names_size], _CHECKSUM.unpack(rest[names_size:])
    if zlib.crc32(fixed + names) != checksum:
        raise damaged("the checksum of the header is wrong")
    if version > FORMAT_VERSION:
        raise ConfigError(
            f"journal {path} has format {version}, newer than ours, {FORMAT_VERSION}"
        )
    owner = names[:cluster_size].decode(), names[cluster_size:].decode()
    if owner != (cluster_id, node_id):
        raise ConfigError(
            f"journal {path} is of cluster {owner[0]!r}, node {owner[1]!r}; "
            f"this is cluster {cluster_id!r}, node {node_id!r}"
        )
    return _HEADER.size + len(rest)


def _create(path: Path, header: bytes) -> int:
    """Make a durable, empty journal; return its descriptor, locked."""
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(descriptor, draft)
        os.ftruncate(descriptor, 0)
        _write_all(descriptor, header, 0)
        os.fsync(descriptor)
        os.link(draft, path)  # unlike a rename, never replaces a journal
        draft.unlink()
        _sync_directory(path.parent)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigError(f"journal {path} is open in another process") from error


def _write_all(descriptor: int, content: bytes, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _batch_at(content: mmap.mmap, offset: int) -> bytes | None:
    """The body of the batch at ``offset``, or None if no valid one is there."""
    start = offset + _BATCH.size
    if start > len(content):
        return None
    marker, checksum, size = _BATCH.unpack_from(content, offset)
    if marker != _MARKER or size > len(content) - start:
        return None
    body = content[start : start + size]
    expected = zlib.crc32(body, zlib.crc32(_PLACE.pack(offset, size)))
    return body if expected == checksum else None


def _find_batch(content: mmap.mmap, offset: int) -> int | None:
    """The first place at or after ``offset`` where a valid batch begins."""
    while (offset := content.find(_MARKER, offset)) >= 0:
        if _batch_at(content, offset) is not None:
            return offset
        offset += 1
    return None


def _records(body: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(body):
        kind, size = _RECORD.unpack_from(body, position)
        position += _RECORD.size
        record = body[position : position + size]
        if len(record) < size:
            raise ValueError("a record is longer than its batch")
        yield kind, record
        position += size
