"""The names of a simulated disk: what is there, and what a power cut may take back."""

from __future__ import annotations

import errno
import os
import random
from collections import Counter
from collections.abc import Sequence

import attrs

from chaos.sim.disk_file import Inode

_ROOTS = frozenset({"", ".", "/"})


class Names:
    """Directories, which are durable when they are made, and the files in them.

    ``current`` and ``synced`` are files by path: as they are, and as a power cut leaves
    them if it takes back all changes of names since the directory was synced.
    """

    def __init__(self) -> None:
        self.current: dict[str, Inode] = {}
        self.synced: dict[str, Inode] = {}
        self._directories: set[str] = set(_ROOTS)
        self._renamings: list[_Renaming] = []

    def inode(self, path: str) -> Inode:
        """The file of that name. Raises OSError if there is none."""
        inode = self.current.get(path)
        if inode is None:
            is_directory = path in self._directories
            raise os_error(errno.EISDIR if is_directory else errno.ENOENT, path)
        return inode

    def exists(self, path: str) -> bool:
        return path in self.current or path in self._directories

    def require_new(self, path: str) -> None:
        """Raises OSError if no file can be made there."""
        if self.exists(path):
            raise os_error(errno.EEXIST, path)
        self._require_directory(_parent(path))

    def change(self, source: str | None, target: str | None, inode: Inode) -> None:
        """A new file has no ``source``, a removed one no ``target``."""
        renaming = _Renaming(source=source, target=target, inode=inode)
        renaming.apply(self.current)
        self._renamings.append(renaming)

    def add_directory(self, path: str) -> None:
        """With its parents."""
        while path not in self._directories:
            if path in self.current:
                raise os_error(errno.EEXIST, path)
            self._directories.add(path)
            path = _parent(path)

    def list(self, directory: str) -> Sequence[str]:
        if directory in self.current:
            raise os_error(errno.ENOTDIR, directory)
        self._require_directory(directory)
        everything = [*self.current, *self._directories]
        return sorted(
            path.rpartition("/")[2]
            for path in everything
            if path and path != directory and _parent(path) == directory
        )

    def sync(self, directory: str) -> None:
        """What was changed in ``directory`` stays."""
        self._require_directory(directory)
        waiting: list[_Renaming] = []
        for renaming in self._renamings:
            if renaming.directory == directory:
                renaming.apply(self.synced)
            else:
                waiting.append(renaming)
        self._renamings = waiting

    def crash(
        self, rng: random.Random, *, loses: bool, counts: Counter[str]
    ) -> Sequence[Inode]:
        """Take back some changes, or none; the files that are left, in order."""
        for renaming in self._renamings:
            if rng.random() < 0.5 or not loses:
                renaming.apply(self.synced)
            else:
                counts["lost renaming"] += 1
        self._renamings.clear()
        self.current = dict(self.synced)
        return [self.synced[path] for path in sorted(self.synced)]

    def _require_directory(self, path: str) -> None:
        if path not in self._directories:
            raise os_error(errno.ENOENT, path)


@attrs.frozen(kw_only=True)
class _Renaming:
    source: str | None
    target: str | None
    inode: Inode

    @property
    def directory(self) -> str:
        return _parent(self.target or self.source or "")

    def apply(self, names: dict[str, Inode]) -> None:
        if self.source is not None:
            names.pop(self.source, None)
        if self.target is not None:
            names[self.target] = self.inode


def _parent(path: str) -> str:
    head, slash, _ = path.rpartition("/")
    return head or slash


def os_error(number: int, path: str) -> OSError:
    """As the system raises it."""
    return OSError(number, os.strerror(number), path)
