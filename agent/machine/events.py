"""What can happen to an agent. Values; no clock: a turn is given its time."""

from __future__ import annotations

import attrs

from agent.records import ExecutorRun, ProcessKey, ProcessMark
from raftleader.protocol import executor_api
from raftleader.protocol.agent_rpc import ExecutorReport, FromNode
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
    """The process of a task or executor runs."""

    key: ProcessKey
    mark: ProcessMark


@attrs.frozen
class StartFailed:
    """It could not be started, and never will be."""

    key: ProcessKey
    problem: str


@attrs.frozen
class StartCancelled:
    """It was still waiting to be started, and is not any more."""

    key: ProcessKey


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
    """The process of a task or executor has ended, its group with it. ``data`` is the
    result of a task."""

    key: ProcessKey
    exit: ProcessExit
    data: bytes | None = None


@attrs.frozen
class GraceOver:
    """A task or executor that was asked to end has had its time."""

    key: ProcessKey


@attrs.frozen
class RegistrationOver:
    """An executor has had its time to subscribe."""

    run: ExecutorRun


@attrs.frozen
class CompletionOver:
    """A task has had the time its framework gave it."""

    key: TaskKey


@attrs.frozen
class HealthReported:
    """What a health check says. ``is_fatal``: it has failed as often as it may."""

    key: TaskKey
    is_healthy: bool
    is_fatal: bool = False


@attrs.frozen
class CheckReported:
    """A check's result has changed. ``status`` is Mesos' CheckStatusInfo as canonical
    JSON."""

    key: TaskKey
    status: bytes


@attrs.frozen
class ExecutorSubscribed:
    """An executor opened a stream. ``stream`` is never used again."""

    run: ExecutorRun
    stream: int
    call: executor_api.Subscribe


@attrs.frozen
class ExecutorCalled:
    """An executor that is subscribed says something."""

    run: ExecutorRun
    call: executor_api.Update | executor_api.SendMessage


@attrs.frozen
class StreamLost:
    """That stream is gone."""

    run: ExecutorRun
    stream: int


@attrs.frozen
class Tick:
    """Another TICK_INTERVAL_S has passed."""


@attrs.frozen
class AgentRestarted:
    """The agent died and is back. Nothing of these tasks runs any more.

    Attributes:
        started: Tasks whose process had been started for certain.
        taken: Tasks of which that is not known.
        executors: Ids of the executors of those tasks that had one.
        runs: Runs of executors without an end.
        reports: Ends of runs that are not known to be committed.
    """

    started: tuple[TaskKey, ...]
    taken: tuple[TaskKey, ...]
    executors: dict[TaskKey, str] = attrs.field(factory=dict)
    runs: tuple[ExecutorRun, ...] = ()
    reports: tuple[ExecutorReport, ...] = ()


@attrs.frozen
class StopOrdered:
    """The agent is stopped cleanly: all tasks are killed, none is taken."""


ProcessEvent = ProcessStarted | StartFailed | StartCancelled | ProcessExited | GraceOver
"""What happens to the process of a task or an executor, named by ``key``."""

Event = (
    SessionOpened
    | SessionLost
    | MessageArrived
    | ProcessEvent
    | RegistrationOver
    | CompletionOver
    | HealthReported
    | CheckReported
    | ExecutorSubscribed
    | ExecutorCalled
    | StreamLost
    | Tick
    | AgentRestarted
    | StopOrdered
)
