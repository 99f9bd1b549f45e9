"""From the segments on a disk back to what was synced, or a refusal.

Segments are made in order and only when all before is durable, so: the numbers have
no gap; each begins with a valid header and a batch that opens with what the ones
before say; only the last may end in a write that was not finished. Whatever else is
found is damage to something promised.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import attrs

from raftleader.errors import ConfigError, JournalDamagedError
from raftleader.replication.disk import Disk, File
from raftleader.replication.entries import Entry
from raftleader.replication.journal.format import (
    FORMAT_VERSION,
    Entries,
    Names,
    Opening,
    Record,
    Reset,
    Truncate,
    decode_records,
)
from raftleader.replication.journal.position import LogPosition
from raftleader.replication.journal.reading import (
    Batch,
    SegmentReader,
    list_segments,
    segment_name,
)


@attrs.define(kw_only=True)
class Segment:
    """One file of the journal.

    Attributes:
        end: Bytes used.
        seed: Begins the checksums of its batches.
        last_live: The last entry of the log that it may hold.
    """

    sequence: int
    path: str
    seed: int
    end: int
    last_live: int = 0


@attrs.frozen(kw_only=True)
class Owner:
    """Whose journal a node takes for its own."""

    engine: str
    cluster_id: str
    node_id: str


class Replay:
    """What the batches read so far say.

    Attributes:
        entries: Those after ``position.base_index``, without a gap.
        segments: Those that were begun; the last is the current one.
    """

    def __init__(self, *, keeps_entries: bool = True) -> None:
        self._keeps_entries = keeps_entries
        self.position = LogPosition()
        self.entries: list[Entry] = []
        self.segments: list[Segment] = []

    def begin(self, segment: Segment) -> None:
        """The batches that follow are of this one."""
        if self.segments:
            self.segments[-1].last_live = self.position.last_index
        self.segments.append(segment)

    def take(self, batch: Batch, *, is_first: bool) -> list[Record]:
        """Take one valid batch, the first of its segment or not; return its records.

        Raises JournalDamagedError for nonsense: a bug of ours, or a file that is not
        the one that was here.
        """
        segment = self.segments[-1]
        try:
            records = decode_records(batch.body)
            for number, record in enumerate(records):
                if is_first and number == 0:
                    self._open(record)
                else:
                    self._apply(record)
            if is_first and not records:
                raise ValueError("the segment begins without an opening")
        except ValueError as error:
            problem = str(error)
            raise JournalDamagedError(segment.path, batch.offset, problem) from error
        segment.end = batch.end
        return records

    def _open(self, opening: Record) -> None:
        if not isinstance(opening, Opening):
            raise ValueError("the segment begins without an opening")
        if len(self.segments) == 1:
            self.position.begin_at(opening)
        elif opening != self.position.opening(self.segments[-2].end):
            raise ValueError("it does not go on where the segment before it ends")

    def _apply(self, record: Record) -> None:
        position = self.position
        position.apply(record)
        if isinstance(record, Entries):
            if not self._keeps_entries:
                return
            self.entries.extend(
                Entry(data, index, record.term)
                for index, data in enumerate(record.datas, start=record.first_index)
            )
        elif isinstance(record, (Truncate, Reset)):
            del self.entries[position.last_index - position.base_index :]
            limit_live(self.segments[:-1], record)


def limit_live(closed: Iterable[Segment], record: Truncate | Reset) -> None:
    """Of the entries in segments that are closed, some are dropped or all."""
    last = record.from_index - 1 if isinstance(record, Truncate) else 0
    for segment in closed:
        segment.last_live = min(segment.last_live, last)


@attrs.frozen(kw_only=True)
class Recovery:
    """A journal that was read to its end.

    ``file`` is the last segment's, open. ``torn_bytes`` of it, behind the end, are an
    unfinished write.
    """

    replay: Replay
    instance: str
    file: File
    torn_bytes: int


def recover(disk: Disk, directory: str, owner: Owner) -> Recovery | None:
    """Read the journal in ``directory``; None if there is none.

    Changes nothing. Raises ConfigError if it is somebody else's or of a newer format,
    JournalDamagedError, OSError.
    """
    sequences = list_segments(disk, directory)
    if not sequences:
        return None
    replay, instance = Replay(), ""
    for previous, sequence in pairwise([sequences[0] - 1, *sequences]):
        path = f"{directory}/{segment_name(sequence)}"
        if sequence != previous + 1:
            missing = f"{directory}/{segment_name(previous + 1)}"
            raise JournalDamagedError(missing, 0, "the file is not there")
        file = disk.open(path)
        try:
            reader = SegmentReader(file, path)
            names = check_names(reader, sequence, owner)
            if instance not in ("", names.instance):
                raise JournalDamagedError(path, 0, "it is a segment of another journal")
            instance = names.instance
            is_last = sequence == sequences[-1]
            torn_bytes = _replay_segment(replay, reader, sequence, is_last=is_last)
            if is_last:
                return Recovery(
                    replay=replay, instance=instance, file=file, torn_bytes=torn_bytes
                )
        except BaseException:
            file.close()
            raise
        file.close()
    raise AssertionError("the last segment is the last")


def check_names(reader: SegmentReader, sequence: int, owner: Owner) -> Names:
    """Whose segment it is by its header, which must be ours."""
    header, path = reader.header, reader.path
    names = header.names
    if names is None:
        raise ConfigError(
            f"journal {path} has format {header.version}; this version reads format "
            f"{FORMAT_VERSION}: start the version that wrote it"
        )
    if (names.cluster_id, names.node_id) != (owner.cluster_id, owner.node_id):
        raise ConfigError(
            f"journal {path} is of cluster {names.cluster_id!r}, node "
            f"{names.node_id!r}; this is cluster {owner.cluster_id!r}, node "
            f"{owner.node_id!r}: each node needs a data directory of its own"
        )
    if names.engine != owner.engine:
        raise ConfigError(
            f"journal {path} was written by the engine {names.engine!r}, this node "
            f"runs {owner.engine!r}: start it with the engine {names.engine!r}, or "
            "with an empty data directory if nothing in it is needed"
        )
    if names.sequence != sequence:
        problem = f"it is segment {names.sequence} by its header"
        raise JournalDamagedError(path, 0, problem)
    return names


def _replay_segment(
    replay: Replay, reader: SegmentReader, sequence: int, *, is_last: bool
) -> int:
    """Take its batches; return how many bytes of an unfinished write follow."""
    seed, start = reader.header.seed, reader.start
    segment = Segment(sequence=sequence, path=reader.path, seed=seed, end=start)
    replay.begin(segment)
    for batch in reader.batches():
        replay.take(batch, is_first=batch.offset == start)
    if segment.end == start:
        # It got its name when its first batch was durable.
        raise JournalDamagedError(reader.path, start, "its first batch is damaged")
    torn_bytes = reader.end_of_data(segment.end) - segment.end
    if not torn_bytes:
        return 0
    if not is_last:
        problem = "a batch is damaged, and another segment follows"
        raise JournalDamagedError(reader.path, segment.end, problem)
    valid = reader.find_batch(segment.end + 1)
    if valid is not None:
        problem = f"a batch is damaged, and a valid one follows at byte {valid.offset}"
        raise JournalDamagedError(reader.path, segment.end, problem)
    return torn_bytes
