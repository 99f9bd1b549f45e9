"""Reads files of sandboxes for whoever asks over HTTP, and nothing else.

Paths are virtual: they begin with ``frameworks/`` and stand for what is below the
sandbox root. Links are followed as long as they stay in there. Blocks; raises
InvalidInputError for a path that may not be, FileNotFoundError for none.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec

from raftleader.errors import InvalidInputError

PREFIX = "frameworks"

READ_BYTES_MAX = 1024 * 1024
"""Of one read; who wants more asks again."""

ENTRIES_MAX = 10_000
"""Of one listing."""


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a listing, with the names of Mesos' ``/files/browse``."""

    path: str
    nlink: int
    size: int
    mtime: float
    mode: str
    uid: str
    gid: str


def read_at(root: Path, virtual: str, offset: int, length: int) -> tuple[int, bytes]:
    """Size of the file, and up to ``length`` bytes from ``offset``."""
    fd = open_file(root, virtual)
    try:
        size = os.fstat(fd).st_size
        if offset < 0:
            return size, b""
        return size, os.pread(fd, min(length, READ_BYTES_MAX), offset)
    finally:
        os.close(fd)


def list_folder(root: Path, virtual: str) -> list[FileEntry]:
    """The first ENTRIES_MAX entries of a folder, in order of name."""
    fd = _open(root, virtual, os.O_DIRECTORY)
    try:
        found = []
        for name in sorted(os.listdir(fd))[:ENTRIES_MAX]:  # noqa: PTH208 - a descriptor
            try:
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                continue
            shown = os.fsencode(name).decode(errors="replace")
            found.append(
                FileEntry(
                    path=f"{virtual.strip('/')}/{shown}",
                    nlink=status.st_nlink,
                    size=status.st_size,
                    mtime=status.st_mtime,
                    mode=stat.filemode(status.st_mode),
                    uid=str(status.st_uid),
                    gid=str(status.st_gid),
                )
            )
        return found
    finally:
        os.close(fd)


def open_file(root: Path, virtual: str) -> int:
    """A descriptor of a regular file, for the caller to close."""
    fd = _open(root, virtual, os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise InvalidInputError("path", "is not a regular file")
    return fd


def _open(root: Path, virtual: str, flags: int) -> int:
    parts = virtual.strip("/").split("/")
    if "\0" in virtual or parts[0] != PREFIX:
        raise InvalidInputError("path", f"must begin with {PREFIX}/")
    real_root = root.resolve()
    try:
        real = real_root.joinpath(*parts[1:]).resolve(strict=True)
        inside = real.relative_to(real_root)
    except ValueError:
        raise InvalidInputError("path", "leads out of the sandboxes") from None
    except (NotADirectoryError, RuntimeError) as error:
        raise FileNotFoundError(str(error)) from error
    # The task may put a link in the way at any time: from here on none is followed.
    fd = os.open(real_root, os.O_RDONLY | os.O_DIRECTORY)
    for index, part in enumerate(inside.parts):
        is_last = index == len(inside.parts) - 1
        step = flags if is_last else os.O_DIRECTORY
        try:
            inner = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | step, dir_fd=fd)
        except OSError as error:
            raise FileNotFoundError(str(error)) from error
        finally:
            os.close(fd)
        fd = inner
    return fd
