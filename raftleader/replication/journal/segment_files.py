"""The files behind a journal: one is written to, and when it is full the next."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from contextlib import suppress

from raftleader.errors import DiskFullError
from raftleader.replication.disk import Disk, File
from raftleader.replication.journal.format import (
    HEAD_BYTES,
    Names,
    Opening,
    Record,
    encode_batch,
    encode_header,
    encode_records,
)
from raftleader.replication.journal.reading import (
    DRAFT_SUFFIX,
    is_draft,
    segment_name,
)
from raftleader.replication.journal.recovery import Owner, Segment

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class SegmentFiles:
    """The segments of one directory, the last of them open.

    Everything blocks. A call raises DiskFullError with nothing changed, to be tried
    again, or another OSError, which is final: every later call raises OSError too.

    Attributes:
        segments: Oldest first.
        is_open: Until ``close``.
    """

    def __init__(
        self, disk: Disk, directory: str, *, owner: Owner, segment_bytes: int
    ) -> None:
        self.segments: list[Segment] = []
        self.instance = ""
        self._disk = disk
        self._directory = directory
        self._owner = owner
        self._segment_bytes = segment_bytes
        self._file: File | None = None
        self._room = 0
        self._has_leftover = False
        """A write that found no room may have left something behind the end."""
        self._problem: str | None = None

    @property
    def is_open(self) -> bool:
        return self._file is not None

    @property
    def is_alive(self) -> bool:
        """Nothing failed for good, and it is not closed."""
        return self._problem is None

    def require_alive(self) -> None:
        """Raises OSError if a failure was final, or it is closed."""
        if self._problem is not None:
            problem = f"journal {self._directory} takes nothing more: {self._problem}"
            raise OSError(problem)

    def write(self, records: Sequence[Record], opening: Opening) -> None:
        """Make a batch of ``records`` durable: in this segment, or in the next, which
        begins with ``opening``."""
        self.require_alive()
        if self.segments:
            segment = self.segments[-1]
            body = encode_records(records)
            end = segment.end + HEAD_BYTES + len(body)
            if end <= self._segment_bytes:
                self._write_batch(segment, body, end)
                return
        self._begin_segment(records, opening)

    def drop_oldest(self) -> None:
        """Remove the first segment, durably."""
        self.require_alive()
        is_final = False
        try:
            with suppress(FileNotFoundError):  # an earlier try came so far
                self._disk.unlink(self.segments[0].path)
            is_final = True
            self._disk.sync_directory(self._directory)
        except OSError as error:
            raise self._failure(error, is_final=is_final) from error
        del self.segments[0]

    def remove_drafts(self) -> None:
        """What was to become a segment, and did not before a crash."""
        for name in self._disk.list(self._directory):
            if is_draft(name):
                self._disk.unlink(f"{self._directory}/{name}")

    def go_on(self, file: File, segments: list[Segment], torn_bytes: int) -> None:
        """Write on behind what was found in ``file``, the last of ``segments``.

        Cuts what was not finished, and makes durable what we shall rely on: a killed
        process may have written it without a sync.
        """
        self._file, self.segments = file, segments
        try:
            if torn_bytes:
                file.truncate(segments[-1].end)
            file.sync()
            self._disk.sync_directory(self._directory)
        except OSError as error:
            raise self._failure(error, is_final=True) from error
        self._room = file.size()

    def close(self) -> None:
        """Let go. Idempotent."""
        self._problem = self._problem or "it is closed"
        if self._file is not None:
            self._file.close()
            self._file = None

    def _failure(self, error: OSError, *, is_final: bool) -> DiskFullError | OSError:
        """What to raise for ``error``, having noted what follows from it."""
        if error.errno in _FULL and not is_final:
            return DiskFullError(f"no room for the journal {self._directory}: {error}")
        self._problem = f"an earlier write failed: {error}"
        return error

    def _write_batch(self, segment: Segment, body: bytes, end: int) -> None:
        file = self._file
        assert file is not None
        batch = encode_batch(segment.seed, segment.end, body)
        try:
            if end > self._room:
                file.allocate(self._segment_bytes)
                self._room = self._segment_bytes
            self._has_leftover = True
            file.write(segment.end, batch)
            self._has_leftover = False
        except OSError as error:
            raise self._failure(error, is_final=False) from error
        try:
            file.sync()
        except OSError as error:
            # The page cache may show it to the next process, though it is not on the
            # disk. Nobody was told of it: better it is gone.
            with suppress(OSError):
                file.truncate(segment.end)
            raise self._failure(error, is_final=True) from error
        segment.end = end

    def _begin_segment(self, records: Sequence[Record], opening: Opening) -> None:
        """Make the next segment, with all of ``records`` in its first batch.

        It is written under another name, which it gets when it is durable: so what
        has the name of a segment begins with a valid batch.
        """
        if self._has_leftover:
            self._remove_leftover()
        owner = self._owner
        sequence = self.segments[-1].sequence + 1 if self.segments else 1
        header, seed = encode_header(
            Names(
                sequence, owner.engine, owner.cluster_id, owner.node_id, self.instance
            )
        )
        body = encode_records([opening, *records])
        content = header + encode_batch(seed, len(header), body)
        path = f"{self._directory}/{segment_name(sequence)}"
        file = self._make_file(path, content)
        if self._file is not None:
            previous = self.segments[-1]
            previous.last_live = opening.last_index
            with suppress(OSError):  # only gives back room
                self._file.truncate(previous.end)
            self._file.close()
        self._file = file
        self._room = max(self._segment_bytes, len(content))
        self.segments.append(
            Segment(sequence=sequence, path=path, seed=seed, end=len(content))
        )

    def _remove_leftover(self) -> None:
        """What is behind the end of a segment must be zeros before another begins: or
        it would look like damage, or like a batch."""
        assert self._file is not None
        try:
            self._file.truncate(self.segments[-1].end)
            self._file.sync()
        except OSError as error:
            raise self._failure(error, is_final=True) from error
        self._has_leftover = False
        self._room = self._file.size()

    def _make_file(self, path: str, content: bytes) -> File:
        """A new segment, durable, or nothing of it."""
        draft = path + DRAFT_SUFFIX
        file: File | None = None
        is_final = False
        try:
            if self._disk.exists(draft):
                self._disk.unlink(draft)
            file = self._disk.open(draft, create=True)
            file.allocate(max(self._segment_bytes, len(content)))
            file.write(0, content)
            is_final = True
            file.sync()
            is_final = False
            self._disk.rename(draft, path)
            is_final = True
            self._disk.sync_directory(self._directory)
        except OSError as error:
            if file is not None:
                file.close()
            for leftover in (path, draft):
                with suppress(OSError):
                    self._disk.unlink(leftover)
            raise self._failure(error, is_final=is_final) from error
        return file
