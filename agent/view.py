"""What other parts of the agent may see of it: its frameworks, executors, tasks and
containers, as values of one moment.

A *container* is what runs as one group of processes: an executor (top-level), a task
of the default executor (nested in it), or a command task, which Mesos shows as an
executor of its own with the task's id. ``machine_view.py`` makes these of a machine.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import attrs

from agent.machine.effects import ContainerEnd
from agent.machine.held import ExecutorState
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import ExecutorInfo, TaskInfo, TaskState, TaskStatus


class ContainerState(enum.Enum):
    """How far a container is. One that has ended is not shown any more."""

    STARTING = "starting"
    RUNNING = "running"
    ENDING = "ending"


@attrs.frozen(kw_only=True)
class ContainerView:
    """A container that is there.

    Attributes:
        container_id: Unique for ever.
        parent: The container id of its executor, for a task of the default executor.
        executor_id: Whose it is; of a command task the task's id.
        executor_name: As the framework named it; "" if it did not.
        tasks: Ids of the live tasks in it and in containers nested in it.
        pid: Of the leader of its process group; None as long as it has no process.
            The default executor never has one.
        sandbox: Its folder, absolute; perhaps not made yet while it is STARTING.
        resources: Charged for it: an executor's own and those of its tasks.
        user: Whom its processes run as; None is the agent's own.
    """

    container_id: str
    parent: str | None
    framework_id: FrameworkId
    executor_id: str
    executor_name: str
    tasks: tuple[TaskId, ...]
    pid: int | None
    sandbox: str
    state: ContainerState
    resources: Resources
    user: str | None = None


@attrs.frozen(kw_only=True)
class TaskView:
    """A task.

    Attributes:
        info: As its framework described it.
        executor_id: Who runs it; "" for a command task, as Mesos shows it.
        state: The newest known here.
        statuses: The latest updates, oldest first; few of them.
        container_id: Of the container that runs it, or will.
    """

    framework_id: FrameworkId
    info: TaskInfo
    role: str
    executor_id: str
    state: TaskState
    statuses: tuple[TaskStatus, ...]
    container_id: str


@attrs.frozen(kw_only=True)
class ExecutorView:
    """An executor with its tasks.

    Attributes:
        info: As its framework described it; made up for a command task.
        is_command_task: Whether it stands for one command task.
        queued: Not handed to it yet.
        launched: Handed to it, and live.
        terminated: Ended; the leaders do not know yet.
        completed: Ended, and the leaders know; the latest only.
    """

    framework_id: FrameworkId
    info: ExecutorInfo
    container_id: str
    sandbox: str
    state: ExecutorState
    is_command_task: bool
    resources: Resources
    queued: tuple[TaskView, ...] = ()
    launched: tuple[TaskView, ...] = ()
    terminated: tuple[TaskView, ...] = ()
    completed: tuple[TaskView, ...] = ()


@attrs.frozen(kw_only=True)
class FrameworkView:
    """A framework that has, or lately had, something here.

    Attributes:
        info: As it described itself; for one with command tasks only no more than
            id and name are known here.
        executors: Those that are there, or whose end the leaders do not know yet.
        completed_executors: The latest of the others, oldest first.
    """

    framework_id: FrameworkId
    info: FrameworkInfo
    executors: tuple[ExecutorView, ...] = ()
    completed_executors: tuple[ExecutorView, ...] = ()


__all__ = [
    "AgentView",
    "ContainerEnd",
    "ContainerState",
    "ContainerView",
    "ExecutorState",
    "ExecutorView",
    "FrameworkView",
    "OnContainerEnd",
    "TaskView",
]

OnContainerEnd = Callable[[ContainerEnd], None]


class AgentView(Protocol):
    """Reading is cheap but not free: it takes time with the number of tasks."""

    @property
    def agent_id(self) -> AgentId | None:
        """None until a leader has given one."""

    @property
    def info(self) -> AgentInfo:
        """The machine, as announced."""

    @property
    def start_time_s(self) -> float:
        """Wall time of the agent's start, in seconds."""

    def frameworks(self) -> Sequence[FrameworkView]:
        """All frameworks, in order of their ids; those that have nothing left but
        completed executors among them."""

    def containers(self) -> Sequence[ContainerView]:
        """All containers of executors and tasks; parents before their children."""

    def find_container(self, container_id: str) -> ContainerView | None:
        """One of these, or None."""

    def environment_of(self, container_id: str) -> Mapping[str, str] | None:
        """What its processes are started with; None if there is no such container."""

    def signal_container(self, container_id: str, number: int) -> bool:
        """Send a signal to its processes. False if there is no such container.

        KILL of an executor ends it and what is nested in it.
        """

    def watch_ends(self, on_end: OnContainerEnd) -> Callable[[], None]:
        """Call ``on_end`` for each container that ends from now on, between two turns
        of the agent; it must not block. Returns the function that stops this."""

    def counters(self) -> Mapping[str, int]:
        """Counts since the start, by name without ``slave/``, e.g.
        ``valid_status_updates``, ``container_launch_errors``."""
