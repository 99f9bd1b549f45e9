"""Calls of a running process that fail or wait, as we say: the driver's half.

The other half is ``faulty_disk.c``, preloaded into the process. Both map the same small
file; nothing is sent, so it works while the process is stuck, and survives its death:
its next life has the same faults.
"""

from __future__ import annotations

import enum
import mmap
import os
import shutil
import struct
from importlib import resources
from pathlib import Path

import attrs
import trio

from chaos.disks.commands import run_tool
from chaos.disks.preload import PRELOAD

CONTROL_VARIABLE = "RAFTLEADER_CHAOS_DISK_CONTROL"
PREFIX_VARIABLE = "RAFTLEADER_CHAOS_DISK_PREFIX"
LIBRARY = "faulty_disk.so"
SOURCE = "faulty_disk.c"

_MAGIC = 0x524C4644
_HEADER = struct.Struct("=II")
_RULE = struct.Struct("=iIiI")
"""Error, delay, times, hits."""
_FAULT, _REST = struct.Struct("=iI"), struct.Struct("=iI")
_TIMES_AT = _FAULT.size


class Call(enum.Enum):
    """A class of calls; the value is its place in the control file."""

    SYNC = 0
    """fsync, fdatasync."""
    WRITE = 1
    ALLOCATE = 2
    CHANGE = 3
    """Opening for writing, truncating, renaming, removing, making a directory."""


async def compile_shim(folder: Path) -> Path:
    """The library, compiled in ``folder``. Raises DiskError that says what gcc said."""
    source, library = folder / SOURCE, folder / LIBRARY
    await trio.to_thread.run_sync(_copy_source, source)
    await run_tool(
        "gcc", "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"
    )
    return library


def _copy_source(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with resources.as_file(resources.files(__package__) / SOURCE) as packaged:
        shutil.copyfile(packaged, target)


@attrs.define
class Shim:
    """The control file of one process.

    Attributes:
        library: What is preloaded.
        prefix: Calls on files below are concerned.
    """

    library: Path
    control: Path
    prefix: Path
    _map: mmap.mmap = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        empty = _HEADER.pack(_MAGIC, 0) + bytes(_RULE.size * len(Call))
        self.control.parent.mkdir(parents=True, exist_ok=True)
        self.control.write_bytes(empty)
        descriptor = os.open(self.control, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._map = mmap.mmap(descriptor, len(empty))
        finally:
            os.close(descriptor)

    @property
    def environment(self) -> dict[str, str]:
        """For the process."""
        return {
            PRELOAD: str(self.library),
            CONTROL_VARIABLE: str(self.control),
            PREFIX_VARIABLE: str(self.prefix),
        }

    def set(
        self, *calls: Call, error: int = 0, delay_ms: int = 0, times: int = -1
    ) -> None:
        """From now on these calls wait ``delay_ms``, and fail with the errno ``error``
        unless that is 0: the next ``times`` of them, or all if that is negative."""
        for call in calls:
            place = self._place(call)
            # Nothing is hit while these are 0; all the rest is there before they are
            # not.
            self._map[place : place + _TIMES_AT] = bytes(_TIMES_AT)
            _REST.pack_into(self._map, place + _TIMES_AT, times, 0)
            _FAULT.pack_into(self._map, place, error, delay_ms)

    def clear(self) -> None:
        """All calls succeed again, as fast as they can. What was hit stays counted."""
        for call in Call:
            place = self._place(call)
            self._map[place : place + _TIMES_AT] = bytes(_TIMES_AT)

    def hits(self, call: Call) -> int:
        """How many calls were hit since the last ``set``."""
        return int(_RULE.unpack_from(self._map, self._place(call))[3])

    def close(self) -> None:
        """Let go; idempotent."""
        self._map.close()

    def _place(self, call: Call) -> int:
        return _HEADER.size + _RULE.size * call.value
