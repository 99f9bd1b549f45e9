"""Status updates the leader itself makes: durable, with a uuid, like any other."""

from __future__ import annotations

from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, TaskId
from raftleader.protocol.tasks import Reason, Source, TaskState, TaskStatus
from raftleader.state.context import Context
from raftleader.state.task_lifecycle import visible_state


def leader_status(
    ctx: Context,
    framework: FrameworkInfo | None,
    *,
    task_id: TaskId,
    agent_id: AgentId,
    state: TaskState,
    reason: Reason,
    message: str,
    unreachable_ms: int | None = None,
) -> TaskStatus:
    """News of a task by the leader; never of KILLING, which only agents know.

    ``agent_id`` is always there: a framework needs it to acknowledge.
    """
    return TaskStatus(
        task_id=task_id,
        state=visible_state(state, framework) or state,
        source=Source.LEADER,
        agent_id=agent_id,
        reason=reason,
        message=message,
        uuid=ctx.make_uuid(),
        timestamp_ms=ctx.now_ms,
        unreachable_ms=unreachable_ms,
    )
