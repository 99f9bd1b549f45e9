"""Control groups for a while: little processor time, little memory.

Version 1 has a hierarchy for each controller, version 2 one for all. A folder made here
begins with ``cgroup_prefix`` of its run, so that what a killed run leaves is known.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import attrs
import trio

from chaos.live.seams import ImpossibleError
from chaos.machine.janitor import RUN_VARIABLE
from chaos.machine.tools import cgroup_v1_mount

MOUNTS = Path("/proc/self/mountinfo")
PERIOD_US = 100_000
"""The kernel's usual one: a process with a tenth stands still for nine tenths of it."""
REMOVE_WITHIN_S = 2.0
"""A folder cannot go before the last process in it is gone."""


def cgroup_prefix(folder: Path) -> str:
    """What the names of all groups begin with that a run with this folder makes: in a
    house with its token, by which the janitor knows them."""
    if token := os.environ.get(RUN_VARIABLE):
        return f"{token}-"
    digest = hashlib.blake2b(str(folder.resolve()).encode(), digest_size=4)
    return f"rlc-{digest.hexdigest()}-"


@attrs.frozen(kw_only=True)
class Hierarchy:
    """Where groups with a controller (``cpu``, ``memory``) can be made."""

    controller: str
    mount: Path
    version: int


def find_hierarchy(controller: str, mounts: Path = MOUNTS) -> Hierarchy | None:
    """One in which a group can be made now; None if there is none."""
    if (mount := cgroup_v1_mount(controller, mounts)) is not None:
        found = Hierarchy(controller=controller, mount=mount, version=1)
        return found if _is_writable(found) else None
    for line in mounts.read_text(encoding="utf-8").splitlines():
        before, _, after = line.partition(" - ")
        mount = Path(before.split(" ")[4])
        if after.split(" ")[0] == "cgroup2" and _hands_on(mount, controller):
            found = Hierarchy(controller=controller, mount=mount, version=2)
            return found if _is_writable(found) else None
    return None


def _hands_on(mount: Path, controller: str) -> bool:
    """Whether groups below the root of version 2 have the controller."""
    try:
        control = (mount / "cgroup.subtree_control").read_text(encoding="utf-8")
    except OSError:
        return False
    return controller in control.split()


def _is_writable(hierarchy: Hierarchy) -> bool:
    folder = hierarchy.mount / "rlc-try"
    try:
        folder.mkdir(exist_ok=True)
        folder.rmdir()
    except OSError:
        return False
    return True


@attrs.frozen(kw_only=True)
class Group:
    """A group of processes with a limit. Files are those of its version."""

    folder: Path
    hierarchy: Hierarchy
    origins: dict[int, Path] = attrs.field(factory=dict)
    """Of each process that was taken in: the folder it came from."""

    @classmethod
    def make(cls, hierarchy: Hierarchy, name: str) -> Group:
        """Empty. Raises ImpossibleError."""
        folder = hierarchy.mount / name
        try:
            folder.mkdir()
        except OSError as error:
            raise ImpossibleError(f"{folder}: {error.strerror}") from error
        return cls(folder=folder, hierarchy=hierarchy)

    def limit_cpu(self, share: float) -> None:
        """All of it together gets so much of one processor."""
        quota_us = max(1000, int(share * PERIOD_US))
        if self.hierarchy.version == 1:
            self._write("cpu.cfs_period_us", str(PERIOD_US))
            self._write("cpu.cfs_quota_us", str(quota_us))
        else:
            self._write("cpu.max", f"{quota_us} {PERIOD_US}")

    def limit_memory(self, limit_bytes: int) -> None:
        """What its processes take from now on; what they have is not counted."""
        is_first = self.hierarchy.version == 1
        name = "memory.limit_in_bytes" if is_first else "memory.max"
        self._write(name, str(limit_bytes))
        with suppress(ImpossibleError):  # a kernel without swap has no such file
            if is_first:
                self._write("memory.memsw.limit_in_bytes", str(limit_bytes))
            else:
                self._write("memory.swap.max", "0")

    def take(self, pid: int) -> None:
        """The process, with all its threads, is in this group from now on."""
        self.origins[pid] = self._group_of(pid)
        self._write("cgroup.procs", str(pid))

    def peak_bytes(self) -> int | None:
        """The most memory it had."""
        is_first = self.hierarchy.version == 1
        name = "memory.max_usage_in_bytes" if is_first else "memory.peak"
        text = self._read(name).strip()
        return int(text) if text else None

    def times_throttled(self) -> int:
        """In how many periods it had to wait for processor time."""
        return self._number_of("cpu.stat", "nr_throttled")

    def kills(self) -> int:
        """How many of its processes the kernel has killed for want of memory."""
        is_first = self.hierarchy.version == 1
        name = "memory.oom_control" if is_first else "memory.events"
        return self._number_of(name, "oom_kill")

    async def remove(self) -> None:
        """Everybody goes back to where they came from, and the folder goes. Raises
        OSError if it does not within ``REMOVE_WITHIN_S``."""
        deadline = trio.current_time() + REMOVE_WITHIN_S
        while True:
            for pid in map(int, self._read("cgroup.procs").split()):
                origin = self.origins.get(pid, self.hierarchy.mount)
                with suppress(OSError):  # it has ended meanwhile
                    (origin / "cgroup.procs").write_text(str(pid), encoding="ascii")
            try:
                self.folder.rmdir()
            except FileNotFoundError:
                return
            except OSError:
                if trio.current_time() > deadline:
                    raise
            else:
                return
            await trio.sleep(0.02)

    def _group_of(self, pid: int) -> Path:
        wanted = self.hierarchy.controller if self.hierarchy.version == 1 else ""
        try:
            lines = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")
        except OSError as error:
            raise ImpossibleError(f"process {pid} has ended") from error
        for line in lines.splitlines():
            _, controllers, path = line.split(":", 2)
            folder = self.hierarchy.mount / path.lstrip("/")
            if wanted in controllers.split(",") and folder.is_dir():
                return folder
        return self.hierarchy.mount

    def _number_of(self, file: str, key: str) -> int:
        for line in self._read(file).splitlines():
            name, _, number = line.partition(" ")
            if name == key:
                return int(number)
        return 0

    def _read(self, name: str) -> str:
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except OSError:
            return ""

    def _write(self, name: str, text: str) -> None:
        file = self.folder / name
        try:
            file.write_text(text, encoding="ascii")
        except OSError as error:
            raise ImpossibleError(f"{file}: {error.strerror}") from error
