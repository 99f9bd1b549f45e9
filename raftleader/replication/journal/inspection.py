"""Looking at a journal without being its node: as far as it can be read at all.

Changes nothing, takes no lock, and goes on behind damage at the next valid batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import attrs

from raftleader.errors import ConfigError, JournalDamagedError
from raftleader.replication.disk import Disk
from raftleader.replication.journal.format import (
    FORMAT_VERSION,
    Entries,
    Names,
    Record,
    decode_records,
)
from raftleader.replication.journal.position import LogPosition
from raftleader.replication.journal.reading import (
    Batch,
    SegmentReader,
    list_segments,
    segment_name,
)
from raftleader.replication.journal.recovery import Replay, Segment


@attrs.frozen(kw_only=True)
class ReadRecord:
    """A record, and the file and offset of the batch that it is in."""

    file: str
    offset: int
    record: Record


@attrs.frozen(kw_only=True)
class Problem:
    """What is wrong at a place."""

    file: str
    offset: int
    problem: str


@attrs.define(kw_only=True)
class SegmentFacts:
    """What is in one file, as far as it can be read."""

    file: str
    size_bytes: int
    used_bytes: int = 0
    batches: int = 0
    entries: int = 0


@attrs.define(kw_only=True)
class Inspection:
    """What was found so far; complete when ``walk`` has ended.

    Attributes:
        names: Whose journal it is, by the first header that can be read.
        torn: What the next start of the node would cut: a write that was not finished.
        position: What the records say, up to the first problem.
    """

    names: Names | None = None
    segments: list[SegmentFacts] = attrs.field(factory=list)
    problems: list[Problem] = attrs.field(factory=list)
    torn: Problem | None = None
    replay: Replay = attrs.field(factory=lambda: Replay(keeps_entries=False))

    @property
    def position(self) -> LogPosition:
        return self.replay.position

    def add(self, file: str, offset: int, problem: str) -> None:
        self.problems.append(Problem(file=file, offset=offset, problem=problem))


def count_bytes(disk: Disk, directory: str) -> int:
    """Size of all segments: what ``walk`` will have read at its end."""
    total = 0
    for sequence in list_segments(disk, directory):
        with suppress(FileNotFoundError):
            file = disk.open(f"{directory}/{segment_name(sequence)}")
            total += file.size()
            file.close()
    return total


def walk(
    disk: Disk,
    directory: str,
    found: Inspection,
    *,
    on_read: Callable[[int], None] = lambda total: None,
) -> Iterator[ReadRecord]:
    """All records that can be read, in order; ``found`` is filled meanwhile.

    ``on_read`` is told how many bytes are done. Raises ConfigError if there is no
    journal or it is of a newer format, OSError.
    """
    sequences = list_segments(disk, directory)
    if not sequences:
        raise ConfigError(f"there is no journal in {directory}")
    done, expected = 0, sequences[0]
    for sequence in sequences:
        for missing in range(expected, min(sequence, expected + 10)):
            found.add(segment_name(missing), 0, "the file is not there")
        expected = sequence + 1
        name = segment_name(sequence)
        try:
            file = disk.open(f"{directory}/{name}")
        except FileNotFoundError:
            if found.segments:
                raise
            continue  # a node that runs has dropped it just now
        try:
            facts = SegmentFacts(file=name, size_bytes=file.size())
            found.segments.append(facts)
            try:
                reader = SegmentReader(file, name)
            except JournalDamagedError as error:
                found.add(name, error.offset, error.problem)
            else:
                _meet(reader, sequence, found)
                is_last = sequence == sequences[-1]
                for record in _walk_segment(reader, sequence, facts, found, is_last):
                    on_read(done + record.offset)
                    yield record
            done += facts.size_bytes
            on_read(done)
        finally:
            file.close()


def _meet(reader: SegmentReader, sequence: int, found: Inspection) -> None:
    names, name = reader.header.names, reader.path
    if names is None:
        raise ConfigError(
            f"{name} has format {reader.header.version}; this version reads format "
            f"{FORMAT_VERSION}"
        )
    if names.sequence != sequence:
        found.add(name, 0, f"it is segment {names.sequence} by its header")
    if found.names is None:
        found.names = names
    elif (names.instance, names.node_id) != (
        found.names.instance,
        found.names.node_id,
    ):
        found.add(name, 0, "it is a segment of another journal")


def _walk_segment(
    reader: SegmentReader,
    sequence: int,
    facts: SegmentFacts,
    found: Inspection,
    is_last: bool,
) -> Iterator[ReadRecord]:
    seed, name, start = reader.header.seed, reader.path, reader.start
    found.replay.begin(Segment(sequence=sequence, path=name, seed=seed, end=start))
    offset = facts.used_bytes = start
    while True:
        batch = reader.batch_at(offset)
        if batch is None:
            batch = _behind_damage(reader, offset, facts, found, is_last)
        if batch is None:
            return
        for record in _records(batch, name, found, is_first=batch.offset == start):
            if isinstance(record, Entries):
                facts.entries += len(record.datas)
            yield ReadRecord(file=name, offset=batch.offset, record=record)
        facts.batches += 1
        offset = facts.used_bytes = batch.end


def _behind_damage(
    reader: SegmentReader,
    offset: int,
    facts: SegmentFacts,
    found: Inspection,
    is_last: bool,
) -> Batch | None:
    """No valid batch is at ``offset``: say what that means; the next one, if any."""
    data_bytes = reader.end_of_data(offset) - offset
    following = reader.find_batch(offset + 1) if data_bytes else None
    if following is not None:
        skipped = following.offset - offset
        problem = f"{skipped} bytes are damaged; a valid batch follows"
    elif facts.batches == 0:
        problem = "its first batch is damaged"
    elif not data_bytes:
        return None
    elif is_last:
        unfinished = f"{data_bytes} bytes of an unfinished write"
        found.torn = Problem(file=reader.path, offset=offset, problem=unfinished)
        return None
    else:
        problem = f"{data_bytes} bytes are damaged; another segment follows"
    found.add(reader.path, offset, problem)
    return following


def _records(
    batch: Batch, name: str, found: Inspection, *, is_first: bool
) -> list[Record]:
    try:
        if not found.problems:
            return found.replay.take(batch, is_first=is_first)
        return decode_records(batch.body)
    except JournalDamagedError as error:
        found.add(name, batch.offset, error.problem)
    except ValueError as error:
        found.add(name, batch.offset, str(error))
    try:
        return decode_records(batch.body)
    except ValueError:
        return []
