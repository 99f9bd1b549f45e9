"""What applying a command answers, and what it touched."""

from __future__ import annotations

import enum
from collections.abc import Sequence, Set

import attrs

from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskKey
from raftleader.state.cluster import ExecutorKey, OperationKey
from raftleader.state.happenings import Happening


class Refusal(enum.Enum):
    """Why a command was rejected."""

    STALE_TERM = "stale term"
    UNREADABLE_ENTRY = "unreadable entry"
    UNKNOWN_FRAMEWORK = "Framework cannot be found"
    FRAMEWORK_REMOVED = "Framework has been removed"
    FRAMEWORK_NOT_SUBSCRIBED = "Framework is not subscribed"
    INVALID_FRAMEWORK = "invalid framework"
    UNKNOWN_AGENT = "unknown agent"
    INVALID_AGENT = "invalid agent"
    UNKNOWN_TASK = "unknown task"
    WRONG_AGENT = "wrong agent"
    INVALID_OFFERS = "invalid offers"
    INVALID_WEIGHTS = "invalid weights"
    INVALID_QUOTA = "invalid quota"
    QUOTA_EXCEEDS_CAPACITY = "quota exceeds capacity"
    INVALID_SCHEDULE = "invalid maintenance schedule"
    INVALID_MACHINES = "invalid machines"
    MACHINE_DOWN = "Machine is `DOWN`"
    AGENT_IN_SCHEDULE = "agent is part of a maintenance schedule"
    AGENT_NOT_DEACTIVATED = "Agent is not deactivated"
    AGENT_DRAINING = "Agent is still in the DRAINING state"
    AGENT_GONE = "Agent has been marked gone"
    INVALID_OPERATION = "invalid operation"
    INSUFFICIENT_RESOURCES = "insufficient resources"


@attrs.frozen(kw_only=True)
class Subscription:
    """Value of an accepted SubscribeFramework."""

    framework_id: FrameworkId
    subscription: int


@attrs.frozen(kw_only=True)
class Registration:
    """Value of an accepted RegisterAgent."""

    agent_id: AgentId


@attrs.frozen(kw_only=True)
class Accepted:
    """The command took effect. ``value`` is named in the command's docstring."""

    value: Subscription | Registration | None = None


@attrs.frozen(kw_only=True)
class Rejected:
    """The command left no trace. ``message`` is for the caller to read."""

    refusal: Refusal
    message: str = ""


Outcome = Accepted | Rejected


@attrs.frozen(kw_only=True)
class Touched:
    """Which rows a batch changed, so that effects need not be looked for everywhere.

    Only a hint for speed: a new leader derives every effect from the whole state.
    Each in the order in which they were touched, so that a run can be repeated.

    Attributes:
        frameworks: Subscribed, disconnected, suppressed, removed...
        agents: Registered, unreachable, or with other (free) resources.
        offers: Made, consumed or rescinded.
        tasks: Launched, updated, acknowledged, to be killed.
        executors: Launched, to be shut down, ended.
        operations: Performed or refused, acknowledged.
        inverse_offers: Made, answered or rescinded.
    """

    frameworks: Set[FrameworkId] = frozenset()
    agents: Set[AgentId] = frozenset()
    offers: Set[OfferId] = frozenset()
    tasks: Set[TaskKey] = frozenset()
    executors: Set[ExecutorKey] = frozenset()
    operations: Set[OperationKey] = frozenset()
    inverse_offers: Set[OfferId] = frozenset()


@attrs.frozen(kw_only=True)
class Applied:
    """The result of one log entry. ``happened`` is for those who count."""

    index: int
    outcomes: tuple[Outcome, ...]
    touched: Touched
    happened: Sequence[Happening] = ()
