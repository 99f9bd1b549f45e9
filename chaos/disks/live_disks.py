"""The disks of all leader nodes of a run, from before they start until they are gone.

async with open_disks("auto", ["leader-1", ...], folder) as disks:
    disks.data_dir("leader-1"), disks.environment("leader-1")
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from chaos.disks.errors import DiskError
from chaos.disks.ext4 import Ext4Volume
from chaos.disks.means import AUTO, EXT4, KINDS, PLAIN, DiskMeans
from chaos.disks.shim import Shim, compile_shim
from chaos.live.seams import ImpossibleError
from raftleader.errors import ConfigError

DISKS = "disks"
"""Folder in that of the run."""
DATA = "data"


@attrs.frozen(kw_only=True)
class NodeDisk:
    """What one leader node keeps its data on.

    Attributes:
        folder: Its file system, or what stands for it.
        volume: None if it has no file system of its own.
        shim: None if no library could be compiled.
    """

    node: str
    folder: Path
    volume: Ext4Volume | None
    shim: Shim | None

    @property
    def data_dir(self) -> Path:
        return self.folder / DATA

    def empty(self) -> None:
        """Remove everything the node had; its data directory is there, and empty."""
        shutil.rmtree(self.data_dir, ignore_errors=True)
        self.make_data_dir()

    def make_data_dir(self) -> None:
        """Durably: it outlives a power cut."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    async def renew(self) -> None:
        """An empty disk in its place: a new file system, where it has one. The node
        must be dead. Raises DiskError."""
        if self.volume is None:
            self.empty()
        else:
            await self.volume.make()
            self.make_data_dir()


@attrs.frozen(kw_only=True)
class LiveDisks:
    """See ``chaos.live.seams.Disks``.

    Attributes:
        kind: ``ext4`` or ``plain``.
        means: With what they can be broken, as it was found when they were made.
    """

    kind: str
    means: DiskMeans
    nodes: Mapping[str, NodeDisk]

    def data_dir(self, node: str) -> Path:
        """See ``Disks``."""
        return self.nodes[node].data_dir

    def environment(self, node: str) -> Mapping[str, str]:
        """See ``Disks``."""
        shim = self.nodes[node].shim
        return shim.environment if shim else {}

    def disk(self, node: str) -> NodeDisk:
        """That of ``node``. Raises ImpossibleError if it is none of ours."""
        try:
            return self.nodes[node]
        except KeyError:
            raise ImpossibleError(f"{node} has no disk of its own") from None


@asynccontextmanager
async def open_disks(
    kind: str, nodes: Sequence[str], folder: Path
) -> AsyncIterator[LiveDisks]:
    """Make a disk for each leader node, below ``folder / "disks"``.

    ``auto`` is ``ext4`` where that works, else ``plain``; ``means`` says why it does
    not. When the block is left every file system is unmounted, and what was in it
    lies in a usual folder at the same path; the nodes must have ended. Raises
    ConfigError, and DiskError if ``ext4`` was asked for and cannot be had.
    """
    if kind not in KINDS:
        raise ConfigError(f"disks: {kind!r} is none of {', '.join(KINDS)}")
    place = _make_place(folder)
    library, why_no_shim = await _library(place)
    volumes, why_no_ext4 = await _volumes(kind, nodes, place)
    made: dict[str, NodeDisk] = {}
    try:
        for node in nodes:
            disk = NodeDisk(
                node=node,
                folder=place / node,
                volume=volumes.get(node),
                shim=None if library is None else _shim(library, place, node),
            )
            disk.make_data_dir()
            made[node] = disk
        yield LiveDisks(
            kind=EXT4 if volumes else PLAIN,
            means=DiskMeans(why_no_ext4=why_no_ext4, why_no_shim=why_no_shim),
            nodes=made,
        )
    finally:
        with trio.CancelScope(shield=True):
            await _close(made, volumes)


def _shim(library: Path, place: Path, node: str) -> Shim:
    return Shim(library, place / f"{node}.control", place / node / DATA)


def _make_place(folder: Path) -> Path:
    place = folder.resolve() / DISKS
    place.mkdir(parents=True, exist_ok=True)
    return place


async def _library(place: Path) -> tuple[Path | None, str | None]:
    try:
        return await compile_shim(place), None
    except DiskError as error:
        return None, f"{error} (apt install gcc libc6-dev)"


async def _volumes(
    kind: str, nodes: Sequence[str], place: Path
) -> tuple[dict[str, Ext4Volume], str | None]:
    if kind == PLAIN:
        return {}, "the run was asked to do with --disks plain"
    volumes = {
        node: Ext4Volume(image=place / f"{node}.img", mountpoint=place / node)
        for node in nodes
    }
    try:
        for volume in volumes.values():
            await volume.make()
    except BaseException as error:
        with trio.CancelScope(shield=True):
            for volume in volumes.values():
                await volume.unmount()
                volume.image.unlink(missing_ok=True)
        if kind == AUTO and isinstance(error, DiskError):
            return {}, str(error)
        raise
    return volumes, None


async def _close(
    disks: Mapping[str, NodeDisk], volumes: Mapping[str, Ext4Volume]
) -> None:
    """Whatever became of them: none stays mounted, if that can be helped."""
    for disk in disks.values():
        if disk.shim is not None:
            disk.shim.close()
    for volume in volumes.values():
        try:
            # Anew: one that is shut down or read-only is whole again then.
            await volume.unmount()
            await volume.mount()
            await volume.keep_files()
        except (DiskError, OSError):
            # A file system that is broken; its image stays, for who wants to look.
            with contextlib.suppress(DiskError, OSError):
                await volume.unmount()
