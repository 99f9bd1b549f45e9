"""The classes of faults that a run on real processes can make, and whom they hit."""

from __future__ import annotations

import enum

import attrs


class Group(enum.Enum):
    """Classes that are asked for together."""

    PROCESS = "process"
    NETWORK = "network"
    DISK = "disk"
    CLOCK = "clock"
    OPERATOR = "operator"


class Fault(enum.Enum):
    """A class of faults; the value is its name on the command line and in reports."""

    KILL = "kill"
    KILL_ALL = "kill-all"
    PAUSE = "pause"
    CPU_SQUEEZE = "cpu-squeeze"
    MEMORY_SQUEEZE = "memory-squeeze"
    DESCRIPTORS = "descriptors"
    CRASH_POINT = "crash-point"
    AGENT_KILL = "agent-kill"
    AGENT_PAUSE = "agent-pause"
    AGENT_CRASH_POINT = "agent-crash-point"
    EXECUTOR_KILL = "executor-kill"
    FRAMEWORK_KILL = "framework-kill"
    FRAMEWORK_PAUSE = "framework-pause"

    PARTITION = "partition"
    ONE_WAY = "one-way"
    RING = "ring"
    FLAPPING = "flapping"
    ISOLATION = "isolation"
    LOSS = "loss"
    DELAY = "delay"
    JITTER = "jitter"
    REORDER = "reorder"
    DUPLICATE = "duplicate"
    CORRUPTION = "corruption"
    BANDWIDTH = "bandwidth"
    RESET = "reset"
    HALF_OPEN = "half-open"
    AGENT_CUT = "agent-cut"
    FRAMEWORK_CUT = "framework-cut"

    POWER_CUT = "power-cut"
    FULL_DISK = "full-disk"
    READ_ONLY = "read-only"
    FAILED_SYNC = "failed-sync"
    SLOW_SYNC = "slow-sync"
    TRUNCATED_JOURNAL = "truncated-journal"
    FLIPPED_JOURNAL = "flipped-journal"
    LOST_DISK = "lost-disk"

    CLOCK_JUMP = "clock-jump"
    CLOCK_DRIFT = "clock-drift"

    ROLLING_RESTART = "rolling-restart"
    MEMBERSHIP = "membership"
    TRANSFER = "transfer"
    DRAIN = "drain"
    WRONG_CONFIG = "wrong-config"
    DUPLICATE_ID = "duplicate-id"

    @property
    def group(self) -> Group:
        return _GROUPS[self]


_LAST = {
    Fault.FRAMEWORK_PAUSE: Group.PROCESS,
    Fault.FRAMEWORK_CUT: Group.NETWORK,
    Fault.LOST_DISK: Group.DISK,
    Fault.CLOCK_DRIFT: Group.CLOCK,
    Fault.DUPLICATE_ID: Group.OPERATOR,
}
"""The last class of each group, in the order above."""


def _grouped() -> dict[Fault, Group]:
    groups: dict[Fault, Group] = {}
    members: list[Fault] = []
    for fault in Fault:
        members.append(fault)
        if fault in _LAST:
            groups |= dict.fromkeys(members, _LAST[fault])
            members.clear()
    return groups


_GROUPS = _grouped()


class Target(enum.Enum):
    """Whom a fault hits, decided when it begins."""

    ONE = "one"
    MINORITY = "minority"
    MAJORITY = "majority"
    ALL = "all"
    LEADER = "leader"
    AGENT = "agent"
    FRAMEWORK = "framework"


@attrs.frozen(kw_only=True)
class Injection:
    """One fault of a schedule; everything about it was drawn from the run's seed.

    Attributes:
        at_s: When it begins, in seconds since the phase of faults began.
        for_s: How long it stays in force. What is over at once (a kill, a reset) is
            put right after that time (the node is started again).
        seed: For the nemesis' own choices.
    """

    number: int
    fault: Fault
    target: Target
    at_s: float
    for_s: float
    seed: int
