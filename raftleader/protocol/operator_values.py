"""What operators set: quota, maintenance, draining. Values of the log."""

from __future__ import annotations

import enum

import msgspec

from raftleader.protocol.offers import Unavailability


class Quota(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one role, in thousandths by the name of a scalar.

    Attributes:
        limits: The role never holds more, offered and used together.
        guarantees: Laid aside for the role while it holds less.
    """

    limits: dict[str, int] = {}
    guarantees: dict[str, int] = {}


class MachineId(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A machine by name or address; an empty one matches any. Names in lower case."""

    hostname: str = ""
    ip: str = ""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Machines that will be unavailable together."""

    machines: tuple[MachineId, ...]
    unavailability: Unavailability


class MachineMode(enum.Enum):
    """Of a machine in the schedule; one that is not in it is up."""

    DRAINING = "DRAINING"
    DOWN = "DOWN"


class DrainState(enum.Enum):
    """How far the draining of an agent is."""

    DRAINING = "DRAINING"
    DRAINED = "DRAINED"


class Drain(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An agent's tasks are being ended, or have been.

    Attributes:
        max_grace_ms: No task gets more time than that; None is no bound.
        mark_gone: The agent is declared gone once it is drained.
    """

    state: DrainState
    started_ms: int
    max_grace_ms: int | None = None
    mark_gone: bool = False
