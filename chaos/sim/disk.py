"""The disk of one simulated node: fast, deterministic, and as unkind as it may be.

What it may do is what ``raftleader.replication.disk`` says. Its faults are set from
outside, and ``counts`` tells which of them happened. What was synced stays, but for
``rot``, ``restore`` and ``lose``, which are beyond what a disk may do.
"""

from __future__ import annotations

import errno
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from chaos.sim.disk_file import CrashFaults, Inode
from chaos.sim.disk_names import Names, os_error

_NEVER = 1 << 62


class PowerCut(Exception):
    """The node lost its power in the middle of a disk operation.

    Every operation raises it from now on, until ``SimDisk.crash``."""


class SimFile:
    """An open file of a ``SimDisk``; see ``raftleader.replication.disk.File``."""

    __slots__ = ("_disk", "_inode", "_life", "_path")

    def __init__(self, disk: SimDisk, path: str, inode: Inode) -> None:
        self._disk = disk
        self._path = path
        self._inode = inode
        self._life = disk.life

    def size(self) -> int:
        self._require_open()
        return self._inode.size

    def read(self, offset: int, size: int) -> bytes:
        self._require_open()
        return self._inode.read(offset, size)

    def write(self, offset: int, data: bytes) -> None:
        disk = self._disk
        is_last = disk._begin(self._life)
        if disk.room_bytes is not None or disk._is_failing_write:
            self._write_unkindly(offset, data)
        else:
            self._inode.write(offset, data)
        if is_last:
            disk._cut()

    def allocate(self, size: int) -> None:
        disk = self._disk
        is_last = disk._begin(self._life)
        inode = self._inode
        growth = size - inode.allocated
        if growth > 0:
            disk._take_room(growth, self._path)
            inode.allocated = size
        if size > inode.size:
            inode.set_size(size)
        if is_last:
            disk._cut()

    def truncate(self, size: int) -> None:
        disk = self._disk
        is_last = disk._begin(self._life)
        disk._give_room(max(self._inode.allocated - size, 0))
        self._inode.truncate(size)
        if is_last:
            disk._cut()

    def sync(self) -> None:
        disk = self._disk
        is_last = disk._begin(self._life)
        if disk._is_failing_sync:
            disk._is_failing_sync = False
            disk.counts["failed sync"] += 1
            self._inode.fail_sync()
            raise os_error(errno.EIO, self._path)
        if disk.stall is not None:
            disk._wait()
        self._inode.sync()
        if is_last:
            disk._cut()

    def close(self) -> None:
        self._life = -1

    def _require_open(self) -> None:
        if self._disk.is_cut:
            raise PowerCut
        if self._life != self._disk.life:
            raise os_error(errno.EBADF, self._path)

    def _write_unkindly(self, offset: int, data: bytes) -> None:
        disk = self._disk
        if disk._is_failing_write:
            disk._is_failing_write = False
            disk.counts["failed write"] += 1
            self._inode.write(offset, data[: disk.rng.randint(0, len(data))])
            raise os_error(errno.EIO, self._path)
        growth = offset + len(data) - self._inode.allocated
        try:
            if growth > 0:
                disk._take_room(growth, self._path)
        except OSError:
            fitting = max(len(data) - growth, 0)
            self._inode.write(offset, data[: disk.rng.randint(0, fitting)])
            raise
        self._inode.write(offset, data)


class SimDisk:
    """The files of one node, in memory. See the module.

    Attributes:
        faults: What ``crash`` does to what was not synced.
        room_bytes: How much more can be stored; None: no limit. Set it to 0 for a disk
            that is full, and back.
        stall: Draws how long a sync takes, in seconds; None: no time. The world that
            drives the node takes it by ``take_stall``.
        operations: Changes asked for so far, of files and directories, and syncs.
        counts: The faults that happened, by name.
    """

    def __init__(
        self, rng: random.Random, *, faults: CrashFaults | None = None
    ) -> None:
        self.rng = rng
        self.faults = CrashFaults() if faults is None else faults
        self.room_bytes: int | None = None
        self.stall: Callable[[], float] | None = None
        self.operations = 0
        self.counts: Counter[str] = Counter()
        self.life = 0
        self._stalled_s = 0.0
        self._cut_at = _NEVER
        self.is_cut = False
        self._is_failing_sync = False
        self._is_failing_write = False
        self._locks: set[str] = set()
        self._names = Names()

    # --- faults ------------------------------------------------------------------

    def fail_next_sync(self) -> None:
        """The next ``File.sync`` raises EIO, and what it should have written counts
        as written: later syncs do not try again."""
        self._is_failing_sync = True

    def fail_next_write(self) -> None:
        """The next ``File.write`` raises EIO, with a part of it written."""
        self._is_failing_write = True

    def cut_power_in(self, operations: int) -> None:
        """Raise PowerCut in that operation from now on, 1 being the next: before its
        effect or after, by chance."""
        self._cut_at = self.operations + operations

    def mend(self) -> None:
        """No faults any more, also not those that were ordered and did not happen."""
        self.room_bytes = self.stall = None
        self._cut_at = _NEVER
        self._is_failing_sync = self._is_failing_write = False

    def take_stall(self) -> float:
        """Seconds that the syncs since the last call took."""
        stalled_s, self._stalled_s = self._stalled_s, 0.0
        return stalled_s

    def kill(self) -> None:
        """The process dies, the machine does not: all that was written stays."""
        self.life += 1
        self._locks.clear()

    def restore_power(self) -> None:
        """After a PowerCut: it was the process alone that died, all that was written
        stays."""
        self.kill()
        self._cut_at, self.is_cut = _NEVER, False

    def crash(self) -> None:
        """The machine dies and comes back: what was not synced is at the mercy of
        ``faults``. Whatever was open is closed, locks are free."""
        self.restore_power()
        loses = self.faults.loses
        for inode in self._names.crash(self.rng, loses=loses, counts=self.counts):
            inode.crash(self.rng, self.faults, self.counts)

    def lose(self) -> None:
        """The disk is gone; another, empty, is in its place."""
        self.restore_power()
        self._names = Names()
        self.counts["lost disk"] += 1

    def rot(self, path: str | None = None) -> tuple[str, int] | None:
        """Flip a bit of a file, synced or not: of ``path``, or by chance of any that
        is not empty. Returns which byte; None if there is none."""
        files = self._names.current
        paths = [one for one in sorted(files) if files[one].content]
        if path is None:
            if not paths:
                return None
            path = self.rng.choice(paths)
        inode = files[path]
        offset = self.rng.randrange(len(inode.content))
        inode.flip(offset, self.rng.randrange(8))
        self.counts["rot"] += 1
        return path, offset

    def save(self) -> Mapping[str, bytes]:
        """All files as they are now, by path."""
        files = self._names.current
        return {path: inode.read(0, inode.size) for path, inode in files.items()}

    def restore(self, image: Mapping[str, bytes]) -> None:
        """All files, durably, as they were at ``save``: a disk out of the past."""
        self.restore_power()
        names = self._names = Names()
        for path in sorted(image):
            names.add_directory(path.rpartition("/")[0])
            inode = names.synced[path] = Inode()
            inode.write(0, image[path])
            inode.sync()
        names.current = dict(names.synced)
        self.counts["restored"] += 1

    # --- Disk --------------------------------------------------------------------

    def open(self, path: str, *, create: bool = False) -> SimFile:
        if not create:
            self._require_power()
            return SimFile(self, path, self._names.inode(path))
        is_last = self._begin(self.life)
        self._names.require_new(path)
        self._take_room(0, path)
        inode = Inode()
        self._names.change(None, path, inode)
        if is_last:
            self._cut()
        return SimFile(self, path, inode)

    def list(self, directory: str) -> Sequence[str]:
        self._require_power()
        return self._names.list(directory)

    def make_directory(self, path: str) -> None:
        is_last = self._begin(self.life)
        self._names.add_directory(path)
        if is_last:
            self._cut()

    def exists(self, path: str) -> bool:
        self._require_power()
        return self._names.exists(path)

    def rename(self, source: str, target: str) -> None:
        is_last = self._begin(self.life)
        self._names.change(source, target, self._names.inode(source))
        if is_last:
            self._cut()

    def unlink(self, path: str) -> None:
        is_last = self._begin(self.life)
        inode = self._names.inode(path)
        self._give_room(inode.allocated)
        self._names.change(path, None, inode)
        if is_last:
            self._cut()

    def sync_directory(self, path: str) -> None:
        is_last = self._begin(self.life)
        self._names.sync(path)
        if self.stall is not None:
            self._wait()
        if is_last:
            self._cut()

    def lock(self, directory: str) -> None:
        self._require_power()
        if directory in self._locks:
            raise os_error(errno.EWOULDBLOCK, directory)
        self._locks.add(directory)

    def unlock(self, directory: str) -> None:
        self._locks.discard(directory)

    # --- inner -------------------------------------------------------------------

    def _begin(self, life: int) -> bool:
        """Count an operation. True: the power goes when it is done."""
        self.operations += 1
        if self.operations >= self._cut_at:
            if self.is_cut or self.rng.random() < 0.5:
                self._cut()
            return True
        if life != self.life:
            raise os_error(errno.EBADF, "a file of an earlier life")
        return False

    def _cut(self) -> None:
        self.is_cut = True
        raise PowerCut

    def _require_power(self) -> None:
        if self.is_cut:
            raise PowerCut

    def _take_room(self, size: int, path: str) -> None:
        if self.room_bytes is None:
            return
        if size > self.room_bytes or self.room_bytes <= 0:
            self.counts["disk full"] += 1
            raise os_error(errno.ENOSPC, path)
        self.room_bytes -= size

    def _give_room(self, size: int) -> None:
        if self.room_bytes is not None:
            self.room_bytes += size

    def _wait(self) -> None:
        assert self.stall is not None
        stalled_s = self.stall()
        if stalled_s > 0:
            self.counts["stall"] += 1
            self._stalled_s += stalled_s
