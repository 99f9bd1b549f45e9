"""The directory of a node's snapshots.

    snapshot-<index>-<term>          the state after that entry; see ``format``
    snapshot-<index>-<term>.draft    being written by this node
    snapshot-<index>-<term>.part     coming from a leader

A file gets its final name once all of it is on the disk, by a rename, and only then
older ones are removed: there is a whole snapshot at every instant from the first on.
Drafts of an earlier life are removed at opening; a part is gone on with.
"""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator

from raftleader.errors import (
    ConfigError,
    DiskFullError,
    InvalidInputError,
    JournalDamagedError,
)
from raftleader.replication.disk import Disk
from raftleader.replication.raft.configuration import Configuration
from raftleader.replication.raft.messages import SnapshotMeta
from raftleader.replication.snapshots.blocks import BlockReader, open_stored
from raftleader.replication.snapshots.writing import (
    DRAFT,
    PART,
    Incoming,
    SnapshotWriter,
    full_is_told,
    name_of,
    read_part,
)

_NAME = re.compile(r"snapshot-(\d+)-(\d+)\Z")


class SnapshotStore:
    """The snapshots of one node, in a directory of their own.

    Used from one task. After a DiskFullError the store is as it was before the call,
    but for the draft or part at hand, which is gone. After any other OSError nobody
    can tell what is on the disk: the node must end.

    Attributes:
        problems: Files found damaged at opening, in words. They are left alone until a
            newer snapshot makes them superfluous.
    """

    def __init__(self, disk: Disk, directory: str, *, cluster_id: str) -> None:
        """Open the directory, or make it.

        Raises ConfigError if a file in it is of another cluster, or was written by a
        newer version of this program; OSError."""
        self.problems: tuple[str, ...] = ()
        self._disk = disk
        self._directory = directory
        self._cluster_id = cluster_id
        self._stored: dict[tuple[int, int], BlockReader] = {}
        self._damaged: list[tuple[int, int]] = []
        self._read_lately: set[tuple[int, int]] = set()
        self._writer: SnapshotWriter | None = None
        self._incoming: Incoming | None = None
        disk.make_directory(directory)
        self._open()

    def newest(self) -> SnapshotMeta | None:
        """The newest stored snapshot whose header is whole and whose file has the
        right size; None if there is none."""
        if not self._stored:
            return None
        return self._stored[max(self._stored)].meta

    def begin(
        self, index: int, term: int, configuration: Configuration
    ) -> SnapshotWriter:
        """Begin to write the state after entry ``index`` of ``term``, one at a time.

        Raises DiskFullError, OSError."""
        assert self._writer is None
        with full_is_told():
            self._writer = SnapshotWriter(
                self._disk,
                self._directory,
                cluster_id=self._cluster_id,
                index=index,
                term=term,
                configuration=configuration,
                stored=self._adopt,
                ended=self._writer_ended,
            )
        return self._writer

    def read(self, meta: SnapshotMeta, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes of a stored snapshot; fewer only at its end.

        What is being read in this way stays when a newer one is stored, for as long as
        something of it is read between one new snapshot and the next.
        Raises FileNotFoundError if it is not there (any more), JournalDamagedError."""
        reader = self._reader(meta)
        self._read_lately.add((meta.index, meta.term))
        return reader.read(offset, size)

    def chunks(self, meta: SnapshotMeta, size: int) -> Iterator[bytes]:
        """All bytes of a stored snapshot, ``size`` at a time, each checked before it
        is given; after the last one the whole is checked too.

        Raises FileNotFoundError at once; JournalDamagedError where damage is found."""
        return self._reader(meta).chunks(size)

    def receive(self, meta: SnapshotMeta, offset: int, data: bytes) -> int:
        """Take a piece of a snapshot a leader sends; return the offset of the next
        piece that is wanted. Another ``meta`` than before begins a new one.

        What was taken survives a restart, but for the last ``SYNC_BYTES`` perhaps.
        Raises InvalidInputError and DiskFullError, and then begins anew; OSError.
        """
        if self._has(meta):
            return meta.size_bytes
        incoming = self._incoming
        if incoming is None or incoming.meta != meta:
            if offset > 0:
                return 0
            self._forget_incoming()
            with full_is_told():
                incoming = self._incoming = self._begin_incoming(meta)
        try:
            incoming.add(offset, data)
        except (InvalidInputError, DiskFullError, OSError):
            self._forget_incoming()
            raise
        return incoming.next_offset

    def complete(self, meta: SnapshotMeta) -> None:
        """All of it was received: check the whole, make it the newest, durably; older
        ones go. Raises InvalidInputError and DiskFullError, and then begins anew;
        OSError."""
        if self._has(meta):
            return
        incoming = self._incoming
        if incoming is None or incoming.meta != meta:
            raise InvalidInputError("snapshot", "nothing of it was received")
        try:
            incoming.complete()
        except (InvalidInputError, DiskFullError, OSError):
            self._forget_incoming()
            raise
        self._incoming = None
        self._adopt(meta)

    def close(self) -> None:
        """Let all files go. A draft is removed, a part is kept."""
        if self._writer is not None:
            self._writer.abandon()
        if self._incoming is not None:
            self._incoming.close()
            self._incoming = None
        for reader in self._stored.values():
            reader.close()
        self._stored.clear()

    def _open(self) -> None:
        parts: list[str] = []
        for name in self._disk.list(self._directory):
            stem = name.removesuffix(DRAFT).removesuffix(PART)
            match = _NAME.match(stem)
            if match is None:
                continue
            if name.endswith(DRAFT):
                self._disk.unlink(f"{self._directory}/{name}")
            elif name.endswith(PART):
                parts.append(name)
            else:
                self._open_stored(int(match[1]), int(match[2]))
        if self._stored:
            # A process that was killed may have left a name that is not durable yet,
            # and we are about to remove what it replaces.
            self._disk.sync_directory(self._directory)
        self._remove_older()
        for name in parts:
            self._open_part(name)

    def _open_stored(self, index: int, term: int) -> None:
        try:
            reader = self._open_reader(index, term)
        except JournalDamagedError as error:
            self.problems = (*self.problems, str(error))
            self._damaged.append((index, term))
        else:
            self._stored[index, term] = reader

    def _open_reader(self, index: int, term: int) -> BlockReader:
        path = self._path(index, term)
        return open_stored(self._disk, path, index, term, self._cluster_id)

    def _open_part(self, name: str) -> None:
        """Go on with it if it is the newest there is; else remove it."""
        newest = self.newest()
        try:
            meta = read_part(self._disk, self._directory, name, self._cluster_id)
        except (JournalDamagedError, ConfigError):
            meta = None
        if (
            meta is None
            or name != name_of(meta.index, meta.term) + PART
            or (newest is not None and meta.index <= newest.index)
            or (self._incoming is not None and meta.index <= self._incoming.meta.index)
        ):
            self._disk.unlink(f"{self._directory}/{name}")
            return
        self._forget_incoming()
        self._incoming = self._begin_incoming(meta)

    def _adopt(self, meta: SnapshotMeta) -> None:
        """A new file has its name, durably."""
        key = (meta.index, meta.term)
        replaced = self._stored.pop(key, None)
        if replaced is not None:
            replaced.close()
        self._stored[key] = self._open_reader(*key)
        self._remove_older()

    def _remove_older(self) -> None:
        if not self._stored:
            return
        newest = max(self._stored)
        superfluous = [
            key
            for key in sorted([*self._stored, *self._damaged])
            if key < newest and key not in self._read_lately
        ]
        for key in superfluous:
            reader = self._stored.pop(key, None)
            if reader is not None:
                reader.close()
            # One that cannot be removed now is removed at the next opening.
            with contextlib.suppress(OSError):
                self._disk.unlink(self._path(*key))
        self._damaged = [key for key in self._damaged if key not in superfluous]
        self._read_lately.clear()

    def _begin_incoming(self, meta: SnapshotMeta) -> Incoming:
        return Incoming(
            self._disk, self._directory, cluster_id=self._cluster_id, meta=meta
        )

    def _forget_incoming(self) -> None:
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.discard()

    def _writer_ended(self) -> None:
        self._writer = None

    def _has(self, meta: SnapshotMeta) -> bool:
        reader = self._stored.get((meta.index, meta.term))
        return reader is not None and reader.meta == meta

    def _reader(self, meta: SnapshotMeta) -> BlockReader:
        reader = self._stored.get((meta.index, meta.term))
        if reader is None or reader.meta != meta:
            raise FileNotFoundError(
                errno.ENOENT,
                "this snapshot is not there",
                self._path(meta.index, meta.term),
            )
        return reader

    def _path(self, index: int, term: int) -> str:
        return f"{self._directory}/{name_of(index, term)}"
