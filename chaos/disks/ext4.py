"""An ext4 file system in a file: it can lose its power, fill up, and fail.

The file is sparse: it takes as much of the real disk as was written. It is mounted
through a loop device that goes with the mount, so nothing is left when the mount
namespace of a run ends.

A power cut is the ioctl EXT4_IOC_SHUTDOWN without flushing its journal: from that
instant every call fails with EIO, and what was not synced is gone after the next mount,
which replays the journal as after a real one. (Programs that entered a *mount*
namespace of their own while it was mounted would keep it alive: so none may.)
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import struct
from pathlib import Path

import attrs
import trio

from chaos.disks.commands import run_tool
from chaos.disks.errors import DiskError
from chaos.disks.waiting import wait_until

SIZE_BYTES = 320 * 1024 * 1024
"""A segment of the journal reserves 64 MiB. Between two snapshots there are two or
three; an engine that makes no snapshots keeps everything."""
INODES = 2048
JOURNAL_MIB = 4
BALLAST = "ballast"
UNMOUNT_WITHIN_S = 10.0
_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN: _IOR('X', 125, __u32)
_NO_LOG_FLUSH = 2
_MIB = 1024 * 1024
_CORRECTED = (0, 1)
"""Exit codes of e2fsck: nothing to do, and all put right."""


@attrs.define(kw_only=True)
class Ext4Volume:
    """One file system. Calls that wait are not cancelled half-way.

    Attributes:
        image: The file it is in.
        mountpoint: Where it is mounted.
    """

    image: Path
    mountpoint: Path
    is_mounted: bool = False

    async def make(self) -> None:
        """Make it anew, empty, whatever was in it, and mount it. Raises DiskError."""
        await self.unmount()
        self.image.parent.mkdir(parents=True, exist_ok=True)
        self.image.unlink(missing_ok=True)
        with self.image.open("wb") as file:
            file.truncate(SIZE_BYTES)
        await run_tool(
            "mkfs.ext4",
            *("-q", "-F", "-b", "4096", "-N", str(INODES), "-m", "0"),
            *("-J", f"size={JOURNAL_MIB}"),
            *("-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"),
            str(self.image),
        )
        await self.mount()

    async def mount(self) -> None:
        """Mount it, which replays its journal. Idempotent. Raises DiskError."""
        if self.is_mounted:
            return
        self.mountpoint.mkdir(parents=True, exist_ok=True)
        options = "loop,noatime,errors=remount-ro"
        await run_tool(
            "mount", "-o", options, "-t", "ext4", str(self.image), str(self.mountpoint)
        )
        self.is_mounted = True

    async def unmount(self) -> None:
        """Unmount it, and wait until the kernel has let go of it. Idempotent.

        Raises DiskError if something in it is still open after ``UNMOUNT_WITHIN_S``.
        """
        if not self.is_mounted:
            return
        device = self.device
        with trio.CancelScope(shield=True), trio.move_on_after(UNMOUNT_WITHIN_S):
            while self.is_mounted:
                try:
                    await run_tool("umount", str(self.mountpoint))
                    self.is_mounted = False
                except DiskError as error:
                    if "busy" not in str(error):
                        raise
                    await trio.sleep(0.02)
            # While it is mounted elsewhere, mounting it again would give the same,
            # shut down file system.
            await wait_until(lambda: not self._is_attached(device), every_s=0.005)
            return
        raise DiskError(f"{self.mountpoint} is in use, and cannot be unmounted")

    async def repair(self) -> None:
        """Unmount, check as an operator does after an error, and mount again.

        Raises DiskError if e2fsck cannot put everything right by itself."""
        await self.unmount()
        await run_tool("e2fsck", "-p", "-f", str(self.image), good=_CORRECTED)
        await self.mount()

    def cut_power(self) -> None:
        """From now on every call fails, and nothing more reaches the disk. Takes
        a millisecond or two. Raises DiskError."""
        try:
            folder = os.open(self.mountpoint, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.ioctl(folder, _SHUTDOWN, struct.pack("=I", _NO_LOG_FLUSH))
            finally:
                os.close(folder)
        except OSError as error:
            raise DiskError(f"{self.mountpoint}: no shutdown: {error}") from error

    def fail(self) -> None:
        """An error of the file system, as a bad sector in its metadata is one: the
        kernel makes it read-only at once, also for those who write. Reading goes on.
        ``repair`` puts it right. Raises DiskError."""
        trigger = Path("/sys/fs/ext4", self.device, "trigger_fs_error")
        try:
            trigger.write_text("chaos")
        except OSError as error:
            raise DiskError(f"{trigger}: {error.strerror}") from error

    def fill(self) -> int:
        """Take all room there is; returns how many bytes that was. Raises DiskError."""
        try:
            return fill_up(self.mountpoint / BALLAST)
        except OSError as error:
            raise DiskError(f"{self.mountpoint}: no ballast: {error}") from error

    def make_room(self) -> None:
        """Give back what ``fill`` took. Idempotent. Raises DiskError."""
        try:
            (self.mountpoint / BALLAST).unlink(missing_ok=True)
        except OSError as error:
            raise DiskError(f"{self.mountpoint}: ballast stays: {error}") from error

    async def keep_files(self) -> None:
        """Unmount it, and leave its files in a usual folder of the same name; the
        image is removed. Raises DiskError."""
        kept = self.mountpoint.with_name(self.mountpoint.name + ".kept")
        self.make_room()
        await run_tool("cp", "-a", "--sparse=always", f"{self.mountpoint}/.", str(kept))
        await self.unmount()
        self.mountpoint.rmdir()
        shutil.rmtree(kept / "lost+found", ignore_errors=True)
        kept.rename(self.mountpoint)
        self.image.unlink()

    @property
    def device(self) -> str:
        """``loop3``."""
        number = self.mountpoint.stat().st_dev
        link = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
        return link.resolve().name

    def _is_attached(self, device: str) -> bool:
        backing = Path("/sys/block", device, "loop", "backing_file")
        try:
            text = backing.read_text().rstrip("\n")
        except OSError:
            return False
        return text == str(self.image.resolve())


def fill_up(ballast: Path) -> int:
    """Write until nothing fits any more, in ever smaller pieces; how many bytes."""
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size, piece = 0, 64 * _MIB
        while piece >= 4096:
            try:
                os.posix_fallocate(descriptor, size, piece)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                piece //= 4
            else:
                size += piece
        os.fsync(descriptor)
        return size
    finally:
        os.close(descriptor)
