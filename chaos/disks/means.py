"""With what this machine can break a disk: known before anything is made."""

from __future__ import annotations

import attrs

from chaos.machine.capabilities import Ability, Machine
from chaos.machine.tools import find_tool

AUTO, EXT4, PLAIN = "auto", "ext4", "plain"
KINDS = (AUTO, EXT4, PLAIN)
"""Of ``--disks``."""


@attrs.frozen(kw_only=True)
class DiskMeans:
    """For each means why it cannot be had; None if it can.

    Attributes:
        why_no_ext4: No file systems of our own.
        why_no_shim: No calls that fail, by a preloaded library.
        why_no_strace: No calls that fail, by a tracer.
    """

    why_no_ext4: str | None = None
    why_no_shim: str | None = None
    why_no_strace: str | None = None

    @property
    def why_no_calls(self) -> str | None:
        """Neither way to have calls fail."""
        if self.why_no_shim is None or self.why_no_strace is None:
            return None
        return f"{self.why_no_shim}; {self.why_no_strace}"


def means_of(machine: Machine, kind: str = AUTO) -> DiskMeans:
    """What a run with ``--disks KIND`` will have on this machine."""
    why_no_ext4 = machine.missing(Ability.LOOP_EXT4)
    if kind == PLAIN:
        why_no_ext4 = "the run was asked to do with --disks plain"
    tracer = None if find_tool("strace") else "no strace (apt install strace)"
    return DiskMeans(
        why_no_ext4=why_no_ext4,
        why_no_shim=machine.missing(Ability.GCC),
        why_no_strace=tracer,
    )
