"""What can happen to an agent. Values; no clock: a turn is given its time."""

from __future__ import annotations

import attrs

from agent.records import ProcessMark
from raftleader.protocol.agent_rpc import FromNode
from raftleader.protocol.ids import TaskKey


@attrs.frozen
class SessionOpened:
    """A link to a leader node is up. ``session`` is never used again."""

    session: int


@attrs.frozen
class SessionLost:
    """That link is gone."""

    session: int


@attrs.frozen
class MessageArrived:
    """A leader node says something (Ping and Refused end at the link)."""

    session: int
    message: FromNode


@attrs.frozen
class ProcessStarted:
    """The process of a task runs."""

    key: TaskKey
    mark: ProcessMark


@attrs.frozen
class StartFailed:
    """It could not be started, and never will be."""

    key: TaskKey
    problem: str


@attrs.frozen
class StartCancelled:
    """It was still waiting to be started, and is not any more."""

    key: TaskKey


@attrs.frozen(kw_only=True)
class ProcessExit:
    """How a process ended: exactly one of the two is set.

    Attributes:
        code: Its exit code.
        signal: The name of the signal that ended it, e.g. ``SIGKILL``.
    """

    code: int | None = None
    signal: str | None = None


@attrs.frozen
class ProcessExited:
    """The process of a task has ended, its group with it. ``data`` is its result."""

    key: TaskKey
    exit: ProcessExit
    data: bytes | None = None


@attrs.frozen
class GraceOver:
    """A task that was asked to end has had its time."""

    key: TaskKey


@attrs.frozen
class Tick:
    """Another TICK_INTERVAL_S has passed."""


@attrs.frozen
class AgentRestarted:
    """The agent died and is back. Nothing of these tasks runs any more.

    Attributes:
        started: Tasks whose process had been started for certain.
        taken: Tasks of which that is not known.
    """

    started: tuple[TaskKey, ...]
    taken: tuple[TaskKey, ...]


@attrs.frozen
class StopOrdered:
    """The agent is stopped cleanly: all tasks are killed, none is taken."""


Event = (
    SessionOpened
    | SessionLost
    | MessageArrived
    | ProcessStarted
    | StartFailed
    | StartCancelled
    | ProcessExited
    | GraceOver
    | Tick
    | AgentRestarted
    | StopOrdered
)
