"""What ran on this agent and is over, for whoever looks. Bounded. Pure."""

from __future__ import annotations

from collections import deque

import attrs

from agent.machine.held import Executor, Held
from agent.records import ExecutorRun
from raftleader.protocol.ids import FrameworkId

FRAMEWORKS_MAX = 50
EXECUTORS_PER_FRAMEWORK_MAX = 150
TASKS_PER_EXECUTOR_MAX = 200
"""Remembered, the latest; Mesos' own values. A command task counts as an executor."""


@attrs.define(eq=False)
class FrameworkHistory:
    """Of one framework, oldest first.

    Attributes:
        command_tasks: Command tasks.
        executors: Runs of executors.
        tasks: Tasks of these, and of those that are still there.
    """

    command_tasks: deque[Held] = attrs.field(
        factory=lambda: deque(maxlen=EXECUTORS_PER_FRAMEWORK_MAX)
    )
    executors: deque[Executor] = attrs.field(
        factory=lambda: deque(maxlen=EXECUTORS_PER_FRAMEWORK_MAX)
    )
    tasks: dict[ExecutorRun, deque[Held]] = attrs.field(factory=dict)


@attrs.define(eq=False)
class History:
    """What is over, by framework; the framework that was silent longest goes first."""

    frameworks: dict[FrameworkId, FrameworkHistory] = attrs.field(factory=dict)

    def add_task(self, held: Held) -> None:
        """Its end is in the leaders' log. What never came here is not remembered."""
        if held.info is None:
            return
        held.forget_data()
        found = self._of(held.key[0])
        if held.run is None:
            found.command_tasks.append(held)
        else:
            tasks = found.tasks.get(held.run)
            if tasks is None:
                tasks = found.tasks[held.run] = deque(maxlen=TASKS_PER_EXECUTOR_MAX)
            tasks.append(held)

    def add_executor(self, executor: Executor) -> None:
        """Its end is in the leaders' log."""
        if executor.info is None:
            return
        found = self._of(executor.run.framework_id)
        if len(found.executors) == found.executors.maxlen:
            found.tasks.pop(found.executors[0].run, None)
        found.executors.append(executor)

    def _of(self, framework_id: FrameworkId) -> FrameworkHistory:
        found = self.frameworks.pop(framework_id, None) or FrameworkHistory()
        self.frameworks[framework_id] = found
        if len(self.frameworks) > FRAMEWORKS_MAX:
            del self.frameworks[next(iter(self.frameworks))]
        return found
