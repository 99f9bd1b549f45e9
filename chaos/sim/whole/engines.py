"""The engines that can be simulated, and which faults they can be asked to bear."""

from __future__ import annotations

import enum
from collections.abc import Collection

from chaos.sim.options import Fault


class Engine(enum.Enum):
    """What replicates the log."""

    RAFT = "raft"
    PYSYNCOBJ = "pysyncobj"

    @property
    def faults(self) -> Collection[Fault]:
        """The classes that mean something with this engine."""
        if self is Engine.RAFT:
            return tuple(Fault)
        return tuple(fault for fault in Fault if fault not in _OF_OUR_ENGINE)


_OF_OUR_ENGINE = frozenset(
    {
        Fault.CRASH_AT_POINT,  # it has no points
        Fault.LOST_DISK,  # its members are fixed
        Fault.MEMBERSHIP,
        Fault.TRANSFER,
        Fault.DUPLICATE,  # it counts on links that never repeat
        Fault.ISOLATION,  # it has no snapshots
    }
)
