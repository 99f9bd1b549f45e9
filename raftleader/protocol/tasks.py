"""Tasks and what is known of them: TaskInfo, TaskStatus, their states and reasons.

Names and meanings are Mesos' (v1 API); times are integers in milliseconds.
"""

from __future__ import annotations

import enum

import msgspec

from raftleader.protocol.ids import AgentId, TaskId
from raftleader.protocol.resources import EMPTY, Resources


class TaskState(enum.Enum):
    """Where a task is. The value is the name on the wire."""

    STAGING = "TASK_STAGING"
    STARTING = "TASK_STARTING"
    RUNNING = "TASK_RUNNING"
    KILLING = "TASK_KILLING"
    FINISHED = "TASK_FINISHED"
    FAILED = "TASK_FAILED"
    KILLED = "TASK_KILLED"
    ERROR = "TASK_ERROR"
    LOST = "TASK_LOST"
    DROPPED = "TASK_DROPPED"
    UNREACHABLE = "TASK_UNREACHABLE"
    GONE = "TASK_GONE"
    GONE_BY_OPERATOR = "TASK_GONE_BY_OPERATOR"
    UNKNOWN = "TASK_UNKNOWN"

    @property
    def is_terminal(self) -> bool:
        """No other state follows, and the task holds no resources."""
        return self in _TERMINAL


_TERMINAL = frozenset(
    {
        TaskState.FINISHED,
        TaskState.FAILED,
        TaskState.KILLED,
        TaskState.ERROR,
        TaskState.LOST,
        TaskState.DROPPED,
        TaskState.GONE,
        TaskState.GONE_BY_OPERATOR,
    }
)


class Source(enum.Enum):
    """Who speaks in a status update."""

    LEADER = "SOURCE_MASTER"
    AGENT = "SOURCE_AGENT"
    EXECUTOR = "SOURCE_EXECUTOR"


class Reason(enum.Enum):
    """Why, in a status update: the ones we give. Mesos' names."""

    COMMAND_EXECUTOR_FAILED = "REASON_COMMAND_EXECUTOR_FAILED"
    CONTAINER_LAUNCH_FAILED = "REASON_CONTAINER_LAUNCH_FAILED"
    EXECUTOR_TERMINATED = "REASON_EXECUTOR_TERMINATED"
    FRAMEWORK_REMOVED = "REASON_FRAMEWORK_REMOVED"
    INVALID_OFFERS = "REASON_INVALID_OFFERS"
    RECONCILIATION = "REASON_RECONCILIATION"
    AGENT_DISCONNECTED = "REASON_AGENT_DISCONNECTED"
    AGENT_REMOVED = "REASON_AGENT_REMOVED"
    AGENT_REREGISTERED = "REASON_AGENT_REREGISTERED"
    AGENT_RESTARTED = "REASON_AGENT_RESTARTED"
    AGENT_UNKNOWN = "REASON_AGENT_UNKNOWN"
    TASK_KILLED_DURING_LAUNCH = "REASON_TASK_KILLED_DURING_LAUNCH"
    TASK_INVALID = "REASON_TASK_INVALID"
    TASK_UNKNOWN = "REASON_TASK_UNKNOWN"


class CommandInfo(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """What to run.

    With ``shell`` the value is a line for ``/bin/sh -c``; without, the value is
    the program and ``arguments`` its argv, argv[0] included.
    """

    value: str | None = None
    shell: bool = True
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    user: str | None = None


class Label(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A free word of the framework's; never read by us."""

    key: str
    value: str | None = None


class TaskInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A task as its framework describes it.

    Attributes:
        unsupported: Names of fields the framework set that we cannot honour yet
            (``container``, ``health_check``, ...). Such a task is answered with
            TASK_ERROR rather than run without them.
        kill_grace_ms: Between TERM and KILL; None is the default.
        data: Handed to the task as the file ``task.data`` in its sandbox.
    """

    name: str
    task_id: TaskId
    agent_id: AgentId
    resources: Resources = EMPTY
    command: CommandInfo | None = None
    kill_grace_ms: int | None = None
    data: bytes | None = None
    labels: tuple[Label, ...] = ()
    unsupported: tuple[str, ...] = ()


class TaskStatus(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """What is known of a task at one moment.

    Attributes:
        uuid: 16 bytes that name this update, or None for an answer to a
            reconciliation; an update with a uuid is sent until acknowledged.
        data: What the task left in the file ``task.result`` of its sandbox, in
            a terminal update.
        timestamp_ms: Wall time of whoever made the update.
        container_id: Name of the container that ran it, once there is one.
    """

    task_id: TaskId
    state: TaskState
    source: Source
    agent_id: AgentId | None = None
    reason: Reason | None = None
    message: str | None = None
    data: bytes | None = None
    uuid: bytes | None = None
    timestamp_ms: int = 0
    executor_id: str | None = None
    container_id: str | None = None
    executor_pid: int | None = None
    labels: tuple[Label, ...] = ()
    unreachable_ms: int | None = None
