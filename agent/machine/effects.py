"""What an agent must do, as its machine decided. Values.

The records of a turn are written first, in one write, and synced if it says so;
its effects are performed after that, in order.
"""

from __future__ import annotations

import enum

import attrs

from agent.machine.events import CompletionOver, ProcessExit, RegistrationOver
from agent.records import ExecutorRun, Identity, ProcessKey, Record
from raftleader.protocol import executor_api
from raftleader.protocol.agent_rpc import FromAgent, TaskOrder, VolumeName
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import TaskKey
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import ExecutorInfo, TaskInfo, TaskState


@attrs.frozen(kw_only=True)
class ContainerEnd:
    """A container has ended: nothing of its process group runs any more.

    Attributes:
        exit: How its first process ended; None if none was ever started.
        state, message: What is said of its task, or of all tasks that an executor
            left behind.
    """

    container_id: str
    exit: ProcessExit | None
    state: TaskState | None = None
    message: str | None = None


class Signal(enum.Enum):
    """The two signals an agent sends, by name."""

    TERM = "SIGTERM"
    KILL = "SIGKILL"


@attrs.frozen
class Send:
    """Tell the leader node behind a session."""

    session: int
    message: FromAgent


@attrs.frozen
class CloseSession:
    """Give this session up and dial again; slowly if ``is_refusal``, since then a
    person must look, unless ``is_ordered``: then a person wanted it so."""

    session: int
    problem: str
    is_refusal: bool
    is_ordered: bool = False


@attrs.frozen
class StartTask:
    """Start this task, in a container of its own. Answered by ProcessStarted,
    StartFailed or StartCancelled.

    ``run`` is that of the default executor it belongs to; None for a command task.
    """

    order: TaskOrder
    run: ExecutorRun | None = None


@attrs.frozen
class StartExecutor:
    """Start the program of this executor; answered like StartTask."""

    run: ExecutorRun
    info: ExecutorInfo
    framework: FrameworkInfo
    role: str


@attrs.frozen
class CancelStart:
    """If it still waits to be started, drop it (StartCancelled); else do nothing."""

    key: ProcessKey


@attrs.frozen
class SignalTask:
    """Send a signal to all processes of a task or executor, if it still runs."""

    key: ProcessKey
    signal: Signal


@attrs.frozen
class SetTimer:
    """Report GraceOver after this time. Earlier timers of the same key stay."""

    key: ProcessKey
    after_ms: int


@attrs.frozen
class SetAlarm:
    """Report this event after this time."""

    event: RegistrationOver | CompletionOver
    after_ms: int


@attrs.frozen
class CancelAlarm:
    """This event need not be reported; it still may be, if it was due."""

    event: RegistrationOver | CompletionOver


@attrs.frozen
class SendEvent:
    """Tell an executor, on this stream of its."""

    stream: int
    event: executor_api.Event


@attrs.frozen
class CloseStream:
    """End this stream, once what was sent on it has left."""

    stream: int


@attrs.frozen
class BeginChecks:
    """Look at the task's health, and do its check, until EndChecks."""

    task: TaskInfo
    key: TaskKey
    run: ExecutorRun | None = None


@attrs.frozen
class EndChecks:
    """Look no more. What is on its way may still be reported."""

    key: TaskKey


@attrs.frozen
class LinkVolumes:
    """Make the persistent volumes of these resources and show them in the sandbox
    of a run."""

    run: ExecutorRun
    resources: Resources


@attrs.frozen
class DropVolumes:
    """Delete all persistent volumes but these."""

    kept: tuple[VolumeName, ...]


@attrs.frozen
class TaskEnded:
    """Its sandbox is of the past: cleanup may take it in due time."""

    key: TaskKey


@attrs.frozen
class RunEnded:
    """So is the sandbox of this run, with those of its tasks."""

    run: ExecutorRun


Effect = (
    Send
    | CloseSession
    | StartTask
    | StartExecutor
    | CancelStart
    | SignalTask
    | SetTimer
    | SetAlarm
    | CancelAlarm
    | SendEvent
    | CloseStream
    | BeginChecks
    | EndChecks
    | LinkVolumes
    | DropVolumes
    | TaskEnded
    | RunEnded
)


@attrs.define
class Turn:
    """The outcome of one turn.

    Attributes:
        identity: Who the agent is from now on, if that changed: on disk first.
        records: To be written next, all in one write.
        is_sync_needed: The effects may only be performed when ``records`` have
            reached the disk.
        ends: Containers that ended in it, for whoever watches.
    """

    identity: Identity | None = None
    records: list[Record] = attrs.field(factory=list)
    is_sync_needed: bool = False
    effects: list[Effect] = attrs.field(factory=list)
    ends: list[ContainerEnd] = attrs.field(factory=list)
