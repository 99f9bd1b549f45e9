"""The disk of this machine, through the operating system."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from raftleader.replication.disk import File

_UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Calls on a descriptor fail without saying of which file."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = path
        raise


class OsFile:
    """An open file; see ``disk.File``."""

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def size(self) -> int:
        """Its size now, in bytes."""
        return os.fstat(self._descriptor).st_size

    def read(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes; fewer only at the end of the file."""
        pieces: list[bytes] = []
        with _naming(self._path):
            while size > 0:
                piece = os.pread(self._descriptor, size, offset)
                if not piece:
                    break
                pieces.append(piece)
                offset, size = offset + len(piece), size - len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def write(self, offset: int, data: bytes) -> None:
        """All of ``data``, or OSError with any part of it written."""
        view = memoryview(data)
        with _naming(self._path):
            while view:
                written = os.pwrite(self._descriptor, view, offset)
                view, offset = view[written:], offset + written

    def allocate(self, size: int) -> None:
        """Reserve room up to ``size`` bytes, where the file system can do that; where
        it cannot, the file gets that size, and a write may still find no room."""
        before = self.size()
        if size <= before:
            return
        with _naming(self._path):
            try:
                os.posix_fallocate(self._descriptor, before, size - before)
            except OSError as error:
                os.ftruncate(self._descriptor, before)  # it may have got a part
                if error.errno not in _UNSUPPORTED:
                    raise
                os.ftruncate(self._descriptor, size)

    def truncate(self, size: int) -> None:
        """Cut it, or make it longer by zeros."""
        with _naming(self._path):
            os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        """Wait for the disk. After an OSError nobody can tell what is on it."""
        with _naming(self._path):
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Let go; idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class OsDisk:
    """The files of this machine; see ``disk.Disk``.

    With ``is_read_only`` files are opened so that nothing can change them.
    """

    def __init__(self, *, is_read_only: bool = False) -> None:
        self._is_read_only = is_read_only
        self._locks: dict[str, int] = {}

    def open(self, path: str, *, create: bool = False) -> File:
        """Open for reading and writing; with ``create`` make it, or FileExistsError.

        Raises FileNotFoundError, OSError."""
        flags = os.O_RDONLY if self._is_read_only else os.O_RDWR
        if create:
            flags |= os.O_CREAT | os.O_EXCL
        return OsFile(path, os.open(path, flags | os.O_CLOEXEC, 0o600))

    def list(self, directory: str) -> Sequence[str]:
        """Names of the entries, sorted."""
        return sorted(entry.name for entry in Path(directory).iterdir())

    def make_directory(self, path: str) -> None:
        """With its parents, each durable in its own; fine if it exists."""
        self._make_directory(Path(path))

    def _make_directory(self, path: Path) -> None:
        if path.is_dir():
            return
        self._make_directory(path.parent)
        try:
            path.mkdir(0o700)
        except FileExistsError:
            if not path.is_dir():
                raise
        self.sync_directory(str(path.parent))

    def exists(self, path: str) -> bool:
        """Whether there is a file or directory of that name."""
        return Path(path).exists()

    def rename(self, source: str, target: str) -> None:
        """Atomically, replacing ``target``."""
        Path(source).rename(target)

    def unlink(self, path: str) -> None:
        """Remove the file."""
        Path(path).unlink()

    def sync_directory(self, path: str) -> None:
        """Make durable which files it has."""
        descriptor = _open_directory(path)
        try:
            with _naming(path):
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def lock(self, directory: str) -> None:
        """Keep other users out; ends with the process. Raises BlockingIOError."""
        descriptor = _open_directory(directory)
        try:
            with _naming(directory):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(descriptor)
            raise
        self._locks[directory] = descriptor

    def unlock(self, directory: str) -> None:
        """Let others in; idempotent."""
        descriptor = self._locks.pop(directory, None)
        if descriptor is not None:
            os.close(descriptor)


def _open_directory(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
