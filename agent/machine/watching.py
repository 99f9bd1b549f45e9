"""What becomes of a task that runs too long, or whose checks have news. Pure."""

from __future__ import annotations

from agent.machine.held import Held, Stage
from agent.machine.tasks import TaskTable
from raftleader.protocol.ids import TaskKey
from raftleader.protocol.tasks import Reason, TaskState


def completion_over(tasks: TaskTable, key: TaskKey) -> None:
    """It has run as long as it may: no grace is left."""
    held = _watched(tasks, key)
    if held is not None:
        held.kill_reason = Reason.MAX_COMPLETION_TIME_REACHED
        tasks.kill_held(held, "it had run for its maximum completion time", 0)


def health_reported(
    tasks: TaskTable, key: TaskKey, *, is_healthy: bool, is_fatal: bool
) -> None:
    """Its health check passed again, or failed; perhaps once too often."""
    held = _watched(tasks, key)
    if held is None:
        return
    held.healthy = is_healthy
    reason = Reason.TASK_HEALTH_CHECK_STATUS_UPDATED
    tasks.report(held, TaskState.RUNNING, reason=reason)
    if is_fatal:
        tasks.kill_held(held, "its health check failed too often", None)


def check_reported(tasks: TaskTable, key: TaskKey, status: bytes) -> None:
    """Its check found something else than before."""
    held = _watched(tasks, key)
    if held is not None:
        held.check_status = status
        reason = Reason.TASK_CHECK_STATUS_UPDATED
        tasks.report(held, TaskState.RUNNING, reason=reason)


def _watched(tasks: TaskTable, key: TaskKey) -> Held | None:
    """The task, as long as nobody wants it to end."""
    held = tasks.held.get(key)
    if held is None or held.stage is not Stage.RUNNING or held.kill_message:
        return None
    return held
