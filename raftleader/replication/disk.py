"""What a journal and a snapshot store need of a disk, and the disk of this machine.

A narrow door, so that a simulation can stand behind it: one that loses what was not
synced, tears the last write, flips bits, fills up, or refuses to sync.

Paths are strings with ``/``; a path names a file or directory for as long as the disk
lives. Every call blocks, and raises OSError as the system does. What a caller may
rely on after a power cut:

* bytes written before a ``File.sync`` that returned are in the file, and its size;
* bytes written after it are there, or not, or in part, or damaged;
* a file made, renamed or removed before ``sync_directory`` of its directory returned
  is so; later changes of the directory happened or not, each by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class File(Protocol):
    """An open file. Offsets and sizes are in bytes."""

    def size(self) -> int:
        """Its size now."""

    def read(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes; fewer only at the end of the file."""

    def write(self, offset: int, data: bytes) -> None:
        """All of ``data``, or OSError with any part of it written."""

    def allocate(self, size: int) -> None:
        """Reserve room so that the file has at least ``size`` bytes; new ones read
        as zeros. Raises OSError (ENOSPC) with nothing changed."""

    def truncate(self, size: int) -> None:
        """Cut it, or make it longer by zeros."""

    def sync(self) -> None:
        """Wait until all written bytes and the size are on the disk (fdatasync).

        After an OSError nobody can tell what is: never call it again."""

    def close(self) -> None:
        """Let go; idempotent. Does not sync."""


class Disk(Protocol):
    """Where a node keeps its files."""

    def open(self, path: str, *, create: bool = False) -> File:
        """Open for reading and writing; with ``create`` make it, or FileExistsError.

        Raises FileNotFoundError."""

    def list(self, directory: str) -> Sequence[str]:
        """Names of the entries, sorted."""

    def make_directory(self, path: str) -> None:
        """With its parents, all of them durable at once; fine if it exists.

        Raises FileExistsError if it is a file."""

    def exists(self, path: str) -> bool: ...

    def rename(self, source: str, target: str) -> None:
        """Atomically, replacing ``target``."""

    def unlink(self, path: str) -> None: ...

    def sync_directory(self, path: str) -> None: ...

    def lock(self, directory: str) -> None:
        """Keep every other user of ``directory`` out until ``unlock`` or the end of
        the process. Raises BlockingIOError if somebody has it."""

    def unlock(self, directory: str) -> None:
        """Idempotent."""
