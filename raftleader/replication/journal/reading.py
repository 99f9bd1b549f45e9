"""Reading one segment, in pieces of bounded size, whatever it holds."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from raftleader.errors import JournalDamagedError
from raftleader.replication.disk import Disk, File
from raftleader.replication.journal.format import (
    HEAD_BYTES,
    HEADER_BODY_BYTES_MAX,
    HEADER_BYTES,
    MARKER,
    Header,
    NotAHeaderError,
    checksum,
    decode_head,
    decode_header,
)

SEGMENT_PREFIX = "segment-"
DRAFT_SUFFIX = ".draft"
_DIGITS = 16
_WINDOW_BYTES = 1024 * 1024


def segment_name(sequence: int) -> str:
    """The file of the segment with that number."""
    return f"{SEGMENT_PREFIX}{sequence:0{_DIGITS}d}"


def segment_sequence(name: str) -> int | None:
    """The inverse; None for the name of another file."""
    digits = name.removeprefix(SEGMENT_PREFIX)
    if digits == name or len(digits) != _DIGITS or not digits.isascii():
        return None
    return int(digits) if digits.isdigit() else None


def is_draft(name: str) -> bool:
    """It was to become a segment, and did not."""
    base = name.removesuffix(DRAFT_SUFFIX)
    return base != name and segment_sequence(base) is not None


def list_segments(disk: Disk, directory: str) -> list[int]:
    """The numbers of the segments in ``directory``, in order."""
    numbers = (segment_sequence(name) for name in disk.list(directory))
    return sorted(number for number in numbers if number is not None)


@attrs.frozen
class Batch:
    """A valid batch, from ``offset`` to ``end``."""

    offset: int
    end: int
    body: bytes


class SegmentReader:
    """A segment being read. Keeps one window of the file in memory, and a batch.

    Raises JournalDamagedError at once if it has no valid header, OSError anywhere.
    """

    def __init__(self, file: File, path: str) -> None:
        self.file = file
        self.path = path
        self.size_bytes = file.size()
        self._window = b""
        self._window_offset = 0
        try:
            head = self._read(0, HEADER_BYTES + HEADER_BODY_BYTES_MAX)
            self.header: Header = decode_header(head)
        except NotAHeaderError as error:
            raise JournalDamagedError(path, 0, str(error)) from error

    @property
    def start(self) -> int:
        """Where the first batch begins."""
        return self.header.size_bytes

    def batches(self) -> Iterator[Batch]:
        """The batches from the first on, up to where no valid one follows."""
        offset = self.start
        while (batch := self.batch_at(offset)) is not None:
            yield batch
            offset = batch.end

    def batch_at(self, offset: int) -> Batch | None:
        """The batch at ``offset``, or None if no valid one is there."""
        head = decode_head(self.header.seed, offset, self._read(offset, HEAD_BYTES))
        if head is None:
            return None
        start = offset + HEAD_BYTES
        if start + head.size > self.size_bytes:
            return None
        body = self._read(start, head.size)
        if checksum(head.head_sum, body) != head.body_sum:
            return None
        return Batch(offset, start + head.size, body)

    def find_batch(self, offset: int) -> Batch | None:
        """The first valid batch that begins at or after ``offset``."""
        overlap = HEAD_BYTES - 1
        while offset < self.size_bytes:
            piece = self._read(offset, _WINDOW_BYTES)
            place = piece.find(MARKER)
            while place >= 0:
                head = piece[place : place + HEAD_BYTES]
                if decode_head(self.header.seed, offset + place, head) is not None:
                    batch = self.batch_at(offset + place)
                    if batch is not None:
                        return batch
                place = piece.find(MARKER, place + 1)
            offset += max(len(piece) - overlap, 1)
        return None

    def end_of_data(self, offset: int) -> int:
        """Where the last byte at or after ``offset`` ends that is not zero; or
        ``offset``."""
        end = offset
        while offset < self.size_bytes:
            piece = self.file.read(offset, _WINDOW_BYTES)
            if not piece:
                break
            used = len(piece.rstrip(b"\x00"))
            if used:
                end = offset + used
            offset += len(piece)
        return end

    def _read(self, offset: int, size: int) -> bytes:
        begin = offset - self._window_offset
        if begin >= 0 and begin + size <= len(self._window):
            return self._window[begin : begin + size]
        data = self.file.read(offset, max(size, _WINDOW_BYTES))
        if size < _WINDOW_BYTES:
            self._window, self._window_offset = data, offset
        return data[:size]
