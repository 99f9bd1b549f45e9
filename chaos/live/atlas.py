"""The fault atlas: what each class of faults takes away, for how long, and what may
be broken at the same time.

A run must stay recoverable: when everything is healed, nothing that was answered may
be lost, and the cluster must go on by itself. So at every moment of a schedule

* faults that put leader nodes out of service (dead, stopped, cut, slow beyond belief)
  hit at most a minority of them together, the time until a node has caught up
  included; in a group of one or two, one node;
* a fault that is about more than a minority, or about the group itself, is *alone*
  among leader nodes: a class or target that means all or the majority (``kill-all``,
  ``power-cut@majority``), partitions of any shape, power cuts, journals and disks that
  are damaged or lost (one at a time), changes of members and rolling restarts;
* *weather* (bad links, clocks that jump) makes nobody unavailable for good and may go
  with the former kind, at most two at once, but not with faults that are alone;
* ``kill`` of leader nodes has no weather and no other fault of leader nodes beside it:
  the time until a leader leads again is to be measured, not that of the weather;
* at most half of the agents, and half of the frameworks, are hit at once, at least one;
  faults that hit all of either kind go with no other of agents and frameworks. They
  may go with those of leader nodes: the interesting moments lie there.

Which promise holds: all of them. No schedule takes the disks of a majority, so what was
answered must be there after every one of them, also after power cuts of all nodes.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from types import MappingProxyType

import attrs

from chaos.live.aims import hits_agents, hits_frameworks, hits_leader_nodes
from chaos.live.faults import Fault, Injection, Target

WEATHER_AT_ONCE = 2


@attrs.frozen(kw_only=True)
class Shape:
    """How many processes of each kind a cluster has, and what keeps its log."""

    leaders: int
    agents: int
    frameworks: int
    engine: str = "raft"

    @property
    def minority(self) -> int:
        """Of the leader nodes, what the others do without."""
        return (self.leaders - 1) // 2


class Strain(enum.Enum):
    """What a class of faults takes from the group of leader nodes."""

    NODE = "nodes"
    ALONE = "alone"
    MEASURED = "measured"
    WEATHER = "weather"


@attrs.frozen(kw_only=True)
class Course:
    """How a class goes, in seconds, on a machine of two cores.

    Attributes:
        inject_s: Until it is in force; what an operator does takes its time.
        shortest_s, longest_s: Between these it stays in force.
        recover_s: From the beginning of its healing until nothing is missing.
    """

    shortest_s: float
    longest_s: float
    recover_s: float
    inject_s: float = 0.0
    strain: Strain = Strain.NODE


_NODE, _ALONE = Strain.NODE, Strain.ALONE
_MEASURED, _WEATHER = Strain.MEASURED, Strain.WEATHER


def _course(
    shortest_s: float,
    longest_s: float,
    recover_s: float,
    strain: Strain = Strain.NODE,
    inject_s: float = 0.0,
) -> Course:
    return Course(
        shortest_s=shortest_s,
        longest_s=longest_s,
        recover_s=recover_s,
        inject_s=inject_s,
        strain=strain,
    )


COURSES: Mapping[Fault, Course] = MappingProxyType(
    {
        Fault.KILL: _course(1.0, 2.5, 2.5, _MEASURED),
        Fault.KILL_ALL: _course(0.5, 2.0, 4.0, _ALONE),
        Fault.PAUSE: _course(1.5, 4.0, 1.5),
        Fault.CPU_SQUEEZE: _course(2.5, 5.0, 1.5),
        Fault.MEMORY_SQUEEZE: _course(2.0, 4.0, 3.0),
        Fault.DESCRIPTORS: _course(2.0, 4.0, 1.5),
        Fault.CRASH_POINT: _course(2.0, 4.0, 2.5),
        Fault.AGENT_KILL: _course(1.0, 3.0, 2.5),
        Fault.AGENT_PAUSE: _course(1.5, 5.0, 1.5),
        Fault.AGENT_CRASH_POINT: _course(2.0, 4.0, 3.0),
        Fault.EXECUTOR_KILL: _course(0.5, 0.5, 1.0),
        Fault.FRAMEWORK_KILL: _course(0.5, 3.0, 2.5),
        Fault.FRAMEWORK_PAUSE: _course(1.5, 5.0, 1.5),
        Fault.PARTITION: _course(2.0, 5.0, 1.5, _ALONE),
        Fault.ONE_WAY: _course(2.0, 5.0, 1.5, _ALONE),
        Fault.RING: _course(2.0, 5.0, 1.5, _ALONE),
        Fault.FLAPPING: _course(3.0, 6.0, 1.5, _ALONE),
        Fault.ISOLATION: _course(4.0, 7.0, 3.0, _ALONE),
        Fault.LOSS: _course(2.5, 6.0, 0.5, _WEATHER),
        Fault.DELAY: _course(2.5, 6.0, 0.5, _WEATHER),
        Fault.JITTER: _course(2.5, 6.0, 0.5, _WEATHER),
        Fault.REORDER: _course(2.5, 6.0, 0.5, _WEATHER),
        Fault.DUPLICATE: _course(2.5, 6.0, 0.5, _WEATHER),
        Fault.CORRUPTION: _course(2.5, 6.0, 1.0, _WEATHER),
        Fault.BANDWIDTH: _course(2.5, 6.0, 1.0, _WEATHER),
        Fault.RESET: _course(0.5, 3.0, 1.5),
        Fault.HALF_OPEN: _course(0.5, 1.0, 1.5),
        Fault.AGENT_CUT: _course(2.0, 6.0, 2.0),
        Fault.FRAMEWORK_CUT: _course(2.0, 6.0, 2.0),
        Fault.POWER_CUT: _course(1.0, 2.0, 3.5, _ALONE),
        Fault.FULL_DISK: _course(2.0, 4.0, 2.5),
        Fault.READ_ONLY: _course(2.0, 4.0, 3.0),
        Fault.FAILED_SYNC: _course(2.0, 4.0, 3.0),
        Fault.SLOW_SYNC: _course(2.5, 5.0, 1.0),
        Fault.TRUNCATED_JOURNAL: _course(0.5, 1.0, 4.0, _ALONE, inject_s=1.5),
        Fault.FLIPPED_JOURNAL: _course(0.5, 1.0, 4.0, _ALONE, inject_s=1.5),
        Fault.LOST_DISK: _course(0.5, 1.5, 5.0, _ALONE, inject_s=1.5),
        Fault.CLOCK_JUMP: _course(2.5, 6.0, 0.5, _WEATHER),
        Fault.CLOCK_DRIFT: _course(3.0, 7.0, 2.5, inject_s=1.5),
        Fault.ROLLING_RESTART: _course(0.5, 0.5, 1.5, _ALONE, inject_s=5.0),
        Fault.MEMBERSHIP: _course(1.0, 2.5, 2.5, _ALONE, inject_s=1.0),
        Fault.TRANSFER: _course(0.5, 0.5, 1.0, inject_s=0.5),
        Fault.DRAIN: _course(3.0, 6.0, 1.5),
        Fault.WRONG_CONFIG: _course(0.5, 1.0, 2.5, inject_s=1.0),
        Fault.DUPLICATE_ID: _course(1.0, 2.0, 0.5, inject_s=1.5),
    }
)


@attrs.frozen(kw_only=True)
class Load:
    """What one injection takes while it lasts."""

    nodes: int = 0
    weather: int = 0
    is_alone: bool = False
    is_measured: bool = False
    edges: frozenset[Target] = frozenset()
    """Whose: ``AGENT``, ``FRAMEWORK``, and ``ALL`` if it hits all of them."""


def load_of(injection: Injection, shape: Shape) -> Load:
    fault, target = injection.fault, injection.target
    if not hits_leader_nodes(fault, target):
        kind = Target.AGENT if hits_agents(fault, target) else Target.FRAMEWORK
        is_all = target is Target.ALL
        return Load(edges=frozenset({kind, Target.ALL} if is_all else {kind}))
    strain = COURSES[fault].strain
    if strain is Strain.WEATHER:
        return Load(weather=1)
    is_group = target in (Target.MAJORITY, Target.ALL)
    return Load(
        nodes=max(1, shape.minority) if target is Target.MINORITY else 1,
        is_alone=is_group or strain is Strain.ALONE,
        is_measured=strain is Strain.MEASURED,
    )


def may_begin(one: Injection, others: Collection[Injection], shape: Shape) -> bool:
    """Whether ``one`` may begin while ``others`` last, their recovery included."""
    return is_bearable(
        load_of(one, shape), [load_of(other, shape) for other in others], shape
    )


def is_bearable(load: Load, others: Collection[Load], shape: Shape) -> bool:
    """Whether ``load`` may come on top of ``others``."""
    if load.edges:
        return _is_bearable_at_the_edge(load, others, shape)
    everything = [load, *(other for other in others if not other.edges)]
    if len(everything) > 1 and any(
        other.is_alone or other.is_measured for other in everything
    ):
        return False
    return (
        sum(other.nodes for other in everything) <= max(1, shape.minority)
        and sum(other.weather for other in everything) <= WEATHER_AT_ONCE
    )


def _is_bearable_at_the_edge(
    load: Load, others: Collection[Load], shape: Shape
) -> bool:
    edges = [other.edges for other in others if other.edges]
    if edges and any(Target.ALL in other for other in [*edges, load.edges]):
        return False
    counts = {Target.AGENT: shape.agents, Target.FRAMEWORK: shape.frameworks}
    return all(
        1 + sum(kind in other for other in edges) <= max(1, count // 2)
        for kind, count in counts.items()
        if kind in load.edges
    )


def window_s(injection: Injection) -> float:
    """From its beginning until nothing is missing, as far as can be told before."""
    course = COURSES[injection.fault]
    return course.inject_s + injection.for_s + course.recover_s


_OF_GROUPS = frozenset(
    {
        Fault.PARTITION,
        Fault.ONE_WAY,
        Fault.RING,
        Fault.FLAPPING,
        Fault.ISOLATION,
        Fault.TRUNCATED_JOURNAL,
        Fault.FLIPPED_JOURNAL,
        Fault.LOST_DISK,
        Fault.MEMBERSHIP,
        Fault.TRANSFER,
        Fault.DUPLICATE_ID,
    }
)
"""What a group of one or two cannot recover from, or what makes no sense there."""
_OF_CHANGING_MEMBERS = frozenset({Fault.LOST_DISK, Fault.MEMBERSHIP, Fault.TRANSFER})


def why_never(fault: Fault, shape: Shape) -> str | None:
    """Why a cluster of this shape cannot have it; None if it can."""
    if fault in _OF_GROUPS and shape.leaders < 3:
        return f"it takes three leader nodes, and there are {shape.leaders}"
    if fault in _OF_CHANGING_MEMBERS and shape.engine != "raft":
        return f"the members of the engine {shape.engine} are fixed"
    if fault is Fault.DRAIN and shape.agents < 2:
        return "it takes two agents: tasks must have somewhere to go"
    return None


def can_be_hit(fault: Fault, target: Target, shape: Shape) -> bool:
    """Whether there is anybody to hit."""
    if hits_agents(fault, target):
        return shape.agents > 0
    if hits_frameworks(fault, target):
        return shape.frameworks > 0
    return target is not Target.MINORITY or shape.minority > 0
