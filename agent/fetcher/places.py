"""Writing into a sandbox, and never outside of it.

Folders are walked by descriptor, and no link is followed on the way: not even one that
stays inside. So it does not matter what an archive or a task has put there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from agent.fetcher.steps import OWN_FILES, FetchBounds

DISK_LOOK_BYTES = 16 * 1024 * 1024
"""Written between two looks at what is free of the disk."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class FetchError(Exception):
    """Something cannot be fetched or unpacked. The text says why."""


class Budget:
    """How much may still be written, and made."""

    def __init__(self, bounds: FetchBounds, root_fd: int) -> None:
        self._bounds = bounds
        self._root_fd = root_fd
        self._bytes = self._bytes_unseen = 0
        self._files = 0

    def spend_bytes(self, count: int) -> None:
        """So many are about to be written. Raises FetchError."""
        self.check_bytes(count)
        self._bytes += count
        self._bytes_unseen -= count
        if self._bytes_unseen <= 0:
            self._bytes_unseen = DISK_LOOK_BYTES
            disk = os.fstatvfs(self._root_fd)
            free = disk.f_bavail * disk.f_frsize
            if free - DISK_LOOK_BYTES < self._bounds.disk_free_bytes_min:
                raise FetchError("the disk of the agent is nearly full")

    def check_bytes(self, count: int) -> None:
        """Raises FetchError if so many were too many."""
        if self._bytes + count > self._bounds.bytes_max:
            raise FetchError(
                f"more than {self._bounds.bytes_max} bytes would be written"
            )

    def spend_file(self) -> None:
        """Another file, folder or link is about to be made. Raises FetchError."""
        self._files += 1
        if self._files > self._bounds.files_max:
            raise FetchError(f"more than {self._bounds.files_max} files would be made")


class Places:
    """The sandbox, as places to write to. A place is a path in parts.

    All methods raise FetchError, or OSError as the system has it.
    """

    def __init__(self, root_fd: int, budget: Budget) -> None:
        self._root_fd = root_fd
        self.budget = budget

    def create(self, place: tuple[str, ...], mode: int = 0o644) -> int:
        """A descriptor of a new file there, which the caller closes; what was there
        is replaced."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with self._folder_of(place) as folder_fd:
            self._clear(folder_fd, place)
            fd = os.open(place[-1], flags, 0o600, dir_fd=folder_fd)
        try:
            os.fchmod(fd, mode)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def make_folder(self, place: tuple[str, ...], mode: int = 0o755) -> None:
        """A folder, if it is not there yet."""
        with self._folder_of((*place, ".")) as folder_fd:
            os.fchmod(folder_fd, mode)

    def make_link(self, place: tuple[str, ...], target: str) -> None:
        """A symbolic link whose target is in the sandbox, by its looks."""
        if "\0" in target or not is_inside(place[:-1], target):
            raise FetchError(f"the link {'/'.join(place)} leads out of the sandbox")
        with self._folder_of(place) as folder_fd:
            self._clear(folder_fd, place)
            os.symlink(target, place[-1], dir_fd=folder_fd)

    def make_hard_link(self, place: tuple[str, ...], to: tuple[str, ...]) -> None:
        """Another name for a file that is there."""
        if place == to:
            return
        with self._folder_of(to) as from_fd, self._folder_of(place) as folder_fd:
            self._clear(folder_fd, place)
            os.link(
                to[-1],
                place[-1],
                src_dir_fd=from_fd,
                dst_dir_fd=folder_fd,
                follow_symlinks=False,
            )

    def write(self, fd: int, data: bytes) -> None:
        """All of it, if the bounds allow."""
        self.budget.spend_bytes(len(data))
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]

    def _clear(self, folder_fd: int, place: tuple[str, ...]) -> None:
        if len(place) == 1 and place[0] in OWN_FILES:
            raise FetchError(f"the sandbox has a file {place[0]} of its own")
        self.budget.spend_file()
        try:
            os.unlink(place[-1], dir_fd=folder_fd)
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            raise FetchError(f"{'/'.join(place)} is a folder already") from None

    @contextmanager
    def _folder_of(self, place: tuple[str, ...]) -> Iterator[int]:
        """A descriptor of the folder that holds this place; made if need be."""
        if any(part in ("", "..") or "/" in part for part in place):
            raise FetchError(f"{'/'.join(place)} is not in the sandbox")
        fd = os.dup(self._root_fd)
        try:
            for part in place[:-1]:
                try:
                    next_fd = self._enter(fd, part)
                except NotADirectoryError:
                    way = "/".join(place[:-1])
                    problem = f"{way} leads through a link or a file"
                    raise FetchError(problem) from None
                os.close(fd)
                fd = next_fd
            yield fd
        finally:
            os.close(fd)

    def _enter(self, fd: int, part: str) -> int:
        try:
            return os.open(part, _FOLDER, dir_fd=fd)
        except FileNotFoundError:
            self.budget.spend_file()
            os.mkdir(part, 0o755, dir_fd=fd)
            return os.open(part, _FOLDER, dir_fd=fd)


def is_inside(folder: tuple[str, ...], target: str) -> bool:
    """Whether a link in this folder of the sandbox with this target stays in it, if no
    other link is on the way."""
    if target.startswith("/"):
        return False
    depth = len(folder)
    for part in target.split("/"):
        if part == "..":
            depth -= 1
        elif part not in ("", "."):
            depth += 1
        if depth < 0:
            return False
    return True
