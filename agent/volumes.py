"""Persistent volumes: folders that outlive their tasks, shown in sandboxes as links.

``volumes/roles/<role>/<id>`` of the work folder; a ``/`` of a role is a space there,
which no role has. A volume's folder is made when a task first uses it, and deleted
when the leader no longer names it: moved aside at once, so that a volume of the same
name can be made again, and then removed.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import attrs

from agent.sandbox import name_of
from raftleader.protocol.agent_rpc import VolumeName
from raftleader.protocol.resource_keys import kind_of_key
from raftleader.protocol.resources import Resources

logger = logging.getLogger(__name__)


@attrs.frozen
class VolumeLink:
    """A volume as a sandbox shows it: ``container_path``, relative to it, leads to
    ``folder``."""

    folder: str
    container_path: str


class VolumeError(Exception):
    """A volume cannot be shown so. The text is for the task's owner."""


@attrs.define(eq=False)
class VolumeStore:
    """The volumes under ``root``. All of it blocks, shortly but for :meth:`empty`."""

    root: Path
    _discarded: int = attrs.field(default=0, init=False)

    def folder_of(self, role: str, volume_id: str) -> Path:
        """Where this volume is, or would be."""
        return self._roles / name_of(role.replace("/", " ")) / name_of(volume_id)

    def links_of(self, resources: Resources) -> tuple[VolumeLink, ...]:
        """How the volumes among these resources are shown."""
        links = []
        for key in resources.scalars:
            kind = kind_of_key(key) if "|" in key else None
            if kind is not None and kind.volume is not None:
                folder = self.folder_of(kind.role, kind.volume.id)
                links.append(VolumeLink(str(folder), kind.volume.container_path))
        return tuple(links)

    def discard_others(self, kept: Iterable[VolumeName]) -> bool:
        """Move all volumes but these aside. Whether there is something to empty."""
        wanted = {self.folder_of(volume.role, volume.id) for volume in kept}
        found = [folder for folder in self._roles.glob("*/*") if folder not in wanted]
        for folder in found:
            self._trash.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._discarded += 1
            folder.rename(self._free_place())
            logger.info("volume %s of %s deleted", folder.name, folder.parent.name)
            try:
                folder.parent.rmdir()
            except OSError:
                pass  # others are left in it
        return bool(found)

    def empty(self) -> None:
        """Remove what was moved aside, also before a restart."""
        if not self._trash.exists():
            return
        for folder in list(self._trash.iterdir()):
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def _roles(self) -> Path:
        return self.root / "roles"

    @property
    def _trash(self) -> Path:
        return self.root / "deleted"

    def _free_place(self) -> Path:
        while (place := self._trash / str(self._discarded)).exists():
            self._discarded += 1
        return place


def link_volumes(
    sandbox: str, links: Iterable[VolumeLink], owner: tuple[int, int] | None = None
) -> None:
    """Show the volumes in the sandbox; make those that are not there, for ``owner``.

    A link that is there already is made anew. Raises VolumeError or OSError.
    """
    for link in links:
        path = _inside(sandbox, link.container_path)
        folder = Path(link.folder)
        if not folder.is_dir():
            folder.parent.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
            folder.parent.mkdir(mode=0o711, exist_ok=True)
            folder.mkdir(mode=0o755, exist_ok=True)
            if owner is not None:
                os.chown(folder, *owner)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            path.unlink()
        elif path.exists():
            raise VolumeError(
                f"the sandbox has a file {link.container_path} where a volume is to be"
            )
        path.symlink_to(folder)


def _inside(sandbox: str, container_path: str) -> Path:
    """The path of the link. Its way there must not leave the sandbox by a link."""
    wanted = PurePosixPath(container_path)
    if wanted.is_absolute() or ".." in wanted.parts or not wanted.parts:
        raise VolumeError(
            f"the container path {container_path!r} of a volume is not in the sandbox"
        )
    path = Path(sandbox)
    for part in wanted.parts[:-1]:
        path = path / part
        if path.is_symlink():
            raise VolumeError(
                f"the way of the container path {container_path!r} is a link"
            )
    return path / wanted.parts[-1]
