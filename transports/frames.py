"""Frames on a stream of bytes: a header with magic, length and CRC, then the frame.

Pure: bytes in, bytes out. The header is 12 bytes, big-endian:

    magic u8 | version u8 | check u16 | length u32 | crc32 u32

``check`` folds the length, so a damaged length is refused when the header is
here, instead of waiting for megabytes that never come. The CRC covers the length
and the frame. Bytes of something else (an HTTP request, a TLS hello) are refused
at the first byte.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable

import attrs

from transports.errors import BadFrameError, FrameTooLargeError

MAGIC = 0xD7
VERSION = 1
HEADER_BYTES = 12

_HEADER = struct.Struct(">BBHII")
_CHECK_MASK = 0x5AA5  # so that a header of zeros has a wrong check


def encode_frames(frames: Iterable[bytes], *, frame_bytes_max: int) -> bytes:
    """All frames, in order, as the bytes of one write.

    Raises FrameTooLargeError if any frame is over the limit.
    """
    parts: list[bytes] = []
    for frame in frames:
        length = len(frame)
        if length > frame_bytes_max:
            raise FrameTooLargeError(
                f"a frame of {length} bytes is over the limit of {frame_bytes_max}"
            )
        crc = zlib.crc32(frame, length)
        parts.append(_HEADER.pack(MAGIC, VERSION, _check(length), length, crc))
        parts.append(frame)
    return b"".join(parts)


@attrs.define(eq=False)
class FrameDecoder:
    """Takes a stream of bytes in chunks of any size and gives its frames.

    Keeps at most one unfinished frame and the chunk that came with it; memory
    grows with the bytes that came, not with the length a header announces.
    """

    frame_bytes_max: int = attrs.field(kw_only=True)
    _rest: bytearray = attrs.field(factory=bytearray, init=False)
    _rest_offset: int = attrs.field(default=0, init=False)
    _wanted_bytes: int = attrs.field(default=1, init=False)

    @property
    def missing_bytes(self) -> int:
        """How many bytes the next step needs at least: a hint for the next read."""
        return max(1, self._wanted_bytes - len(self._rest))

    @property
    def is_between_frames(self) -> bool:
        """Whether the stream may end here without cutting a frame."""
        return not self._rest

    def feed(self, chunk: bytes) -> list[bytes]:
        """Every frame that ``chunk`` completes, in order.

        Raises BadFrameError or FrameTooLargeError as soon as a header or a
        complete frame shows it. Frames before the damage are returned first; the
        error then comes with the next call (``feed(b"")`` asks for it), and with
        every call after that.
        """
        data: bytes | bytearray = chunk
        if self._rest:
            self._rest += chunk
            data = self._rest
            if len(data) < self._wanted_bytes:
                return []
        frames: list[bytes] = []
        with memoryview(data) as view:
            position, problem = self._decode(view, frames)
        self._keep_from(data, position)
        if problem is not None and not frames:
            raise problem
        return frames

    def _decode(
        self, data: memoryview, frames: list[bytes]
    ) -> tuple[int, BadFrameError | FrameTooLargeError | None]:
        """Append complete frames; say where they end, and what is wrong there."""
        position, size = 0, len(data)
        self._wanted_bytes = 1
        while size - position >= HEADER_BYTES:
            magic, version, check, length, crc = _HEADER.unpack_from(data, position)
            if (
                magic != MAGIC
                or version != VERSION
                or check != _check(length)
                or length > self.frame_bytes_max
            ):
                return position, self._header_problem(data, position)
            start = position + HEADER_BYTES
            end = start + length
            if end > size:
                self._wanted_bytes = end - position
                return position, None
            frame = data[start:end].tobytes()
            if zlib.crc32(frame, length) != crc:
                return position, self._bad(position, "the CRC does not match")
            frames.append(frame)
            position = end
        if position == size:
            return position, None
        problem = self._header_problem(data, position)
        if problem is None:  # two bytes are enough to tell other protocols
            self._wanted_bytes = 2 if size - position == 1 else HEADER_BYTES
        return position, problem

    def _header_problem(
        self, data: memoryview, start: int
    ) -> BadFrameError | FrameTooLargeError | None:
        """What is wrong with the header, or the part of it that is here."""
        magic, *version = data[start : start + 2]
        if magic != MAGIC:
            return self._bad(start, f"starts with {magic:#04x}, not {MAGIC:#04x}")
        if version and version[0] != VERSION:
            return self._bad(start, f"is of version {version[0]}, we speak {VERSION}")
        if len(data) - start < HEADER_BYTES:
            return None
        _, _, check, length, _ = _HEADER.unpack_from(data, start)
        if check != _check(length):
            return self._bad(start, "the length does not match its check")
        return FrameTooLargeError(
            f"the peer announced a frame of {length} bytes at byte "
            f"{self._rest_offset + start}; the limit is {self.frame_bytes_max}"
        )

    def _keep_from(self, data: bytes | bytearray, position: int) -> None:
        if data is self._rest:
            del self._rest[:position]
        elif position < len(data):
            self._rest += memoryview(data)[position:]
        self._rest_offset += position

    def _bad(self, start: int, problem: str) -> BadFrameError:
        return BadFrameError(problem, offset=self._rest_offset + start)


def _check(length: int) -> int:
    return (length ^ (length >> 16) ^ _CHECK_MASK) & 0xFFFF
