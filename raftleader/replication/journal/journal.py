"""The journal of one node, open: records in, one write and one fdatasync out."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Self

import attrs

from raftleader.errors import ConfigError, JournalDamagedError
from raftleader.replication.disk import Disk
from raftleader.replication.entries import Entry
from raftleader.replication.journal.format import (
    BATCH_BYTES_MAX,
    BallotCast,
    Entries,
    Note,
    Record,
    Reset,
    Truncate,
)
from raftleader.replication.journal.position import LogPosition, entry_records
from raftleader.replication.journal.recovery import (
    Owner,
    limit_live,
    recover,
)
from raftleader.replication.journal.segment_files import SegmentFiles
from raftleader.replication.os_disk import OsDisk

logger = logging.getLogger(__name__)

SEGMENT_BYTES = 64 * 1024 * 1024
"""Preallocated at once. Small enough that a snapshot soon frees some, large enough
that making one, which costs two more syncs, is rare."""
PENDING_BYTES_MAX = BATCH_BYTES_MAX // 2
"""Of entries that wait for a sync; leaves room for what is written around them."""
NOTES_BYTES_MAX = 1024 * 1024
"""All notes together: each segment begins with them."""


def draw_instance() -> str:
    """A name for a new data directory that no other has."""
    return secrets.token_hex(8)


@attrs.frozen(kw_only=True)
class Recovered:
    """What was durable when the journal was opened.

    Attributes:
        base_index: The log begins after this entry, which is of ``base_term``.
        entries: The log, oldest first. The list is the reader's to keep and change.
        instance: Names this directory: drawn when it was made.
        notes: The facts beside the log, by key.
        repairs: What was cut, in words; empty after an orderly end.
    """

    term: int
    vote: str | None
    base_index: int
    base_term: int
    entries: list[Entry]
    instance: str
    notes: Mapping[str, bytes]
    repairs: tuple[str, ...]


class Journal:
    """See the package. What is added counts only after ``sync``.

    Everything blocks the thread. Not safe across threads. After a failure that is
    final every call but ``close`` and ``abandon`` raises OSError.

    Attributes:
        directory: Where its segments are.
        instance: Names this directory: drawn when it was made.
    """

    def __init__(
        self,
        directory: str,
        *,
        owner: Owner,
        disk: Disk,
        segment_bytes: int,
        draw_instance: Callable[[], str],
    ) -> None:
        """For ``open`` alone: the directory is there and locked."""
        self.directory = directory
        self._owner = owner
        self._disk = disk
        self._files = SegmentFiles(
            disk, directory, owner=owner, segment_bytes=segment_bytes
        )
        self._records: list[Record] = []
        self._pending_bytes = 0
        self._position = LogPosition()
        self._recovered: Recovered | None = None
        self._synced = self._position.opening(0)
        self.instance = ""
        try:
            self._recover(draw_instance)
        except BaseException:
            self._files.close()
            raise

    @classmethod
    def open(
        cls,
        directory: str,
        *,
        cluster_id: str,
        node_id: str,
        engine: str,
        disk: Disk | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        draw_instance: Callable[[], str] = draw_instance,
    ) -> Self:
        """Open the journal in ``directory``, or make a new one, and lock it.

        A batch that was being written at a crash is cut: see ``Recovered.repairs``
        and the log. Raises ConfigError if the journal is of another cluster, node,
        engine or version, or open elsewhere; JournalDamagedError if it cannot be
        trusted; DiskFullError; OSError.
        """
        disk = OsDisk() if disk is None else disk
        try:
            disk.make_directory(directory)
        except (FileExistsError, NotADirectoryError) as error:
            raise ConfigError(
                f"journal {directory} is a file, as earlier versions wrote it; "
                "journals are directories now, and that file cannot be taken over: "
                "give this version an empty data directory"
            ) from error
        try:
            disk.lock(directory)
        except BlockingIOError as error:
            raise ConfigError(
                f"journal {directory} is open in another process: stop that node "
                "first, or give this one a data directory of its own"
            ) from error
        try:
            return cls(
                directory,
                owner=Owner(engine=engine, cluster_id=cluster_id, node_id=node_id),
                disk=disk,
                segment_bytes=segment_bytes,
                draw_instance=draw_instance,
            )
        except BaseException:
            disk.unlock(directory)
            raise

    @property
    def recovered(self) -> Recovered:
        """What was there. The journal lets go of it at the first ``append``: whoever
        uses the entries knows better than it does how long to keep them."""
        if self._recovered is None:
            raise RuntimeError("take what was recovered before you append")
        return self._recovered

    @property
    def first_index(self) -> int:
        """Index of the first entry it holds, or of the next if it holds none."""
        return self._position.base_index + 1

    @property
    def last_index(self) -> int:
        """Index of the last entry; that before ``first_index`` if there is none."""
        return self._position.last_index

    @property
    def is_dirty(self) -> bool:
        """Records wait for ``sync``."""
        return bool(self._records)

    @property
    def size_bytes(self) -> int:
        """Bytes used in all segments, and entries waiting for ``sync``."""
        return (
            sum(segment.end for segment in self._files.segments) + self._pending_bytes
        )

    def append(self, entries: Sequence[Entry]) -> None:
        """Add entries that follow the last one.

        Raises ValueError, and adds none, if they do not or if they are more than one
        write can hold.
        """
        if not entries:
            return
        self._files.require_alive()
        following = self._position.last_index + 1
        expected = range(following, following + len(entries))
        if [entry.index for entry in entries] != list(expected):
            first, last = entries[0].index, entries[-1].index
            raise ValueError(f"entries {first} to {last} after entry {following - 1}")
        size = sum([len(entry.data) for entry in entries])
        if self._pending_bytes + size > PENDING_BYTES_MAX:
            raise ValueError(f"more than {PENDING_BYTES_MAX} bytes wait for a sync")
        for record in entry_records(entries):
            self._position.append(record.first_index, record.term, len(record.datas))
            self._add_entries(record)
        self._pending_bytes += size
        self._recovered = None

    def truncate(self, from_index: int) -> None:
        """Drop entry ``from_index``, which must be there, and all later ones."""
        if not self.first_index <= from_index <= self.last_index:
            raise ValueError(f"no entry {from_index} to truncate from")
        last_term = self._position.term_at(from_index - 1)
        self._add(Truncate(from_index, last_term))

    def set_ballot(self, term: int, vote: str | None) -> None:
        """Remember the term and the vote cast in it. A term never goes down."""
        self._add(BallotCast(term, vote))

    def reset(self, base_index: int, base_term: int) -> None:
        """A snapshot stands for the log up to ``base_index``: begin empty after it.

        Segments that are not needed any more go in the ``sync`` that makes it so.
        """
        self._add(Reset(base_index, base_term))

    def note(self, key: str, value: bytes) -> None:
        """Keep a small fact beside the log, in the place of the last of that key."""
        notes = {**self._position.notes, key: value}
        size = sum(len(name.encode()) + len(fact) for name, fact in notes.items())
        if size > NOTES_BYTES_MAX:
            raise ValueError(f"notes of {size} bytes; the limit is {NOTES_BYTES_MAX}")
        self._add(Note(key, value))

    def sync(self) -> None:
        """Make everything added so far durable: one write, one fdatasync, or nothing.

        Raises DiskFullError if there is no room: everything still waits, and a later
        call tries again. Any other OSError is final: the kernel may have dropped the
        pages it could not write, so a second fdatasync would prove nothing.
        """
        if self._records:
            self._files.write(self._records, self._synced)
            self._settle()

    def drop_before(self, index: int) -> None:
        """Remove the segments that hold nothing from entry ``index`` on.

        A durable snapshot must stand for all before it. Oldest first, each removal
        durable before the next: so no crash leaves a gap. Raises DiskFullError, to be
        tried again, or OSError, which is final.
        """
        self._files.require_alive()
        segments = self._files.segments
        while len(segments) > 1 and segments[0].last_live < index:
            last_live = segments[0].last_live
            self._files.drop_oldest()
            kept_from = min(last_live, self._position.last_index)
            self._position.forget_before(kept_from)

    def close(self) -> None:
        """Sync, unless an earlier failure was final, and let go. Idempotent."""
        try:
            if self._files.is_alive:
                self.sync()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let go without a sync, as a killed process would. Idempotent."""
        was_open = self._files.is_open
        self._files.close()
        if was_open:
            self._disk.unlock(self.directory)

    def _add(self, record: Record) -> None:
        self._files.require_alive()
        self._position.apply(record)
        self._records.append(record)

    def _add_entries(self, record: Entries) -> None:
        """Many small calls shall make one record."""
        last = self._records[-1] if self._records else None
        if isinstance(last, Entries) and last.term == record.term:
            last.datas.extend(record.datas)
        else:
            self._records.append(record)

    def _settle(self) -> None:
        """What waited is durable."""
        records, self._records = self._records, []
        self._pending_bytes = 0
        *closed, current = self._files.segments
        self._synced = self._position.opening(current.end)
        if not closed:
            return
        is_reset = False
        for record in records:
            if isinstance(record, (Truncate, Reset)):
                limit_live(closed, record)
                is_reset |= isinstance(record, Reset)
        if is_reset:
            self.drop_before(self.first_index)

    def _recover(self, draw_instance: Callable[[], str]) -> None:
        files = self._files
        found = recover(self._disk, self.directory, self._owner)
        files.remove_drafts()
        if found is None:
            self.instance = files.instance = draw_instance()
            files.write([], self._synced)
            self._note_recovered([], ())
            return
        self.instance = files.instance = found.instance
        segments = found.replay.segments
        self._position = found.replay.position
        files.go_on(found.file, segments, found.torn_bytes)
        repairs: tuple[str, ...] = ()
        if found.torn_bytes:
            repair = (
                f"{segments[-1].path}: cut {found.torn_bytes} bytes of an unfinished "
                f"write at byte {segments[-1].end}"
            )
            logger.warning("journal %s", repair)
            repairs = (repair,)
        self._note_recovered(found.replay.entries, repairs)
        self.drop_before(self.first_index)  # where a reset was cut short

    def _note_recovered(self, entries: list[Entry], repairs: tuple[str, ...]) -> None:
        position = self._position
        self._synced = position.opening(self._files.segments[-1].end)
        self._recovered = Recovered(
            term=position.term,
            vote=position.vote,
            base_index=position.base_index,
            base_term=position.base_term,
            entries=entries,
            instance=self.instance,
            notes=dict(position.notes),
            repairs=repairs,
        )


def whole_log(journal: Journal) -> Recovered:
    """What was recovered, for an engine that makes no snapshots: it needs the log from
    the first entry on. Raises JournalDamagedError if the beginning is gone."""
    recovered = journal.recovered
    if recovered.base_index > 0:
        problem = f"entries 1 to {recovered.base_index} are gone, and no snapshot is"
        raise JournalDamagedError(journal.directory, 0, f"{problem} in their place")
    return recovered
