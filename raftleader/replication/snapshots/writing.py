"""Files in the making: this node's own snapshots, and those a leader sends."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from raftleader.errors import DiskFullError, InvalidInputError
from raftleader.replication.disk import Disk
from raftleader.replication.raft.configuration import Configuration
from raftleader.replication.raft.messages import SnapshotMeta
from raftleader.replication.snapshots.blocks import BlockWriter
from raftleader.replication.snapshots.format import (
    encode_header,
    file_bytes,
    header_bytes,
    read_header,
)

DRAFT, PART = ".draft", ".part"
"""Endings of the names: of a snapshot of our own, and of an incoming one."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

Stored = Callable[[SnapshotMeta], None]
"""Called once a snapshot has its name, durably."""


def name_of(index: int, term: int) -> str:
    """The file of such a snapshot."""
    return f"snapshot-{index}-{term}"


@contextmanager
def full_is_told() -> Iterator[None]:
    """An OSError that means "no room" becomes our own error."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError(str(error)) from error
        raise


class Draft:
    """A file that has not its name yet."""

    def __init__(
        self, disk: Disk, directory: str, name: str, ending: str, begin: int
    ) -> None:
        """Make it, or open it if it is there. ``begin``: size of the header."""
        self._disk = disk
        self._directory = directory
        self._path = f"{directory}/{name}"
        self._draft = self._path + ending
        self._file = disk.open(self._draft, create=not disk.exists(self._draft))
        self._is_open = True
        self.blocks = BlockWriter(self._file, begin)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """If the disk fails in here the draft is removed. A full one raises
        DiskFullError."""
        with full_is_told():
            try:
                yield
            except OSError:
                self.discard()
                raise

    def write_header(self, header: bytes) -> None:
        """At the begin of the file."""
        self._file.write(0, header)

    def settle(self, size: int) -> None:
        """Exactly ``size`` bytes, under the final name, durably."""
        if self._file.size() != size:
            self._file.truncate(size)
        self._file.sync()
        self.close()
        self._disk.rename(self._draft, self._path)
        self._disk.sync_directory(self._directory)

    def close(self) -> None:
        """Let the file go, as it is."""
        self._is_open = False
        self._file.close()

    def discard(self) -> None:
        """Remove the file; idempotent."""
        if self._is_open:
            self.close()
        if self._disk.exists(self._draft):
            # What cannot be removed now is removed at the next opening.
            with contextlib.suppress(OSError):
                self._disk.unlink(self._draft)


class SnapshotWriter:
    """A snapshot of this node's own state while it is written. Nobody else can see it
    before ``finish`` returns; a crash before that leaves nothing but a draft."""

    def __init__(
        self,
        disk: Disk,
        directory: str,
        *,
        cluster_id: str,
        index: int,
        term: int,
        configuration: Configuration,
        stored: Stored,
        ended: Callable[[], None],
    ) -> None:
        self._cluster_id = cluster_id
        self._index, self._term = index, term
        self._configuration = configuration
        self._stored = stored
        self._ended = ended
        self._begin = header_bytes(cluster_id, index, term, configuration)
        self._draft = Draft(disk, directory, name_of(index, term), DRAFT, self._begin)
        self._is_ended = False

    def write(self, chunk: bytes) -> None:
        """Append state. Takes time in proportion to ``chunk``, and of a sync now and
        then: 0.5 MB take some milliseconds.

        Raises DiskFullError or OSError, and then the draft is gone already."""
        assert not self._is_ended
        with self._failing_ends():
            self._draft.blocks.add(chunk)

    def finish(self) -> SnapshotMeta:
        """Make it the newest snapshot, durably; older ones go. Raises like ``write``;
        what was stored before is then still there."""
        assert not self._is_ended
        blocks = self._draft.blocks
        meta = SnapshotMeta(
            index=self._index,
            term=self._term,
            configuration=self._configuration,
            size_bytes=blocks.size_bytes,
            checksum=blocks.checksum(),
        )
        with self._failing_ends():
            blocks.flush()
            self._draft.write_header(encode_header(self._cluster_id, meta))
            self._draft.settle(file_bytes(self._begin, meta.size_bytes))
        self._end()
        self._stored(meta)
        return meta

    def abandon(self) -> None:
        """Remove the draft; idempotent, and nothing after ``finish``."""
        if not self._is_ended:
            self._draft.discard()
            self._end()

    @contextmanager
    def _failing_ends(self) -> Iterator[None]:
        try:
            with self._draft.kept():
                yield
        except (OSError, DiskFullError):
            self._end()
            raise

    def _end(self) -> None:
        self._is_ended = True
        self._ended()


class Incoming:
    """A snapshot that a leader sends, in pieces, perhaps over several lives."""

    def __init__(
        self, disk: Disk, directory: str, *, cluster_id: str, meta: SnapshotMeta
    ) -> None:
        """Begin, or go on with what is there of it. Raises DiskFullError, OSError.

        Going on reads all that is there: a second for some hundred megabytes."""
        self.meta = meta
        begin = header_bytes(cluster_id, meta.index, meta.term, meta.configuration)
        self._file_bytes = file_bytes(begin, meta.size_bytes)
        name = name_of(meta.index, meta.term)
        has_begun = disk.exists(f"{directory}/{name}{PART}")
        self._draft = Draft(disk, directory, name, PART, begin)
        with self._draft.kept():
            if has_begun:
                self._draft.blocks.take_over(meta.size_bytes)
            else:
                self._draft.write_header(encode_header(cluster_id, meta))

    @property
    def next_offset(self) -> int:
        """The first byte of state that is missing."""
        return self._draft.blocks.size_bytes

    def add(self, offset: int, data: bytes) -> None:
        """Take what continues; what is there already, or leaves a gap, is passed over.

        Raises InvalidInputError if there is more than there should be."""
        skipped = self.next_offset - offset
        if offset + len(data) > self.meta.size_bytes:
            raise InvalidInputError(
                "snapshot", f"more than the {self.meta.size_bytes} bytes it has"
            )
        if 0 <= skipped < len(data):
            with self._draft.kept():
                self._draft.blocks.add(data[skipped:])

    def complete(self) -> None:
        """Check the whole, and give it its name, durably. Raises InvalidInputError,
        and then the draft is gone; DiskFullError; OSError."""
        blocks = self._draft.blocks
        if blocks.size_bytes != self.meta.size_bytes:
            raise InvalidInputError(
                "snapshot",
                f"{blocks.size_bytes} of {self.meta.size_bytes} bytes are there",
            )
        if blocks.checksum() != self.meta.checksum:
            raise InvalidInputError("snapshot", "the checksum of the whole is wrong")
        with self._draft.kept():
            blocks.flush()
            self._draft.settle(self._file_bytes)

    def close(self) -> None:
        """Let the file go; what is in it can be gone on with."""
        self._draft.close()

    def discard(self) -> None:
        """Remove the file; idempotent."""
        self._draft.discard()


def read_part(disk: Disk, directory: str, name: str, cluster_id: str) -> SnapshotMeta:
    """Of what the unfinished file ``name`` is a part; raises like ``read_header``."""
    path = f"{directory}/{name}"
    file = disk.open(path)
    try:
        return read_header(path, file, cluster_id)
    finally:
        file.close()
