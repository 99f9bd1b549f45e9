"""What the catalogue says of a mutant, and of a place where it is caught."""

from __future__ import annotations

import enum

import attrs

from chaos.machine.capabilities import Ability


class Level(enum.Enum):
    """Where a mutant is looked for; the value is its name in tables."""

    FAST = "fast"
    """The fast level of the simulator."""
    WHOLE = "whole"
    """The whole level of the simulator."""
    SCENARIO = "scenario"
    """Scenarios of their own, of code that is not ours."""
    LIVE = "live"
    """Real processes."""


@attrs.frozen(kw_only=True)
class LiveRun:
    """What ``raftleader chaos live`` is asked for, beside seed and mutant.

    Attributes:
        needs: What the machine must be able to do.
    """

    faults: str
    workload: str
    for_s: float
    leaders: int = 3
    agents: int = 2
    disks: str = "plain"
    needs: tuple[Ability, ...] = ()


@attrs.frozen(kw_only=True)
class Hunt:
    """A place where a mutant is caught.

    Attributes:
        checkers: One of these must name it. What follows from the fault is seen by
            others too, and counts for nothing.
        tries: Seeds within which it is expected.
        live: What is run, at the level ``live``.
    """

    level: Level
    checkers: tuple[str, ...]
    engine: str = "raft"
    tries: int = 200
    live: LiveRun | None = None


@attrs.frozen(kw_only=True)
class Mutant:
    """A rule that is missing.

    Attributes:
        rule: What the code does instead of what it should, in words.
        promise: The one it breaks, of ``chaos.judging.promises``.
        hunts: Where it is caught, the cheapest first.
    """

    name: str
    rule: str
    promise: str
    hunts: tuple[Hunt, ...]

    def hunt_at(self, level: Level) -> Hunt | None:
        """Its hunt there, if there is one."""
        return next((one for one in self.hunts if one.level is level), None)
