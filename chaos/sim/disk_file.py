"""A file of a simulated disk: what its writers see, and what is on the platter."""

from __future__ import annotations

import random
from collections import Counter

import attrs

PAGE_BYTES = 4096
"""Writes that were not synced are kept, lost or damaged in pieces of such pages."""


@attrs.frozen(kw_only=True)
class CrashFaults:
    """What a power cut may do to a piece that was not synced, besides keeping it."""

    loses: bool = True
    tears: bool = True
    flips: bool = True

    def fate(self, rng: random.Random) -> str:
        """Draw what becomes of one piece: "kept", "lost", "torn" or "flipped"."""
        draw = rng.random()
        if draw < 0.4:
            return "lost" if self.loses else "kept"
        if draw < 0.5:
            return "torn" if self.tears else "kept"
        if draw < 0.6:
            return "flipped" if self.flips else "kept"
        return "kept"


class Inode:
    """The bytes of one file.

    ``content`` may be shorter than ``size``: the rest reads as zeros, and costs
    nothing. Changes since the last sync are in ``changes``, each with what undoes it;
    undone in reverse they give what is on the platter, unless a sync failed: then
    that is ``platter``, for nothing else remembers it.
    """

    __slots__ = (
        "allocated",
        "changes",
        "content",
        "platter",
        "size",
        "sizes",
        "synced_size",
    )

    def __init__(self) -> None:
        self.content = bytearray()
        self.size = 0
        self.allocated = 0
        self.synced_size = 0
        self.sizes: list[int] = []
        """Those it had since the last sync."""
        self.changes: list[tuple[int, bytes, bytes | None, int]] = []
        """(offset, bytes that were there, bytes written or None for a cut, length of
        ``content`` before)."""
        self.platter: bytearray | None = None

    def read(self, offset: int, size: int) -> bytes:
        size = min(size, self.size - offset)
        if size <= 0:
            return b""
        data = bytes(self.content[offset : offset + size])
        return data if len(data) == size else data + bytes(size - len(data))

    def write(self, offset: int, data: bytes) -> None:
        content = self.content
        length, end = len(content), offset + len(data)
        self.changes.append((offset, bytes(content[offset:end]), data, length))
        if offset > length:
            content.extend(bytes(offset - length))
        content[offset:end] = data
        if end > self.size:
            self.set_size(end)
            self.allocated = max(self.allocated, end)

    def truncate(self, size: int) -> None:
        cut = bytes(self.content[size:])
        self.changes.append((size, cut, None, len(self.content)))
        del self.content[size:]
        self.set_size(size)
        self.allocated = size

    def set_size(self, size: int) -> None:
        self.size = size
        self.sizes.append(size)

    def sync(self) -> None:
        if self.platter is not None:
            for offset, _, data, _ in self.changes:
                _redo(self.platter, offset, data)
        self.changes.clear()
        self.sizes.clear()
        self.synced_size = self.size

    def fail_sync(self) -> None:
        """The pages are clean now as if they were written, and are not."""
        self.platter = self._on_platter()
        self.changes.clear()

    def crash(
        self, rng: random.Random, faults: CrashFaults, counts: Counter[str]
    ) -> None:
        """Only what is on the platter is left, and some of what was on its way."""
        content = self._on_platter()
        for offset, _, data, _ in self.changes:
            if data is None:
                if rng.random() < 0.5 or not faults.loses:
                    del content[offset:]
                continue
            begin = 0
            while begin < len(data):
                end = begin + PAGE_BYTES - (offset + begin) % PAGE_BYTES
                fate = faults.fate(rng)
                if fate != "kept":
                    counts[fate] += 1
                piece = _damage(data[begin:end], fate, rng)
                _redo(content, offset + begin, piece)
                begin = end
        if self.sizes and faults.loses:
            # The size is written with the data or at any time after it.
            self.size = rng.choice((self.synced_size, *self.sizes))
        del content[self.size :]
        self.content, self.platter = content, None
        self.allocated = self.synced_size = self.size
        self.changes.clear()
        self.sizes.clear()

    def flip(self, offset: int, bit: int) -> None:
        """Damage a byte, wherever it is."""
        for copy in (self.content, self.platter):
            if copy is not None and offset < len(copy):
                copy[offset] ^= 1 << bit

    def _on_platter(self) -> bytearray:
        if self.platter is not None:
            return bytearray(self.platter)
        content = bytearray(self.content)
        for offset, old, _, length in reversed(self.changes):
            del content[max(length, offset) :]
            content[offset : offset + len(old)] = old
            del content[length:]
        return content


def _redo(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        return
    if not data:
        return
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _damage(piece: bytes, fate: str, rng: random.Random) -> bytes:
    if fate == "lost":
        return b""
    if fate == "torn":
        return piece[: rng.randrange(len(piece))]
    if fate == "flipped":
        damaged = bytearray(piece)
        damaged[rng.randrange(len(piece))] ^= 1 << rng.randrange(8)
        return bytes(damaged)
    return piece
