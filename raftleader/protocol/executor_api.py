"""The Mesos v1 executor API as values: one class for each call and event.

Spoken between an executor and the agent that started it, at ``/api/v1/executor``.
Contract: Mesos v1 executor HTTP API.
"""

from __future__ import annotations

import msgspec

from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId
from raftleader.protocol.tasks import ExecutorInfo, TaskInfo, TaskStatus


class _Call(msgspec.Struct, frozen=True, kw_only=True):
    executor_id: str
    framework_id: FrameworkId


class Subscribe(_Call, frozen=True, kw_only=True):
    """Open the event stream.

    Attributes:
        unacknowledged_tasks: Launched, and no update of them was acknowledged.
        unacknowledged_updates: Sent, and not known to have been stored.
    """

    unacknowledged_tasks: tuple[TaskInfo, ...] = ()
    unacknowledged_updates: tuple[TaskStatus, ...] = ()


class Update(_Call, frozen=True, kw_only=True):
    """News of a task. The agent acknowledges it once it has stored it."""

    status: TaskStatus


class SendMessage(_Call, frozen=True, kw_only=True):
    """Bytes for the scheduler; best effort."""

    data: bytes


class Beat(_Call, frozen=True, kw_only=True):
    """HEARTBEAT: keeps what lies between from closing the connection."""


Call = Subscribe | Update | SendMessage | Beat


class Subscribed(msgspec.Struct, frozen=True, kw_only=True):
    """The stream is open.

    Attributes:
        role: To which the executor's resources are allocated; in ``LaunchTask`` and
            ``LaunchTaskGroup``, the tasks' resources. Only written, not read.
    """

    executor_info: ExecutorInfo
    framework_info: FrameworkInfo
    agent_id: AgentId
    agent_info: AgentInfo
    container_id: str | None = None
    role: str | None = None


class LaunchTask(msgspec.Struct, frozen=True, kw_only=True):
    """Run this task."""

    task: TaskInfo
    role: str | None = None


class LaunchTaskGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Run these tasks together, or none of them."""

    tasks: tuple[TaskInfo, ...]
    role: str | None = None


class KillTask(msgspec.Struct, frozen=True, kw_only=True):
    """End this task. ``grace_ms`` overrides the task's own kill policy."""

    task_id: TaskId
    grace_ms: int | None = None


class Acknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """The agent has stored this update. It says nothing of the scheduler."""

    task_id: TaskId
    uuid: bytes


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes from the scheduler; best effort."""

    data: bytes


class Shutdown(msgspec.Struct, frozen=True):
    """End all tasks, say so, and exit within the grace period."""


class Error(msgspec.Struct, frozen=True, kw_only=True):
    """The session cannot go on; the executor should exit."""

    message: str


class Heartbeat(msgspec.Struct, frozen=True):
    """The stream is alive."""


class UnknownEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event type this client does not know; to be ignored."""

    type: str


Event = (
    Subscribed
    | LaunchTask
    | LaunchTaskGroup
    | KillTask
    | Acknowledged
    | Message
    | Shutdown
    | Error
    | Heartbeat
    | UnknownEvent
)
