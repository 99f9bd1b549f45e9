"""Files that are there whole or not at all, and a lock on the work folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from raftleader.errors import ConfigError


def write_all(fd: int, data: bytes) -> None:
    """Write every byte. Raises OSError."""
    with memoryview(data) as view:
        written = 0
        while written < len(view):
            written += os.write(fd, view[written:])


def sync_folder(folder: Path) -> None:
    """Make names made or replaced in ``folder`` durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_file(path: Path, data: bytes, *, is_fsync_on: bool = True) -> None:
    """Give ``path`` this content: after a crash it has the old or the new one."""
    new_path = path.with_name(path.name + ".new")
    fd = os.open(new_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(fd, data)
        if is_fsync_on:
            os.fsync(fd)
    finally:
        os.close(fd)
    new_path.replace(path)
    if is_fsync_on:
        sync_folder(path.parent)


def lock_file(path: Path) -> int:
    """Hold ``path`` alone until the descriptor returned is closed or we die.

    Raises ConfigError if somebody else holds it.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise ConfigError(
            f"work_dir: another agent runs in {path.parent.parent}"
        ) from error
    return fd
