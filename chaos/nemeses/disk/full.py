"""``full-disk``: no room for another byte, while the node runs."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import trio

from chaos.disks.errors import DiskError
from chaos.disks.ext4 import Ext4Volume
from chaos.disks.live_disks import NodeDisk
from chaos.disks.means import DiskMeans
from chaos.disks.shim import Call
from chaos.live.faults import Fault, Injection
from chaos.live.seams import Cluster, ImpossibleError, World
from chaos.nemeses.disk.harm import Harm
from chaos.nemeses.disk.wound import (
    DiskWound,
    choose,
    disks_of,
    impossible_if_disk_refuses,
)

BALLAST, NO_ROOM = "ballast", "ENOSPC by preloaded library"
_BLOCK_BYTES = 4096
_PUNCH_HOLE_KEEP_SIZE = 3
_CHUNK_BYTES = 1024 * 1024


@attrs.frozen(kw_only=True)
class FullDiskNemesis:
    """Healing gives the room back.

    With a file system of its own it is filled to the last block. A node writes into
    room that it reserved long before, and would not notice for many seconds: so, while
    it is stopped for some milliseconds, the rest of that reserve is given back first
    (as if the file system could not reserve; the node promises to cope with that).
    Without one, its calls fail with ENOSPC.

    What holds: everything. The node keeps in memory what it cannot write, says nothing
    of it, and goes on when there is room; a leader steps down. Or it dies, and is
    started again. At most a minority is full at once, so the others go on.
    """

    means: DiskMeans
    harm: Harm

    @property
    def faults(self) -> frozenset[Fault]:
        return frozenset({Fault.FULL_DISK})

    def missing(self, fault: Fault) -> str | None:
        if self.means.why_no_ext4 is None or self.means.why_no_shim is None:
            return None
        return f"{self.means.why_no_ext4}; {self.means.why_no_shim}"

    async def inject(self, injection: Injection, world: World) -> DiskWound:
        """See ``Nemesis``."""
        targets = await choose(injection, world)
        disks = [disks_of(world).disk(target) for target in targets]
        for disk in disks:
            if disk.volume is None and disk.shim is None:
                raise ImpossibleError(f"nothing can fill the disk of {disk.node}")
        self.harm.trouble(targets, world.cluster.leaders)

        def mend_now() -> None:
            try:
                for disk in disks:
                    _make_room(disk)
            finally:
                self.harm.end(targets)

        async def mend() -> Mapping[str, Any]:
            hits = sum(disk.shim.hits(Call.WRITE) for disk in disks if disk.shim)
            mend_now()
            return {} if disks[0].volume else {"hits": hits}

        try:
            with impossible_if_disk_refuses():
                filled = [await _fill(disk, world.cluster) for disk in disks]
        except BaseException:
            mend_now()
            raise
        return DiskWound(
            targets=targets,
            means=BALLAST if disks[0].volume else NO_ROOM,
            detail={"bytes": sum(filled)},
            mend=mend,
        )


async def _fill(disk: NodeDisk, cluster: Cluster) -> int:
    if disk.volume is None:
        assert disk.shim is not None
        disk.shim.set(Call.WRITE, Call.ALLOCATE, error=errno.ENOSPC)
        return 0
    volume = disk.volume
    with _stopped(cluster, disk.node):
        # Not cancelled half-way, and not without an end: it reads 64 MiB at most.
        return await trio.to_thread.run_sync(_fill_volume, volume, disk.data_dir)


def _fill_volume(volume: Ext4Volume, data_dir: Path) -> int:
    try:
        freed = give_reserve_back(data_dir / "journal")
        return volume.fill() - freed
    except OSError as error:
        raise DiskError(f"{data_dir}: {error}") from error
    except DiskError:
        with contextlib.suppress(DiskError):
            volume.make_room()
        raise


def _make_room(disk: NodeDisk) -> None:
    if disk.volume is not None:
        disk.volume.make_room()
    if disk.shim is not None:
        disk.shim.clear()


@contextlib.contextmanager
def _stopped(cluster: Cluster, node: str) -> Iterator[None]:
    """A process that is stopped is in no call: what it wrote is written."""
    cluster.kill(node, signal.SIGSTOP)
    try:
        yield
    finally:
        cluster.kill(node, signal.SIGCONT)


def give_reserve_back(journal: Path) -> int:
    """Make a hole of all blocks behind the used part of the newest segment; how many
    bytes that may have freed. Raises OSError."""
    segments = sorted(journal.glob("segment-" + "[0-9]" * 16))
    if not segments:
        return 0
    with segments[-1].open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        used = end_of_data(file.fileno())
        begin = -(-used // _BLOCK_BYTES) * _BLOCK_BYTES
        if begin >= size:
            return 0
        library = ctypes.CDLL(None, use_errno=True)
        arguments = [ctypes.c_long(begin), ctypes.c_long(size - begin)]
        if library.fallocate(file.fileno(), _PUNCH_HOLE_KEEP_SIZE, *arguments) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(segments[-1]))
        return size - begin


def end_of_data(descriptor: int) -> int:
    """Where the last byte ends that is not zero."""
    at = os.fstat(descriptor).st_size
    while at > 0:
        begin = max(0, at - _CHUNK_BYTES)
        used = len(os.pread(descriptor, at - begin, begin).rstrip(b"\0"))
        if used:
            return begin + used
        at = begin
    return 0
