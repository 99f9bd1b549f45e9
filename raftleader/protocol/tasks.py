"""Tasks and what is known of them: TaskInfo, TaskStatus, their states and reasons.

Names and meanings are Mesos' (v1 API); times are integers in milliseconds.
"""

from __future__ import annotations

import enum

import msgspec

from raftleader.protocol.ids import AgentId, TaskId
from raftleader.protocol.labels import Label
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
    """Why, in a status update. Mesos' names, all of them: executors choose too."""

    COMMAND_EXECUTOR_FAILED = "REASON_COMMAND_EXECUTOR_FAILED"
    CONTAINER_LAUNCH_FAILED = "REASON_CONTAINER_LAUNCH_FAILED"
    CONTAINER_LIMITATION = "REASON_CONTAINER_LIMITATION"
    CONTAINER_LIMITATION_DISK = "REASON_CONTAINER_LIMITATION_DISK"
    CONTAINER_LIMITATION_MEMORY = "REASON_CONTAINER_LIMITATION_MEMORY"
    CONTAINER_PREEMPTED = "REASON_CONTAINER_PREEMPTED"
    CONTAINER_UPDATE_FAILED = "REASON_CONTAINER_UPDATE_FAILED"
    MAX_COMPLETION_TIME_REACHED = "REASON_MAX_COMPLETION_TIME_REACHED"
    EXECUTOR_REGISTRATION_TIMEOUT = "REASON_EXECUTOR_REGISTRATION_TIMEOUT"
    EXECUTOR_REREGISTRATION_TIMEOUT = "REASON_EXECUTOR_REREGISTRATION_TIMEOUT"
    EXECUTOR_TERMINATED = "REASON_EXECUTOR_TERMINATED"
    EXECUTOR_UNREGISTERED = "REASON_EXECUTOR_UNREGISTERED"
    FRAMEWORK_REMOVED = "REASON_FRAMEWORK_REMOVED"
    GC_ERROR = "REASON_GC_ERROR"
    INVALID_FRAMEWORKID = "REASON_INVALID_FRAMEWORKID"
    INVALID_OFFERS = "REASON_INVALID_OFFERS"
    IO_SWITCHBOARD_EXITED = "REASON_IO_SWITCHBOARD_EXITED"
    MASTER_DISCONNECTED = "REASON_MASTER_DISCONNECTED"
    RECONCILIATION = "REASON_RECONCILIATION"
    RESOURCES_UNKNOWN = "REASON_RESOURCES_UNKNOWN"
    AGENT_DISCONNECTED = "REASON_AGENT_DISCONNECTED"
    AGENT_DRAINING = "REASON_AGENT_DRAINING"
    AGENT_REMOVED = "REASON_AGENT_REMOVED"
    AGENT_REMOVED_BY_OPERATOR = "REASON_AGENT_REMOVED_BY_OPERATOR"
    AGENT_REREGISTERED = "REASON_AGENT_REREGISTERED"
    AGENT_RESTARTED = "REASON_AGENT_RESTARTED"
    AGENT_UNKNOWN = "REASON_AGENT_UNKNOWN"
    TASK_KILLED_DURING_LAUNCH = "REASON_TASK_KILLED_DURING_LAUNCH"
    TASK_CHECK_STATUS_UPDATED = "REASON_TASK_CHECK_STATUS_UPDATED"
    TASK_HEALTH_CHECK_STATUS_UPDATED = "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"
    TASK_GROUP_INVALID = "REASON_TASK_GROUP_INVALID"
    TASK_GROUP_UNAUTHORIZED = "REASON_TASK_GROUP_UNAUTHORIZED"
    TASK_INVALID = "REASON_TASK_INVALID"
    TASK_UNAUTHORIZED = "REASON_TASK_UNAUTHORIZED"
    TASK_UNKNOWN = "REASON_TASK_UNKNOWN"


class Uri(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the agent fetches into the sandbox before it starts a command.

    Attributes:
        value: An ``http``, ``https`` or ``file`` URI, or an absolute path.
        is_executable: The file may be executed; it is never unpacked then.
        is_extracted: It is unpacked if its name is that of an archive.
        is_cached: Handed on; nothing is cached.
        output_file: Its name in the sandbox, a relative path; None is the last part
            of ``value``.
    """

    value: str
    is_executable: bool = False
    is_extracted: bool = True
    is_cached: bool = False
    output_file: str | None = None


class CommandInfo(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """What to run.

    With ``shell`` the value is a line for ``/bin/sh -c``; without, the value is
    the program and ``arguments`` its argv, argv[0] included. ``uris`` are fetched
    before, in order.
    """

    value: str | None = None
    shell: bool = True
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    user: str | None = None
    uris: tuple[Uri, ...] = ()


class ExecutorType(enum.Enum):
    """Who runs an executor: ourselves (task groups), or the framework's program."""

    DEFAULT = "DEFAULT"
    CUSTOM = "CUSTOM"


class ExecutorInfo(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """The program of a framework that runs its tasks on an agent.

    All tasks that name one ``executor_id`` on one agent share it, and must name an
    equal ExecutorInfo. Its own resources are charged once.

    Attributes:
        type: None is CUSTOM, as in Mesos.
        command: None only for DEFAULT.
        shutdown_grace_ms: Between the event SHUTDOWN and KILL; None is the agent's.
        carried: Fields of Mesos' message that we hand on without reading them
            (``container``, ``discovery``, ``source``), as canonical JSON.
        unsupported: As in ``TaskInfo``.
    """

    executor_id: str
    type: ExecutorType | None = None
    framework_id: str | None = None
    command: CommandInfo | None = None
    resources: Resources = EMPTY
    name: str | None = None
    data: bytes | None = None
    labels: tuple[Label, ...] = ()
    shutdown_grace_ms: int | None = None
    carried: bytes | None = None
    unsupported: tuple[str, ...] = ()


class TaskInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A task as its framework describes it.

    Attributes:
        executor: Who runs it; None is the command executor, which then runs
            ``command``. A task of a group has both.
        unsupported: Names of fields the framework set that we cannot honour yet
            (``container``, ``limits``, ...). Such a task is answered with
            TASK_ERROR rather than run without them.
        kill_grace_ms: Between TERM and KILL; None is the default.
        max_completion_ms: It is killed when it has run so long.
        data: Handed to a command task as the file ``task.data`` in its sandbox, to
            an executor as it is.
        health_check, check: Mesos' messages as canonical JSON, in snake case.
        carried: Fields that we hand on without reading them (``container``,
            ``discovery``), as canonical JSON.
    """

    name: str
    task_id: TaskId
    agent_id: AgentId
    resources: Resources = EMPTY
    executor: ExecutorInfo | None = None
    command: CommandInfo | None = None
    kill_grace_ms: int | None = None
    max_completion_ms: int | None = None
    data: bytes | None = None
    labels: tuple[Label, ...] = ()
    health_check: bytes | None = None
    check: bytes | None = None
    carried: bytes | None = None
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
        healthy: What its health check says, if it has one.
        carried: What an executor added and we only hand on (``check_status``,
            ``limitation``, the rest of ``container_status``), as canonical JSON.
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
    healthy: bool | None = None
    carried: bytes | None = None
