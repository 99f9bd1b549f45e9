"""A power cut for a program that writes real files: what was not synced is gone.

Watches every way in which a Python program can sync a file. At the cut each file is
again what it was when it was last synced; one that never was is not there. A real cut
may leave more, but promises no more.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import attrs


class SetsAttributes(Protocol):
    """Changes attributes for a while; pytest's ``monkeypatch`` is one."""

    def setattr(self, target: Any, name: str, value: Any, /) -> None: ...


@attrs.define
class PowerCut:
    """Of one folder. Syncs are watched from when it is made.

    Attributes:
        syncs: How many there were.
    """

    folder: Path
    syncs: int = 0
    _synced: dict[Path, bytes] = attrs.field(factory=dict, init=False)

    def watch(self, patcher: SetsAttributes, *mmap_users: Any) -> None:
        """Watch the system's calls, and maps made by these modules."""
        for name in ("fsync", "fdatasync"):
            patcher.setattr(os, name, self._watched(getattr(os, name)))
        patcher.setattr(os, "sync", self._sync_all)
        watcher = self

        class WatchedMap(mmap.mmap):
            def flush(self, *arguments: int) -> None:
                super().flush(*arguments)
                watcher._sync_all()  # which file it maps cannot be asked

        class Mmap:
            def __getattr__(self, name: str) -> Any:
                return getattr(mmap, name)

            mmap = WatchedMap

        for module in mmap_users:
            patcher.setattr(module, "mmap", Mmap())

    def cut(self) -> None:
        """Everything that was not synced is gone."""
        for path in self._files():
            if path in self._synced:
                path.write_bytes(self._synced[path])
            else:
                path.unlink()

    def _watched(self, real: Callable[[int], None]) -> Callable[[Any], None]:
        def sync(descriptor: Any) -> None:
            number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
            real(number)
            self.syncs += 1
            path = Path(f"/proc/self/fd/{number}").readlink()
            if path.is_file():
                self._synced[path] = path.read_bytes()

        return sync

    def _sync_all(self) -> None:
        self.syncs += 1
        for path in self._files():
            self._synced[path] = path.read_bytes()

    def _files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())
