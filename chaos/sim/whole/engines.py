"""Which faults each engine can be asked to bear."""

from __future__ import annotations

from collections.abc import Collection

from chaos.sim.options import Fault
from raftleader.errors import ConfigError
from raftleader.node import Engine

_OF_OUR_ENGINE = frozenset(
    {
        Fault.CRASH_AT_POINT,  # it has no points
        Fault.LOST_DISK,  # its members are fixed
        Fault.MEMBERSHIP,
        Fault.TRANSFER,
        Fault.DUPLICATE,  # it counts on links that never repeat
        Fault.ISOLATION,  # it has no snapshots
        Fault.FULL_DISK,  # it ends then
    }
)


def engine_named(name: str) -> Engine:
    """Raises ConfigError for one that cannot be simulated here."""
    for engine in (Engine.RAFT, Engine.PYSYNCOBJ):
        if engine.value == name:
            return engine
    raise ConfigError(f"--engine {name}: the whole level has raft and pysyncobj")


def faults_of(engine: Engine) -> Collection[Fault]:
    """The classes that mean something with this engine."""
    if engine is Engine.RAFT:
        return tuple(Fault)
    return tuple(fault for fault in Fault if fault not in _OF_OUR_ENGINE)
