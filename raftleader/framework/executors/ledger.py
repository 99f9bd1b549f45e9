"""What an executor must be able to say again after a loss.

An agent that comes back is told of every task it gave us and every update we made
that it is not known to have stored: nothing that was told once is lost with it.
"""

from __future__ import annotations

import attrs
import trio

from raftleader.protocol.executor_api import Acknowledged
from raftleader.protocol.ids import TaskId
from raftleader.protocol.tasks import TaskInfo, TaskStatus

TASKS_REMEMBERED_MAX = 100_000
"""Ids of tasks that were started: one that comes again is not started again."""


@attrs.define(eq=False)
class Ledger:
    """Attributes:
    tasks: Launched, and no update of them is known to be stored.
    updates: By uuid, in the order they were made.
    """

    tasks: dict[TaskId, TaskInfo] = attrs.field(factory=dict)
    updates: dict[bytes, TaskStatus] = attrs.field(factory=dict)
    _known: dict[TaskId, None] = attrs.field(factory=dict)
    _emptied: trio.Event = attrs.field(factory=trio.Event)

    def launched(self, task: TaskInfo) -> bool:
        """Take a task; whether it is new and must be started."""
        if task.task_id in self._known:
            return False
        self.tasks[task.task_id] = task
        self._known[task.task_id] = None
        if len(self._known) > TASKS_REMEMBERED_MAX:
            del self._known[next(iter(self._known))]
        return True

    def told(self, status: TaskStatus) -> None:
        """Take an update that is to be sent."""
        assert status.uuid is not None
        self.updates[status.uuid] = status

    def withdrawn(self, status: TaskStatus) -> None:
        """The agent refused this update: sending it again is no use."""
        assert status.uuid is not None
        self._forget(status.uuid)

    def acknowledged(self, event: Acknowledged) -> None:
        """The agent has stored an update, and with it knows of the task."""
        self._forget(event.uuid)
        self.tasks.pop(event.task_id, None)

    def _forget(self, uuid: bytes) -> None:
        self.updates.pop(uuid, None)
        if not self.updates:
            self._emptied.set()
            self._emptied = trio.Event()

    async def wait_empty(self) -> None:
        """Until there is no update that is not stored."""
        while self.updates:
            await self._emptied.wait()
