"""Whom each class of faults may hit, and whom it hits if nobody says.

Leader nodes are hit by number (one, a minority, ...) or as *the leader*; agents and
frameworks are hit singly, or, of those classes that are theirs, all at once. ``kill``
of all is ``kill-all``: its recovery is measured apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import attrs

from chaos.live.faults import Fault, Target

LEADER_TARGETS = frozenset(
    {Target.ONE, Target.MINORITY, Target.MAJORITY, Target.ALL, Target.LEADER}
)
"""Of these some leader nodes are hit; ``ALL`` of a class of agents or frameworks means
all of those."""


@attrs.frozen(kw_only=True)
class Aims:
    """The targets of a class.

    Attributes:
        usual: What is drawn from when no target was asked for; the first is drawn for
            the first injection of a run.
        others: What may be asked for beside these.
    """

    usual: tuple[Target, ...]
    others: tuple[Target, ...] = ()

    @property
    def possible(self) -> tuple[Target, ...]:
        """In the order of ``Target``."""
        both = {*self.usual, *self.others}
        return tuple(target for target in Target if target in both)


_ONE, _MINORITY, _MAJORITY = Target.ONE, Target.MINORITY, Target.MAJORITY
_ALL, _LEADER = Target.ALL, Target.LEADER
_AGENT, _FRAMEWORK = Target.AGENT, Target.FRAMEWORK

_NODES = Aims(usual=(_LEADER, _ONE), others=(_MINORITY, _MAJORITY, _ALL))
_FEW_NODES = Aims(usual=(_ONE, _LEADER), others=(_MINORITY,))
_SINGLE = Aims(usual=(_ONE, _LEADER))
_LINKS = Aims(
    usual=(_LEADER, _ONE, _ALL, _AGENT, _FRAMEWORK), others=(_MINORITY, _MAJORITY)
)
_CLOCKS = Aims(usual=(_LEADER, _ONE, _AGENT), others=(_MINORITY, _MAJORITY, _ALL))
_GROUP = Aims(usual=(_ALL,))
_AGENTS = Aims(usual=(_AGENT,), others=(_ALL,))
_FRAMEWORKS = Aims(usual=(_FRAMEWORK,), others=(_ALL,))

AIMS: Mapping[Fault, Aims] = MappingProxyType(
    {
        Fault.KILL: Aims(usual=(_LEADER, _ONE), others=(_MINORITY, _MAJORITY)),
        Fault.KILL_ALL: _GROUP,
        Fault.PAUSE: _NODES,
        Fault.CPU_SQUEEZE: _NODES,
        Fault.MEMORY_SQUEEZE: _FEW_NODES,
        Fault.DESCRIPTORS: Aims(usual=(_LEADER, _ONE), others=(_MINORITY,)),
        Fault.CRASH_POINT: Aims(usual=(_LEADER, _ONE), others=(_MINORITY,)),
        Fault.AGENT_KILL: _AGENTS,
        Fault.AGENT_PAUSE: _AGENTS,
        Fault.AGENT_CRASH_POINT: Aims(usual=(_AGENT,)),
        Fault.EXECUTOR_KILL: _AGENTS,
        Fault.FRAMEWORK_KILL: _FRAMEWORKS,
        Fault.FRAMEWORK_PAUSE: _FRAMEWORKS,
        Fault.PARTITION: Aims(
            usual=(_LEADER, _MINORITY), others=(_ONE, _MAJORITY, _ALL)
        ),
        Fault.ONE_WAY: Aims(usual=(_LEADER, _ONE), others=(_MINORITY, _MAJORITY)),
        Fault.RING: _GROUP,
        Fault.FLAPPING: Aims(usual=(_LEADER, _ONE), others=(_MINORITY,)),
        Fault.ISOLATION: _SINGLE,
        Fault.LOSS: _LINKS,
        Fault.DELAY: _LINKS,
        Fault.JITTER: _LINKS,
        Fault.REORDER: _LINKS,
        Fault.DUPLICATE: _LINKS,
        Fault.CORRUPTION: _LINKS,
        Fault.BANDWIDTH: _LINKS,
        Fault.RESET: _LINKS,
        Fault.HALF_OPEN: Aims(
            usual=(_LEADER, _ONE, _AGENT, _FRAMEWORK), others=(_MINORITY,)
        ),
        Fault.AGENT_CUT: _AGENTS,
        Fault.FRAMEWORK_CUT: _FRAMEWORKS,
        Fault.POWER_CUT: Aims(usual=(_MAJORITY, _ALL, _LEADER, _ONE, _MINORITY)),
        Fault.FULL_DISK: _FEW_NODES,
        Fault.READ_ONLY: _FEW_NODES,
        Fault.FAILED_SYNC: _FEW_NODES,
        Fault.SLOW_SYNC: Aims(
            usual=(_LEADER, _ONE), others=(_MINORITY, _MAJORITY, _ALL)
        ),
        Fault.TRUNCATED_JOURNAL: _SINGLE,
        Fault.FLIPPED_JOURNAL: _SINGLE,
        Fault.LOST_DISK: _SINGLE,
        Fault.CLOCK_JUMP: _CLOCKS,
        Fault.CLOCK_DRIFT: _CLOCKS,
        Fault.ROLLING_RESTART: _GROUP,
        Fault.MEMBERSHIP: _SINGLE,
        Fault.TRANSFER: Aims(usual=(_LEADER,)),
        Fault.DRAIN: Aims(usual=(_AGENT,)),
        Fault.WRONG_CONFIG: _SINGLE,
        Fault.DUPLICATE_ID: _SINGLE,
    }
)

_OF_AGENTS = frozenset(
    {
        Fault.AGENT_KILL,
        Fault.AGENT_PAUSE,
        Fault.AGENT_CRASH_POINT,
        Fault.EXECUTOR_KILL,
        Fault.AGENT_CUT,
        Fault.DRAIN,
    }
)
_OF_FRAMEWORKS = frozenset(
    {Fault.FRAMEWORK_KILL, Fault.FRAMEWORK_PAUSE, Fault.FRAMEWORK_CUT}
)


def hits_agents(fault: Fault, target: Target) -> bool:
    """Whether agents, or their links, are what is hit."""
    return fault in _OF_AGENTS or target is Target.AGENT


def hits_frameworks(fault: Fault, target: Target) -> bool:
    """Whether frameworks, or their links, are what is hit."""
    return fault in _OF_FRAMEWORKS or target is Target.FRAMEWORK


def hits_leader_nodes(fault: Fault, target: Target) -> bool:
    """Whether leader nodes, or links between them, are what is hit."""
    return not hits_agents(fault, target) and not hits_frameworks(fault, target)
