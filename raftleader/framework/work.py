"""The tasks of a ClusterExecutor: what waits, what runs, what became of it.

One ``WorkItem`` is one future. It may take several tasks: a task that was dropped
before it ran is launched again under a new id, and so is a lost one if the user
asked for retries. Not thread-safe: lives in the executor's trio thread.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import attrs

from raftleader.framework.errors import TaskFailedError, TaskKilledError, TaskLostError
from raftleader.framework.payload import Outcome
from raftleader.framework.progress import Progress
from raftleader.protocol.ids import AgentId, TaskId
from raftleader.protocol.tasks import TaskState, TaskStatus

DROPS_MAX = 100
"""Tasks in a row that may be dropped unstarted, before we stop believing in it.
An offer rescinded while it is being accepted drops its tasks: that is normal."""

_LOST = frozenset(
    {
        TaskState.LOST,
        TaskState.UNREACHABLE,
        TaskState.GONE,
        TaskState.GONE_BY_OPERATOR,
        TaskState.UNKNOWN,
    }
)


class Ending(enum.Enum):
    """What a status says about a task, as far as its future is concerned."""

    NONE = "it goes on"
    RESULT = "it ran to its end"
    UNSTARTED = "it never ran"
    BAD = "it may have run, and has no result"


def ending_of(status: TaskStatus) -> Ending:
    """How to take a status update."""
    if status.state is TaskState.DROPPED:
        return Ending.UNSTARTED
    if status.state is TaskState.FINISHED:
        return Ending.RESULT
    if status.state.is_terminal or status.state in _LOST:
        return Ending.BAD
    return Ending.NONE


@attrs.define(eq=False)
class WorkItem:
    """A function call on its way. ``agent_address`` is set while it runs."""

    number: int
    name: str
    payload: bytes
    future: Future[Any]
    retries: int
    attempt: int = 0
    drops: int = 0
    agent_id: AgentId | None = None
    agent_address: str | None = None
    is_accepted: bool = False
    is_fetching: bool = False
    is_kill_wanted: bool = False

    @property
    def task_id(self) -> TaskId:
        suffix = f".{self.attempt}" if self.attempt else ""
        return TaskId(f"{self.number:06d}{suffix}")


class Work:
    """All items, and their counts."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._changed = changed
        self.waiting: deque[WorkItem] = deque()
        self.running: dict[TaskId, WorkItem] = {}
        self.submitted = 0
        self.done = 0
        self.failed = 0

    @property
    def is_empty(self) -> bool:
        """Whether every future is done."""
        return not self.waiting and not self.running

    def progress(self) -> Progress:
        return Progress(
            submitted=self.submitted,
            running=len(self.running),
            done=self.done,
            failed=self.failed,
        )

    def add(self, item: WorkItem) -> None:
        self.submitted += 1
        self.waiting.append(item)
        self._changed()

    def start_next(self) -> WorkItem | None:
        """The next item to launch, or None; cancelled ones are passed over."""
        while self.waiting:
            item = self.waiting.popleft()
            if item.future.running() or item.future.set_running_or_notify_cancel():
                self.running[item.task_id] = item
                self._changed()
                return item
            self.failed += 1
            self._changed()
        return None

    def drop_cancelled(self) -> None:
        """Take out items whose futures were cancelled while they waited."""
        kept = deque(item for item in self.waiting if not item.future.cancelled())
        for item in self.waiting:
            if item.future.cancelled():
                item.future.set_running_or_notify_cancel()
                self.failed += 1
        self.waiting = kept
        self._changed()

    def finish(self, item: WorkItem, outcome: Outcome) -> None:
        """Give the future its outcome."""
        self.running.pop(item.task_id, None)
        if outcome.error is None:
            self.done += 1
            item.future.set_result(outcome.value)
        else:
            self.failed += 1
            item.future.set_exception(outcome.error)
        self._changed()

    def end_badly(self, item: WorkItem, status: TaskStatus) -> None:
        """A task ended without a result: launch it again, or fail its future.

        A task that never ran is launched again freely, for it cannot run twice; one
        that may have run only as often as the user allowed.
        """
        problem = _describe(status)
        if item.is_kill_wanted:
            self.finish(item, Outcome(error=TaskKilledError(item.task_id, "killed")))
        elif ending_of(status) is Ending.UNSTARTED and item.drops < DROPS_MAX:
            item.drops += 1
            self._relaunch(item)
        elif status.state is not TaskState.ERROR and item.retries > 0:
            item.retries -= 1
            self._relaunch(item)
        elif status.state in _LOST:
            self.finish(item, Outcome(error=TaskLostError(item.task_id, problem)))
        else:
            self.finish(item, Outcome(error=TaskFailedError(item.task_id, problem)))

    def cancel_waiting(self) -> None:
        """Cancel what has not started; what is to be launched again stays."""
        for item in self.waiting:
            item.future.cancel()
        self.drop_cancelled()

    def fail_all(self, error: BaseException) -> None:
        """Nothing goes on: every future fails with ``error``."""
        while self.start_next() is not None:
            pass
        for item in list(self.running.values()):
            self.finish(item, Outcome(error=error))

    def _relaunch(self, item: WorkItem) -> None:
        self.running.pop(item.task_id, None)
        item.attempt += 1
        item.agent_id = item.agent_address = None
        item.is_accepted = item.is_fetching = False
        self.waiting.appendleft(item)


def _describe(status: TaskStatus) -> str:
    parts = [status.state.value]
    if status.reason is not None:
        parts.append(status.reason.value)
    return " ".join(parts) + (f": {status.message}" if status.message else "")
