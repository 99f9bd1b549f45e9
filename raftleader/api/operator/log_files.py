"""The files a leader node lets be read: its own log, as ``/master/log``.

The only path there is, besides the folders above it. Reading is done in a thread: the
disk may be slow.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import attrs
import trio

LOG_NAME = "/master/log"
READ_BYTES_MAX = 256 * 1024
"""Of one answer; whoever wants more asks again from there."""
DOWNLOAD_BYTES = 64 * 1024
"""Of one chunk of a download."""


class NoSuchFileError(Exception):
    """There is no file, or none that may be read, at this path."""


class NotAFileError(Exception):
    """What is there is a folder. The text is for the caller to read."""


@attrs.frozen(kw_only=True)
class FileRow:
    """A file as a listing has it.

    Attributes:
        mtime_ns: Time of the last change.
        mode: With the bits of its type.
    """

    path: str
    size: int
    nlink: int
    mtime_ns: int
    mode: int
    uid: str
    gid: str

    @property
    def mode_text(self) -> str:
        """As ``ls`` writes it."""
        return stat.filemode(self.mode)


class LogFiles:
    """Reads ``log_file``, if there is one."""

    def __init__(self, log_file: Path | None) -> None:
        self._log_file = log_file

    @property
    def table(self) -> dict[str, str]:
        """What path stands for which file of the machine."""
        return {} if self._log_file is None else {LOG_NAME: str(self._log_file)}

    async def browse(self, path: str) -> list[FileRow]:
        """What is in the folder ``path``; nothing, if it is a file.

        Raises NoSuchFileError.
        """
        name = _normal(path)
        if self._log_file is None or not (LOG_NAME + "/").startswith(name):
            raise NoSuchFileError(path)
        file = await self._stat()
        return [_row(LOG_NAME, file)] if name == "/master/" else []

    async def read(
        self, path: str, offset: int, length: int | None
    ) -> tuple[int, bytes]:
        """The size of the file, and at most ``length`` bytes from ``offset``, or
        READ_BYTES_MAX. Raises NoSuchFileError and NotAFileError."""
        file = self._file(path)
        size = (await self._stat()).st_size
        wanted = READ_BYTES_MAX if length is None else min(length, READ_BYTES_MAX)
        if offset >= size or not wanted:
            return size, b""
        return size, await trio.to_thread.run_sync(_read, file, offset, wanted)

    async def size(self, path: str) -> int:
        """The size of the file. Raises NoSuchFileError and NotAFileError."""
        self._file(path)
        return (await self._stat()).st_size

    def _file(self, path: str) -> Path:
        name = _normal(path)
        if self._log_file is None or not (LOG_NAME + "/").startswith(name):
            raise NoSuchFileError(path)
        if name != LOG_NAME + "/":
            raise NotAFileError("Cannot read a directory.\n")
        return self._log_file

    async def _stat(self) -> os.stat_result:
        assert self._log_file is not None
        try:
            return await trio.Path(self._log_file).stat()
        except OSError as error:
            raise NoSuchFileError(LOG_NAME) from error


def _normal(path: str) -> str:
    """With one slash in front, one behind, none doubled."""
    parts = [part for part in path.split("/") if part]
    return f"/{'/'.join(parts)}/" if parts else "/"


def _row(path: str, file: os.stat_result) -> FileRow:
    return FileRow(
        path=path,
        size=file.st_size,
        nlink=file.st_nlink,
        mtime_ns=file.st_mtime_ns,
        mode=file.st_mode,
        uid=_user(file.st_uid),
        gid=_group(file.st_gid),
    )


def _user(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    import grp

    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _read(file: Path, offset: int, length: int) -> bytes:
    try:
        with file.open("rb") as opened:
            opened.seek(offset)
            return opened.read(length)
    except OSError as error:
        raise NoSuchFileError(LOG_NAME) from error
