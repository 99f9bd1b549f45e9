"""Unpacks archives that may be hostile.

Every member goes through :class:`agent.fetcher.places.Places`: it stays in the sandbox
and within the bounds, whatever the archive says of its size. Devices and pipes are
refused; set-user-id bits, and write permission for others, are dropped.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from io import BufferedIOBase
from tarfile import HeaderError
from typing import BinaryIO, Protocol, Self

from agent.fetcher.places import FetchError, Places
from agent.fetcher.steps import ArchiveKind

CHUNK_BYTES = 256 * 1024
LINK_BYTES_MAX = 4096
"""Longest target of a symbolic link; Linux knows no longer path."""

_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,  # zipfile, of a compression it does not know
    RuntimeError,  # a password is needed
    ValueError,  # NUL in a name, and all that is odd
    OverflowError,
    RecursionError,
)


_REGULAR_ENDS = ("EOFHeaderError", "EmptyHeaderError")
"""Errors that ``tarfile`` tells itself at the end of an archive, by names that it has
documented nowhere."""


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def unpack(kind: ArchiveKind, name: str, file: BinaryIO, places: Places) -> None:
    """Unpack ``file`` of this name into the sandbox's own folder.

    What was unpacked before a problem stays. Raises FetchError, OSError.
    """
    try:
        if kind is ArchiveKind.TAR:
            _unpack_tar(file, places)
        elif kind is ArchiveKind.ZIP:
            _unpack_zip(file, places)
        else:
            with gzip.GzipFile(fileobj=file) as content:
                _copy((name.removesuffix(".gz"),), 0o644, content, places)
    except (gzip.BadGzipFile, *_DAMAGED) as error:
        problem = str(error) or type(error).__name__
        raise FetchError(f"Failed to extract archive '{name}': {problem}") from None
    except FetchError as error:
        raise FetchError(f"Failed to extract archive '{name}': {error}") from None


class _StrictTarInfo(tarfile.TarInfo):
    """A header that is damaged is a problem, and not the end."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile)
        except HeaderError as error:
            if type(error).__name__ in _REGULAR_ENDS:
                raise
            raise FetchError(f"it is damaged, or no archive: {error}") from None


def _unpack_tar(file: BinaryIO, places: Places) -> None:
    with (
        _decompressed(file) as content,
        tarfile.open(
            fileobj=content, mode="r|", bufsize=CHUNK_BYTES, tarinfo=_StrictTarInfo
        ) as archive,
    ):
        while (member := archive.next()) is not None:
            _unpack_member(archive, member, places)
            archive.members.clear()  # type: ignore[attr-defined] # it keeps them all
        # Only at its end does a compressed file know that it is whole.
        while rest := content.read(CHUNK_BYTES):
            places.budget.spend_bytes(len(rest))


def _unpack_member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, places: Places
) -> None:
    place = _place_of(member.name)
    if member.isdir():
        if place:
            places.make_folder(place, (member.mode & 0o755) | 0o700)
    elif member.issym():
        places.make_link(place, member.linkname)
    elif member.islnk():
        places.make_hard_link(place, _place_of(member.linkname))
    elif member.isreg():
        places.budget.check_bytes(member.size)
        content = archive.extractfile(member)
        assert content is not None, "of a file"
        _copy(place, member.mode, content, places, mtime=member.mtime)
    else:
        raise FetchError(f"{member.name} is a device or a pipe")


def _decompressed(file: BinaryIO) -> BinaryIO | BufferedIOBase:
    """By its first bytes, whatever its name says."""
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if start.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if start == b"\xfd7zXZ\0":
        return lzma.LZMAFile(file)
    return file


def _unpack_zip(file: BinaryIO, places: Places) -> None:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            place = _place_of(member.filename)
            mode = member.external_attr >> 16
            kind = stat.S_IFMT(mode)
            if member.is_dir():
                if place:
                    places.make_folder(place, (mode & 0o755 or 0o755) | 0o700)
            elif stat.S_ISLNK(mode):
                with archive.open(member) as content:
                    target = content.read(LINK_BYTES_MAX + 1)
                if len(target) > LINK_BYTES_MAX:
                    raise FetchError(f"the link {member.filename} is too long")
                places.make_link(place, os.fsdecode(target))
            elif kind in (0, stat.S_IFREG):
                with archive.open(member) as content:
                    _copy(place, mode & 0o777 or 0o644, content, places)
            else:
                raise FetchError(f"{member.filename} is a device or a pipe")


def _place_of(name: str) -> tuple[str, ...]:
    """The path of a member, in parts; empty is the sandbox itself."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts:
        raise FetchError(f"{name} is not in the sandbox")
    return parts


def _copy(
    place: tuple[str, ...],
    mode: int,
    content: _Readable,
    places: Places,
    *,
    mtime: float | None = None,
) -> None:
    if not place or not place[-1]:
        raise FetchError("a file in it has no name")
    fd = places.create(place, (mode & 0o755) | 0o600)
    try:
        while chunk := content.read(CHUNK_BYTES):
            places.write(fd, chunk)
        if mtime is not None:
            os.utime(fd, (mtime, mtime))
    finally:
        os.close(fd)
