"""What is in the file of a snapshot.

    file    header, blocks
    header  magic (8 bytes), format version (2), size of the header (4), size of the
            body (4), body (msgpack of ``Header``), zeros, CRC-32C of all that (4);
            a multiple of 4096 bytes
    block   CRC-32C of its number and its data (4), data: ``BLOCK_BYTES``, the last
            one what is left

Numbers are big-endian. The header says how many bytes of state there are and what
their checksum is, so a file that was cut is known by its size alone. Header and place
of its checksum are the same in every version.
"""

from __future__ import annotations

import struct

import google_crc32c
import msgspec

from raftleader.errors import ConfigError, JournalDamagedError
from raftleader.replication.disk import File
from raftleader.replication.raft.configuration import Configuration
from raftleader.replication.raft.messages import SnapshotMeta

MAGIC = b"RLSNAP\r\n"
VERSION = 1
BLOCK_BYTES = 64 * 1024
"""Of state in a block: what is read, checked and written at once."""
CHECKSUM_BYTES = 16
"""Of the whole: BLAKE2b, over the bytes of state."""

_PAGE_BYTES = 4096
_HEADER_BYTES_MAX = 1024 * 1024
_COUNT_MAX = 2**62 - 1

_prelude = struct.Struct(">8sHII")
_crc = struct.Struct(">I")
_number = struct.Struct(">Q")


class Header(msgspec.Struct, frozen=True, array_like=True):
    """Whose state, and which."""

    cluster_id: str
    block_bytes: int
    meta: SnapshotMeta


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Header)


def header_bytes(
    cluster_id: str, index: int, term: int, configuration: Configuration
) -> int:
    """Size of the header of such a snapshot, whatever size the state will have."""
    largest = SnapshotMeta(
        index=index,
        term=term,
        configuration=configuration,
        size_bytes=_COUNT_MAX,
        checksum=bytes(CHECKSUM_BYTES),
    )
    body = _encoder.encode(Header(cluster_id, BLOCK_BYTES, largest))
    size = _prelude.size + len(body) + _crc.size
    return -(-size // _PAGE_BYTES) * _PAGE_BYTES


def encode_header(cluster_id: str, meta: SnapshotMeta) -> bytes:
    """The header, of ``header_bytes``."""
    size = header_bytes(cluster_id, meta.index, meta.term, meta.configuration)
    body = _encoder.encode(Header(cluster_id, BLOCK_BYTES, meta))
    content = _prelude.pack(MAGIC, VERSION, size, len(body)) + body
    content = content.ljust(size - _crc.size, b"\0")
    return content + _crc.pack(google_crc32c.value(content))


def read_header(path: str, file: File, cluster_id: str) -> SnapshotMeta:
    """What the file is a snapshot of.

    Raises JournalDamagedError; ConfigError if the file is of another cluster or of a
    newer version of this program."""
    begin = file.read(0, _prelude.size)
    if len(begin) < _prelude.size:
        raise JournalDamagedError(path, len(begin), "the header is cut")
    magic, version, size, body_bytes = _prelude.unpack(begin)
    if magic != MAGIC:
        raise JournalDamagedError(path, 0, "this is no snapshot")
    if not _prelude.size + body_bytes + _crc.size <= size <= _HEADER_BYTES_MAX:
        raise JournalDamagedError(path, 10, f"a header of {size} bytes")
    data = file.read(0, size)
    if len(data) < size:
        raise JournalDamagedError(path, len(data), "the header is cut")
    content = data[: -_crc.size]
    if google_crc32c.value(content) != _crc.unpack(data[-_crc.size :])[0]:
        raise JournalDamagedError(path, 0, "the checksum of the header is wrong")
    if version != VERSION:
        raise ConfigError(
            f"{path} has format {version}, this program reads {VERSION}: it was"
            " written by another version, start that one"
        )
    try:
        header = _decoder.decode(content[_prelude.size :][:body_bytes])
    except msgspec.DecodeError as error:
        raise JournalDamagedError(path, _prelude.size, str(error)) from error
    if header.cluster_id != cluster_id:
        raise ConfigError(
            f"{path} is of cluster {header.cluster_id!r}, not of {cluster_id!r}"
        )
    if header.block_bytes != BLOCK_BYTES or size != header_bytes(
        cluster_id, header.meta.index, header.meta.term, header.meta.configuration
    ):
        raise JournalDamagedError(path, 0, "the header is not laid out as ours")
    return header.meta


def block_offset(begin: int, number: int) -> int:
    """Where block ``number`` (from 0) stands behind a header of ``begin`` bytes."""
    return begin + number * (_crc.size + BLOCK_BYTES)


def file_bytes(begin: int, size_bytes: int) -> int:
    """Size of the file with ``size_bytes`` of state."""
    blocks = -(-size_bytes // BLOCK_BYTES)
    return begin + size_bytes + blocks * _crc.size


def encode_block(number: int, data: bytes) -> bytes:
    """A block, as it stands in the file."""
    return _crc.pack(_checksum(number, data)) + data


def decode_block(number: int, block: bytes) -> bytes | None:
    """The data of a block; None if it is damaged."""
    if len(block) < _crc.size:
        return None
    data = block[_crc.size :]
    return data if _crc.unpack_from(block)[0] == _checksum(number, data) else None


def _checksum(number: int, data: bytes) -> int:
    begin = google_crc32c.value(_number.pack(number))
    return google_crc32c.extend(begin, data)  # type: ignore[no-any-return]
