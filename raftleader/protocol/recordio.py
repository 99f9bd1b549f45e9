"""RecordIO: how Mesos frames events on a stream.

A record is its length in decimal ASCII, a line feed, and so many bytes. Records
may be cut and joined in any way on their travel; none is ever empty.
"""

from __future__ import annotations

from raftleader.errors import InvalidInputError

RECORD_BYTES_MAX = 64 * 1024 * 1024
"""Largest record a reader takes: the offers of a whole large cluster fit."""


def encode_record(payload: bytes) -> bytes:
    """``payload`` as one record. Must not be empty (asserted)."""
    assert payload, "a record is never empty"
    return b"%d\n%b" % (len(payload), payload)


class RecordDecoder:
    """Cuts a stream of bytes into records, however the bytes arrive.

    Does no IO. After an error every further call raises the same error: what
    follows damage cannot be trusted.
    """

    def __init__(self, *, record_bytes_max: int = RECORD_BYTES_MAX) -> None:
        self._record_bytes_max = record_bytes_max
        self._digits_max = len(str(record_bytes_max))
        self._buffer = bytearray()
        self._offset = 0
        """Place of the buffer's first byte in the stream."""
        self._length: int | None = None
        self._error: InvalidInputError | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """The records that ``data`` completes, in order.

        Raises InvalidInputError that names the byte of the stream, also when
        good records came before it in ``data``.
        """
        if self._error is not None:
            raise self._error
        self._buffer += data
        records: list[bytes] = []
        start = 0
        while True:
            if self._length is None:
                end = self._buffer.find(b"\n", start, start + self._digits_max + 1)
                if end < 0:
                    self._check_digits(start, len(self._buffer))
                    break
                self._length = self._read_length(start, end)
                start = end + 1
            if len(self._buffer) - start < self._length:
                break
            records.append(bytes(self._buffer[start : start + self._length]))
            start += self._length
            self._length = None
        del self._buffer[:start]
        self._offset += start
        return records

    def finish(self) -> None:
        """The stream ended. Raises InvalidInputError if in the middle of a record."""
        if self._error is not None:
            raise self._error
        if self._buffer or self._length is not None:
            raise self._fail(len(self._buffer), "the stream ended within a record")

    def _read_length(self, start: int, end: int) -> int:
        self._check_digits(start, end)
        if end == start:
            raise self._fail(start, "expected the length of a record")
        length = int(self._buffer[start:end])
        if length == 0:
            raise self._fail(start, "a record must not be empty")
        if length > self._record_bytes_max:
            raise self._fail(
                start,
                f"a record of {length} bytes is larger than {self._record_bytes_max}",
            )
        return length

    def _check_digits(self, start: int, end: int) -> None:
        for place in range(start, min(end, start + self._digits_max + 1)):
            if not 48 <= self._buffer[place] <= 57:
                found = bytes(self._buffer[place : place + 1])
                raise self._fail(place, f"expected a digit, found {found!r}")
        if end - start > self._digits_max:
            raise self._fail(
                start, f"a record's length has more than {self._digits_max} digits"
            )

    def _fail(self, place: int, problem: str) -> InvalidInputError:
        self._error = InvalidInputError(f"byte {self._offset + place}", problem)
        self._buffer.clear()
        return self._error
