"""Damage to the files of a journal: what can be damaged, and how it is put back.

Only of a node that is dead. Places are chosen so that the node can tell: anywhere in
what was synced, but for the last batch of all, which looks like a write that a crash
cut short (docs/journal.md).
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path

import attrs

from chaos.live.seams import ImpossibleError
from raftleader.replication.journal.format import encode_batch
from raftleader.replication.journal.reading import (
    SegmentReader,
    list_segments,
    segment_name,
)
from raftleader.replication.os_disk import OsDisk

JOURNAL = "journal"


@attrs.frozen(kw_only=True)
class SegmentView:
    """A file of a journal: where its batches begin, and where the last one ends."""

    path: Path
    seed: int
    batches: Sequence[int]
    end: int


@attrs.frozen(kw_only=True)
class Damage:
    """What was done to a file, and what was there before.

    Attributes:
        offset: The first byte that is not what it was.
        before: From there on, up to the end of what was used.
        size_bytes: Of the file, before.
    """

    file: Path
    offset: int
    before: bytes
    size_bytes: int

    def undo(self) -> None:
        """Byte for byte as it was. Raises OSError."""
        with self.file.open("r+b") as file:
            file.seek(self.offset)
            file.write(self.before)
            file.truncate(self.size_bytes)
            os.fsync(file.fileno())


def view_journal(data_dir: Path) -> list[SegmentView]:
    """Its files, oldest first. Raises ImpossibleError if there is nothing to damage,
    JournalDamagedError or OSError if it cannot be read."""
    directory = data_dir / JOURNAL
    if not directory.is_dir():
        raise ImpossibleError(f"there is no journal in {data_dir} yet")
    disk = OsDisk(is_read_only=True)
    found: list[SegmentView] = []
    for sequence in list_segments(disk, str(directory)):
        path = directory / segment_name(sequence)
        file = disk.open(str(path))
        try:
            reader = SegmentReader(file, str(path))
            batches = list(reader.batches())
        finally:
            file.close()
        if not batches:
            raise ImpossibleError(f"{path} has no batch yet")
        found.append(
            SegmentView(
                path=path,
                seed=reader.header.seed,
                batches=[batch.offset for batch in batches],
                end=batches[-1].end,
            )
        )
    if not found:
        raise ImpossibleError(f"there is no journal in {data_dir} yet")
    return found


def flip_bit(segments: Sequence[SegmentView], rng: random.Random) -> Damage:
    """Change one bit of what a node must not take for a torn write."""
    ends = [segment.end for segment in segments]
    last = segments[-1]
    if len(last.batches) > 1:
        ends[-1] = last.batches[-1]
    (segment,) = rng.choices(segments, weights=ends)
    offset = rng.randrange(ends[segments.index(segment)])
    damage = _before(segment, offset)
    with segment.path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes([damage.before[0] ^ 1 << rng.randrange(8)]))
        os.fsync(file.fileno())
    return damage


def cut_short(segments: Sequence[SegmentView], rng: random.Random) -> Damage:
    """Cut a file in the middle of what was synced, where the node can tell: a closed
    one anywhere, the last one within its first batch."""
    ends = [segment.end for segment in segments]
    last = segments[-1]
    ends[-1] = last.batches[1] if len(last.batches) > 1 else last.end
    segment = rng.choice(segments)
    offset = rng.randrange(ends[segments.index(segment)])
    damage = _before(segment, offset)
    os.truncate(segment.path, offset)
    _sync(segment.path)
    return damage


def tear(segments: Sequence[SegmentView], rng: random.Random) -> int:
    """Add what a crash in the middle of a write leaves behind the end: the beginning of
    a batch that nobody was promised; how many bytes."""
    last = segments[-1]
    batch = encode_batch(last.seed, last.end, rng.randbytes(rng.randrange(64, 4096)))
    torn = batch[: rng.randrange(1, len(batch))]
    with last.path.open("r+b") as file:
        file.seek(last.end)
        file.write(torn)
        os.fsync(file.fileno())
    return len(torn)


def _before(segment: SegmentView, offset: int) -> Damage:
    with segment.path.open("rb") as file:
        file.seek(offset)
        before = file.read(segment.end - offset)
    return Damage(
        file=segment.path,
        offset=offset,
        before=before,
        size_bytes=segment.path.stat().st_size,
    )


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
