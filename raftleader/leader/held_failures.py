"""Ends of executors that wait for their tasks' last updates.

A framework is told of one update of a task at a time, and of the next when it has
acknowledged that. So the end of an executor is known before the framework has heard
how its tasks ended; told at once, it would look as if they were still there. It is
held until the last update of each of them is on the stream, but not for ever: a
framework may never acknowledge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs
import trio

from raftleader.protocol.ids import AgentId, FrameworkId, TaskKey
from raftleader.protocol.scheduler_api import Event, Failure
from raftleader.state.cluster import ClusterState

Tell = Callable[[FrameworkId, Event], None]
"""Put an event on a framework's stream, if that is open."""

HELD_S_MAX = 10.0
"""Longest that an end is held: till an update that nobody acknowledges is repeated."""


@attrs.define(eq=False)
class _Held:
    framework_id: FrameworkId
    failure: Failure
    until_s: float
    tasks: set[TaskKey]


class HeldFailures:
    """See the module docstring. Belongs to one term."""

    def __init__(self, state: ClusterState, tell: Tell) -> None:
        self._state = state
        self._tell = tell
        self._held: dict[_Held, None] = {}  # oldest first
        self._by_task: dict[TaskKey, list[_Held]] = {}

    def tell(
        self, framework_id: FrameworkId, agent_id: AgentId, failure: Failure
    ) -> None:
        """Tell of this end of an executor, now or when its tasks' ends are told."""
        tasks = {
            key
            for key in self._state.tasks_by_agent.get(agent_id, ())
            if key[0] == framework_id and self._is_awaited(key, failure.executor_id)
        }
        if not tasks:
            self._tell(framework_id, failure)
            return
        until_s = trio.current_time() + HELD_S_MAX
        held = _Held(framework_id, failure, until_s, tasks)
        self._held[held] = None
        for key in tasks:
            self._by_task.setdefault(key, []).append(held)

    def on_applied(self, keys: Iterable[TaskKey]) -> None:
        """Tell what waited for these tasks only. Call it after their updates were put
        on the streams. On the hot path."""
        if not self._by_task:
            return
        for key in keys:
            if key in self._by_task and not self._has_more(key):
                for held in self._by_task.pop(key):
                    held.tasks.discard(key)
                    if not held.tasks:
                        self._let_go(held)

    def tell_overdue(self) -> None:
        """Tell what was held for long enough. To be called about every second."""
        now_s = trio.current_time()
        for held in list(self._held):
            if held.until_s > now_s:
                return
            for key in held.tasks:
                waiting = self._by_task[key]
                waiting.remove(held)
                if not waiting:
                    del self._by_task[key]
            self._let_go(held)

    def end(self) -> None:
        """The term is over; the ends that are held are not told."""
        self._held.clear()
        self._by_task.clear()

    def _let_go(self, held: _Held) -> None:
        del self._held[held]
        self._tell(held.framework_id, held.failure)

    def _is_awaited(self, key: TaskKey, executor_id: str | None) -> bool:
        executor = self._state.tasks[key].info.executor
        return (
            executor is not None
            and executor.executor_id == executor_id
            and self._has_more(key)
        )

    def _has_more(self, key: TaskKey) -> bool:
        """Whether an update of it waits for the one before to be acknowledged."""
        task = self._state.tasks.get(key)
        return task is not None and len(task.pending) > 1
