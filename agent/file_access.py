"""Reads files of sandboxes for whoever asks over HTTP, and nothing else.

Paths are virtual: they begin with ``frameworks/`` and stand for what is below the
sandbox root, or with ``containers/``, for what is beside it. Absolute paths into these
are understood too, since that is how Mesos' agent calls its sandboxes. Links are
followed as long as they stay in there, or lead to a persistent volume. Blocks; raises
InvalidInputError for a path that may not be, FileNotFoundError for none.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec

from raftleader.errors import InvalidInputError
from raftleader.protocol.json_v1_fields import JsonObject

PREFIX = "frameworks"
CONTAINERS = "containers"
"""Folder beside the sandbox root, of containers that belong to no framework."""
VOLUMES = "volumes"
"""Folder beside the sandbox root; read through the links in sandboxes only."""

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
    mode_bits: int

    def to_message(self) -> JsonObject:
        """A ``FileInfo``."""
        return {
            "path": self.path,
            "nlink": self.nlink,
            "size": self.size,
            "mtime": {"nanoseconds": int(self.mtime * 1e9)},
            "mode": self.mode_bits,
            "uid": self.uid,
            "gid": self.gid,
        }

    def to_v0(self) -> JsonObject:
        """An element of ``/files/browse``."""
        fields = msgspec.to_builtins(self)
        del fields["mode_bits"]
        return dict(fields)


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
                    path=f"{virtual.rstrip('/')}/{shown}",
                    nlink=status.st_nlink,
                    size=status.st_size,
                    mtime=status.st_mtime,
                    mode=stat.filemode(status.st_mode),
                    uid=str(status.st_uid),
                    gid=str(status.st_gid),
                    mode_bits=status.st_mode,
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
    if "\0" in virtual:
        raise InvalidInputError("path", "must not contain a zero byte")
    base, parts = _base_of(root, virtual)
    allowed = [folder.resolve() for folder in (base, root, root.with_name(VOLUMES))]
    try:
        real = base.resolve().joinpath(*parts).resolve(strict=True)
    except (NotADirectoryError, RuntimeError) as error:
        raise FileNotFoundError(str(error)) from error
    real_root = next((f for f in allowed if real.is_relative_to(f)), None)
    if real_root is None:
        raise InvalidInputError("path", "leads out of the sandboxes")
    inside = real.relative_to(real_root)
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


def _base_of(root: Path, virtual: str) -> tuple[Path, list[str]]:
    """The folder that a path begins in, and the rest of the path."""
    bases = {PREFIX: root, CONTAINERS: root.with_name(CONTAINERS)}
    for base in bases.values():
        if f"{virtual}/".startswith(f"{base}/"):
            return base, virtual[len(str(base)) :].strip("/").split("/")
    if not virtual:
        raise InvalidInputError("path", "must not be empty")
    first, *rest = virtual.strip("/").split("/")
    if first not in bases:
        raise FileNotFoundError(f"nothing of ours begins with {first!r}")
    return bases[first], rest
