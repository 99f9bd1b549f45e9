"""What the author of an executor implements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from raftleader.protocol.executor_api import Subscribed
from raftleader.protocol.ids import TaskId
from raftleader.protocol.tasks import TaskInfo

if TYPE_CHECKING:
    from raftleader.framework.executors.driver import ExecutorDriver


class Executor:
    """Runs tasks. Override what you need.

    The driver calls one method at a time, in the order of the events; while one is
    running no other begins, so what lasts belongs into ``driver.start_soon``. An
    exception of a method ends the driver and comes out of its ``run``.
    """

    async def registered(self, driver: ExecutorDriver, event: Subscribed) -> None:
        """The agent knows us, and tells about our framework. Called once."""

    async def reregistered(self, driver: ExecutorDriver, event: Subscribed) -> None:
        """The agent was lost and is back. It was told all that it may have missed."""

    async def launch(self, driver: ExecutorDriver, task: TaskInfo) -> None:
        """Start a task, and say so: ``driver.update(task.task_id, RUNNING)``."""

    async def launch_group(
        self, driver: ExecutorDriver, tasks: Sequence[TaskInfo]
    ) -> None:
        """Start these tasks together; as it is here, one by one."""
        for task in tasks:
            await self.launch(driver, task)

    async def kill(
        self, driver: ExecutorDriver, task_id: TaskId, grace_s: float | None
    ) -> None:
        """End a task, and tell of its end. ``grace_s`` overrides the task's own."""

    async def message(self, driver: ExecutorDriver, data: bytes) -> None:
        """Bytes from our scheduler."""

    async def shutdown(self, driver: ExecutorDriver) -> None:
        """End all tasks and tell of their ends.

        ``run`` returns once the agent has stored what was told, or when the grace
        period is nearly over. This is also called when the agent was lost for good;
        then nothing that is told arrives any more.
        """

    async def disconnected(self, driver: ExecutorDriver) -> None:
        """The agent was lost. With checkpointing the driver waits for its return."""

    async def error(self, driver: ExecutorDriver, message: str) -> None:
        """The agent ended the session; ``run`` raises ExecutorEndedError next."""
