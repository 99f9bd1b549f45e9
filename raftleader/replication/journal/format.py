"""The bytes of the journal: headers of segments, batches, and the records in them.

All numbers are little-endian, all checksums CRC32C; the package's docstring says why
it is so and not otherwise. ::

    segment = header batch* zeros
    header  = magic(8) version(u32) size(u32) crc(u32) body
              body: msgpack [sequence, engine, cluster id, node id, instance];
              crc over all but itself
    batch   = marker(4) size(u32) head crc(u32) body crc(u32) body
              head crc over seed, offset(u64), marker and size; body crc goes on from
              the head crc over the body; the seed is the crc of the header
              body: msgpack array of records
    record  = ["opening", ...] the first of a segment, and there only; or
              ["entries", first index, term, [data...]], ["truncate", from, last term],
              ["ballot", term, vote or nil], ["reset", base index, base term],
              ["note", key, value]

The layout of the header, up to its body's first five fields, is that of all versions.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Annotated

import attrs
import google_crc32c
import msgspec
from msgspec import Meta

FORMAT_VERSION = 1
MAGIC = b"rljseg\r\n"
MARKER = b"\xf5RB\x1a"
BATCH_BYTES_MAX = 256 * 1024 * 1024
"""A longer batch is none: bounds what a reader allocates. The engines' own limits, of
an entry and of the entries waiting, keep a batch far below it."""
HEADER_BODY_BYTES_MAX = 4096
"""Names are at most a few hundred bytes."""

_HEADER = struct.Struct("<8sIII")
_HEADER_SUM = struct.Struct("<8sII")
_HEAD = struct.Struct("<4sIII")
_PLACE = struct.Struct("<Q4sI")
HEADER_BYTES = _HEADER.size
HEAD_BYTES = _HEAD.size

Count = Annotated[int, Meta(ge=0, lt=2**62)]
Position = Annotated[int, Meta(ge=1, lt=2**62)]


class Names(msgspec.Struct, frozen=True, array_like=True):
    """Whose segment it is, and which of its journal's."""

    sequence: Position
    engine: str
    cluster_id: str
    node_id: str
    instance: str


class _Record(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False
):
    """One record; the tag of each subclass is the first element of the array."""


class Opening(_Record, tag="opening", frozen=True, kw_only=True):
    """All that the segments before this one said, but for the entries themselves: they
    may go when a snapshot stands for their entries.

    ``previous_end``: how many bytes of the segment before are used; 0 if none was.
    """

    previous_end: Count
    term: Count
    vote: str | None
    last_index: Count
    last_term: Count
    notes: dict[str, bytes]


class Entries(_Record, tag="entries", frozen=True):
    """Entries of one term that follow each other."""

    first_index: Position
    term: Count
    datas: list[bytes]


class Truncate(_Record, tag="truncate", frozen=True):
    """Drop ``from_index`` and all later; the one before it is of ``last_term``."""

    from_index: Position
    last_term: Count


class BallotCast(_Record, tag="ballot", frozen=True):
    """The term, and whom this node voted for in it."""

    term: Count
    vote: str | None


class Reset(_Record, tag="reset", frozen=True):
    """Forget all entries; the log begins after ``base_index``."""

    base_index: Count
    base_term: Count


class Note(_Record, tag="note", frozen=True):
    """A fact beside the log, in the place of the last of that key."""

    key: str
    value: bytes


Record = Opening | Entries | Truncate | BallotCast | Reset | Note

_encode = msgspec.msgpack.Encoder().encode
_decode_records = msgspec.msgpack.Decoder(list[Record]).decode
_decode_names = msgspec.msgpack.Decoder(Names).decode


@attrs.frozen(kw_only=True)
class Header:
    """A header that was read. ``seed`` begins the checksums of its batches."""

    version: int
    names: Names | None
    size_bytes: int
    seed: int


class NotAHeaderError(ValueError):
    """These bytes begin no segment of a journal."""


def checksum(seed: int, data: bytes) -> int:
    """CRC32C of ``data``, going on from ``seed``."""
    return google_crc32c.extend(seed, data)  # type: ignore[no-any-return]


def encode_header(names: Names) -> tuple[bytes, int]:
    """The header of a new segment, and the seed of its batches."""
    body = _encode(names)
    seed = checksum(0, _HEADER_SUM.pack(MAGIC, FORMAT_VERSION, len(body)) + body)
    return _HEADER.pack(MAGIC, FORMAT_VERSION, len(body), seed) + body, seed


def decode_header(data: bytes) -> Header:
    """Read the header at the beginning of ``data``, which may be longer.

    ``names`` is None if the version is not ours. Raises NotAHeaderError.
    """
    if len(data) < HEADER_BYTES:
        raise NotAHeaderError("the header is cut")
    magic, version, size, expected = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise NotAHeaderError("it is no segment of a journal")
    body = data[HEADER_BYTES : HEADER_BYTES + size]
    if size > HEADER_BODY_BYTES_MAX or len(body) < size:
        raise NotAHeaderError("the header is cut, or its size is wrong")
    if checksum(0, _HEADER_SUM.pack(magic, version, size) + body) != expected:
        raise NotAHeaderError("the checksum of the header is wrong")
    names: Names | None = None
    if version == FORMAT_VERSION:
        try:
            names = _decode_names(body)
        except msgspec.DecodeError as error:
            raise NotAHeaderError(f"the header makes no sense: {error}") from error
    return Header(
        version=version, names=names, size_bytes=HEADER_BYTES + size, seed=expected
    )


def encode_records(records: Sequence[Record]) -> bytes:
    """The body of a batch."""
    return _encode(records)


def decode_records(body: bytes) -> list[Record]:
    """The inverse. Raises ValueError for what is none."""
    try:
        return _decode_records(body)
    except msgspec.DecodeError as error:
        raise ValueError(f"a batch makes no sense: {error}") from error


def encode_batch(seed: int, offset: int, body: bytes) -> bytes:
    """The batch with ``body``, valid at ``offset`` of the segment of ``seed`` only."""
    size = len(body)
    head_sum = checksum(seed, _PLACE.pack(offset, MARKER, size))
    return _HEAD.pack(MARKER, size, head_sum, checksum(head_sum, body)) + body


@attrs.frozen
class Head:
    """The head of a batch, whose own checksum is right."""

    size: int
    head_sum: int
    body_sum: int


def decode_head(seed: int, offset: int, data: bytes) -> Head | None:
    """The head of a batch at ``offset``, or None if ``data`` does not begin one."""
    if len(data) < HEAD_BYTES:
        return None
    marker, size, head_sum, body_sum = _HEAD.unpack_from(data)
    if marker != MARKER or size > BATCH_BYTES_MAX:
        return None
    if checksum(seed, _PLACE.pack(offset, marker, size)) != head_sum:
        return None
    return Head(size, head_sum, body_sum)
