"""The tasks of a framework as it knows them itself. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any

import attrs

from raftleader.protocol.ids import AgentId, TaskId
from raftleader.protocol.tasks import TaskInfo, TaskState, TaskStatus

NOWHERE = frozenset({TaskState.UNKNOWN, TaskState.GONE})
"""What a leader answers of a task that it has no row of."""
REFUSED = frozenset({TaskState.DROPPED, TaskState.ERROR})
"""How a launch ends that never came about."""
ENDED_MAX = 5_000
"""Ended tasks remembered: as many as a leader remembers."""


class Launch(enum.Enum):
    """What is known of the ACCEPT that launched a task."""

    ASKED = "asked"
    """It has no answer yet."""
    ACCEPTED = "accepted"
    """It is in the log; or the task was heard of, which shows the same."""
    DOUBTFUL = "doubtful"
    """It may have happened, and is not asked for again."""


@attrs.define(kw_only=True)
class OwnTask:
    """A task that has not ended, or whose end is not acknowledged.

    Attributes:
        state: What was heard last; None before anything was.
        since_ns: When it was launched, or first heard of.
        is_kill_wanted: Somebody has asked for its end.
    """

    task_id: TaskId
    agent_id: AgentId | None
    launch: Launch
    since_ns: int
    state: TaskState | None = None
    is_kill_wanted: bool = False

    @property
    def is_ended(self) -> bool:
        return self.state is not None and self.state.is_terminal

    def as_line(self) -> dict[str, Any]:
        """For the record of what is left."""
        return {
            "task_id": self.task_id,
            "agent_id": self.agent_id,
            "state": self.state.value if self.state else None,
            "launch": self.launch.value,
        }


class TaskBook:
    """Tasks by id: those that live, and those that ended lately."""

    def __init__(self) -> None:
        self.tasks: dict[TaskId, OwnTask] = {}
        self.ended: dict[TaskId, TaskState] = {}
        self.agents: set[AgentId] = set()

    @property
    def live(self) -> list[OwnTask]:
        """Tasks that have not ended, as far as we know."""
        return [task for task in self.tasks.values() if not task.is_ended]

    def is_known(self, task_id: TaskId) -> bool:
        """Whether it lives, or ended lately."""
        return task_id in self.tasks or task_id in self.ended

    def asked(self, tasks: Iterable[TaskInfo], now_ns: int) -> None:
        """An ACCEPT that launches these is about to be sent."""
        for info in tasks:
            self.agents.add(info.agent_id)
            self.tasks[info.task_id] = OwnTask(
                task_id=info.task_id,
                agent_id=info.agent_id,
                launch=Launch.ASKED,
                since_ns=now_ns,
            )

    def accepted(self, task_ids: Iterable[TaskId]) -> None:
        """It was answered."""
        self._launch(task_ids, Launch.ACCEPTED)

    def doubted(self, task_ids: Iterable[TaskId]) -> None:
        """It has no answer, and is given up."""
        self._launch(task_ids, Launch.DOUBTFUL)

    def refused(self, task_ids: Iterable[TaskId]) -> None:
        """It certainly did not happen."""
        for task_id in task_ids:
            self.tasks.pop(task_id, None)

    def heard(self, status: TaskStatus, now_ns: int) -> OwnTask | None:
        """News of a task; None if it is of none that lives.

        A task nobody knows lives from now on, unless it has ended: an earlier life of
        ours launched it.
        """
        task = self.tasks.get(status.task_id)
        launch = task.launch if task is not None else None
        is_nowhere = status.uuid is None and status.state in NOWHERE
        if is_nowhere and (
            status.state is TaskState.UNKNOWN or launch is not Launch.ACCEPTED
        ):
            # The leader knows nothing of it: its launch was lost, or is still to come.
            if launch is Launch.DOUBTFUL:
                del self.tasks[status.task_id]
            return None
        if task is None:
            if status.task_id in self.ended or (
                status.state.is_terminal and status.uuid is None
            ):
                return None
            task = self.tasks[status.task_id] = OwnTask(
                task_id=status.task_id,
                agent_id=status.agent_id,
                launch=Launch.ACCEPTED,
                since_ns=now_ns,
            )
        task.state = status.state
        task.launch = Launch.ACCEPTED
        if status.state.is_terminal:
            self._end(task.task_id, status.state)
            if status.uuid is None:
                # What answers a reconciliation, or a leader's own word, is not to be
                # acknowledged. If an update is on its way still, it finds no task.
                del self.tasks[task.task_id]
        return task

    def acknowledged(self, task_id: TaskId) -> None:
        """The leader knows that we know."""
        task = self.tasks.get(task_id)
        if task is not None and task.is_ended:
            del self.tasks[task_id]

    def left(self) -> list[dict[str, Any]]:
        """Everything that has not ended, or is not acknowledged."""
        return [task.as_line() for _, task in sorted(self.tasks.items())]

    def _launch(self, task_ids: Iterable[TaskId], launch: Launch) -> None:
        for task_id in task_ids:
            task = self.tasks.get(task_id)
            if task is not None and task.launch is not Launch.ACCEPTED:
                task.launch = launch

    def _end(self, task_id: TaskId, state: TaskState) -> None:
        self.ended[task_id] = state
        while len(self.ended) > ENDED_MAX:
            del self.ended[next(iter(self.ended))]
