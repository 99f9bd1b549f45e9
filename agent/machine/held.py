"""Tasks and executors in the memory of their agent. Pure."""

from __future__ import annotations

import enum

import attrs
from msgspec.structs import replace

from agent.records import ExecutorRun, ProcessMark
from raftleader.limits import KILL_GRACE_S, KILL_GRACE_S_MAX
from raftleader.protocol.agent_rpc import ExecutorReport
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import TaskId, TaskKey
from raftleader.protocol.resources import EMPTY, Resources
from raftleader.protocol.tasks import (
    ExecutorInfo,
    ExecutorType,
    Reason,
    TaskInfo,
    TaskState,
    TaskStatus,
)

STATUSES_MAX = 4
"""Latest updates of a task that are shown to whoever looks at the agent."""

SEEN_UUIDS_MAX = 64
"""Updates remembered per task to know one that its executor repeats; executors
repeat what is not acknowledged: a handful."""


class Stage(enum.Enum):
    """How far a task is, as its agent sees it.

    QUEUED waits for its executor to subscribe, and is HANDED to it then; LAUNCHING
    waits for a process of its own, and is RUNNING with it.
    """

    QUEUED = "queued"
    HANDED = "handed"
    LAUNCHING = "launching"
    RUNNING = "running"
    ENDED = "ended"


@attrs.define(kw_only=True, eq=False)
class Held:
    """A task whose end is not committed.

    Attributes:
        state: The newest state that was reported, or will be.
        info: What the framework said of it; None after a restart, or if it never came.
        framework_name: For whoever looks.
        run: The executor it belongs to; None for a command task.
        group: Ids of all tasks of its group; empty if it is of none.
        executor_id: As its updates name it; None if it never came.
        kill_message: Why it is being killed; None if it is not.
        kill_reason: Stands in its last update instead of the usual.
        grace_ms: Between TERM and KILL.
        kill_override_ms: The grace that a kill for its executor named, if it did.
        healthy: What its health check said last.
        check_status: The same of its check, as canonical JSON.
        mark: Its process, once there is one.
        statuses: The latest updates.
        seen: Uuids of its executor's updates, the latest.
    """

    key: TaskKey
    stage: Stage
    state: TaskState
    info: TaskInfo | None = None
    framework_name: str = ""
    role: str = "*"
    run: ExecutorRun | None = None
    group: tuple[TaskId, ...] = ()
    executor_id: str | None = None
    container_id: str = ""
    grace_ms: int = round(KILL_GRACE_S * 1000)
    kill_message: str | None = None
    kill_reason: Reason | None = None
    kill_override_ms: int | None = None
    healthy: bool | None = None
    check_status: bytes | None = None
    mark: ProcessMark | None = None
    statuses: list[TaskStatus] = attrs.field(factory=list)
    seen: dict[bytes, None] = attrs.field(factory=dict)

    @property
    def name(self) -> str:
        return self.info.name if self.info else ""

    @property
    def resources(self) -> Resources:
        return self.info.resources if self.info else EMPTY

    @property
    def is_own(self) -> bool:
        """Whether the agent runs it itself: then it plays the executor."""
        return self.stage in (Stage.LAUNCHING, Stage.RUNNING)

    def remember(self, status: TaskStatus) -> None:
        """For whoever looks; without its data, which may be long."""
        if status.data is not None:
            status = replace(status, data=None)
        self.statuses = [*self.statuses[1 - STATUSES_MAX :], status]

    def forget_data(self) -> None:
        """What was handed on need not be kept."""
        if self.info is not None and self.info.data is not None:
            self.info = replace(self.info, data=None)

    def saw(self, uuid: bytes) -> bool:
        """Whether an update of this uuid came before; from now on it did."""
        if uuid in self.seen:
            return True
        self.seen[uuid] = None
        if len(self.seen) > SEEN_UUIDS_MAX:
            del self.seen[next(iter(self.seen))]
        return False


class ExecutorState(enum.Enum):
    """How far an executor is; names as Mesos' agent has them."""

    REGISTERING = "REGISTERING"
    RUNNING = "RUNNING"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"


@attrs.frozen(kw_only=True)
class LastWord:
    """What is said of the tasks that an executor leaves behind."""

    state: TaskState = TaskState.FAILED
    reason: Reason = Reason.EXECUTOR_TERMINATED
    message: str = "Executor terminated"


@attrs.define(kw_only=True, eq=False)
class Executor:
    """A run of an executor whose end is not committed.

    Attributes:
        info: What the framework said of it; None after a restart, or if it never was.
        tasks: Its tasks whose end is not committed, in the order they came.
        stream: Where it hears us, while it is connected.
        was_handed_task: Whether it was ever told of one.
        last_word: Why it is ended, if its tasks should hear more than that it was.
        report: Its end, once it is over.
        sent_tick: When the report was last sent; None for not yet.
    """

    run: ExecutorRun
    state: ExecutorState
    info: ExecutorInfo | None = None
    framework: FrameworkInfo | None = None
    role: str = "*"
    mark: ProcessMark | None = None
    tasks: dict[TaskKey, None] = attrs.field(factory=dict)
    stream: int | None = None
    was_handed_task: bool = False
    last_word: LastWord | None = None
    report: ExecutorReport | None = None
    sent_tick: int | None = None

    @property
    def is_default(self) -> bool:
        """Whether the agent runs its tasks itself."""
        return self.info is not None and self.info.type is ExecutorType.DEFAULT

    @property
    def is_ending(self) -> bool:
        """Whether it takes no more tasks."""
        return self.state in (ExecutorState.TERMINATING, ExecutorState.TERMINATED)


def bounded_grace(grace_ms: int) -> int:
    """Between 0 and the longest grace there is."""
    return max(0, min(grace_ms, round(KILL_GRACE_S_MAX * 1000)))
