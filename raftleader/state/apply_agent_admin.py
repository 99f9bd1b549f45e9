"""What operators do to agents: drain, deactivate, reactivate, declare gone."""

from __future__ import annotations

from msgspec.structs import replace

from raftleader.limits import KILL_GRACE_S, KILL_GRACE_S_MAX
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId
from raftleader.protocol.operator_values import Drain, DrainState
from raftleader.protocol.tasks import Reason, TaskState, TaskStatus
from raftleader.state.cluster import Agent, ClusterState, Task
from raftleader.state.context import Context
from raftleader.state.machines import unavailability_of
from raftleader.state.operator_commands import (
    DeactivateAgent,
    DrainAgent,
    MarkAgentGone,
    ReactivateAgent,
)
from raftleader.state.outcomes import Accepted, Outcome, Refusal, Rejected
from raftleader.state.statuses import leader_status
from raftleader.state.tables import (
    change_executor,
    drop_executor,
    rescind_offers,
    set_agent,
    set_task,
)
from raftleader.state.tables_operators import bury_agent, rescind_inverse_offers
from raftleader.state.task_updates import record_status

_KILL_GRACE_MS = round(KILL_GRACE_S * 1000)
_KILL_GRACE_MS_MAX = round(KILL_GRACE_S_MAX * 1000)

_UNKNOWN_AGENT = Rejected(refusal=Refusal.UNKNOWN_AGENT, message="Unknown agent")


def apply_drain_agent(
    state: ClusterState, ctx: Context, command: DrainAgent
) -> Outcome:
    """Take the agent's offers back and kill its tasks, each with a kill intent.

    Draining an agent again replaces what the first order said. An unreachable agent
    stays DRAINING until it is back: nobody knows what runs there.
    """
    agent = state.agents.get(command.agent_id)
    if agent is None:
        return _UNKNOWN_AGENT
    if unavailability_of(state, agent.info) is not None:
        return Rejected(
            refusal=Refusal.AGENT_IN_SCHEDULE,
            message=f"Agent {agent.id} is part of a maintenance schedule",
        )
    max_grace_ms = command.max_grace_ms
    if max_grace_ms is not None:
        max_grace_ms = min(max(max_grace_ms, 0), _KILL_GRACE_MS_MAX)
    rescind_offers(state, ctx, list(state.offers_by_agent.get(agent.id, ())))
    for key in sorted(state.tasks_by_agent.get(agent.id, ())):
        task = state.tasks[key]
        if not task.state.is_terminal:
            grace_ms = _bounded_grace(task, max_grace_ms)
            wanted = replace(task, kill_wanted=True, kill_grace_ms=grace_ms)
            set_task(state, ctx, wanted)
    drain = Drain(
        state=DrainState.DRAINING,
        started_ms=ctx.now_ms,
        max_grace_ms=max_grace_ms,
        mark_gone=command.mark_gone,
    )
    agent = state.agents[agent.id]
    set_agent(state, ctx, replace(agent, is_deactivated=True, drain=drain))
    return Accepted()


def _bounded_grace(task: Task, max_grace_ms: int | None) -> int | None:
    own_ms = task.kill_grace_ms
    if max_grace_ms is None:
        return own_ms
    if own_ms is None:
        own_ms = task.info.kill_grace_ms
    return min(_KILL_GRACE_MS if own_ms is None else own_ms, max_grace_ms)


def finish_drain(state: ClusterState, ctx: Context, agent: Agent) -> None:
    """If nothing runs any more on a reachable agent that drains: it is drained, or
    gone if that was asked for."""
    drain = agent.drain
    if (
        drain is None
        or drain.state is not DrainState.DRAINING
        or agent.unreachable_ms is not None
        or _has_live_tasks(state, agent.id)
    ):
        return
    if drain.mark_gone:
        declare_gone(state, ctx, agent.id)
    else:
        drained = replace(drain, state=DrainState.DRAINED)
        set_agent(state, ctx, replace(agent, drain=drained))


def _has_live_tasks(state: ClusterState, agent_id: AgentId) -> bool:
    return any(
        not state.tasks[key].state.is_terminal
        for key in state.tasks_by_agent.get(agent_id, ())
    )


def draining_status(
    state: ClusterState, framework: FrameworkInfo | None, status: TaskStatus
) -> TaskStatus:
    """A task's end by killing, as it is told when its agent drains: with that as
    its reason, and to PARTITION_AWARE frameworks as GONE_BY_OPERATOR if the agent
    will be gone. Other news stay as they are."""
    agent = None if status.agent_id is None else state.agents.get(status.agent_id)
    if agent is None or agent.drain is None:
        return status
    if status.state not in (TaskState.KILLING, TaskState.KILLED):
        return status
    is_aware = framework is not None and framework.is_capable("PARTITION_AWARE")
    if agent.drain.mark_gone and is_aware and status.state is TaskState.KILLED:
        status = replace(status, state=TaskState.GONE_BY_OPERATOR)
    return replace(status, reason=Reason.AGENT_DRAINING)


def apply_deactivate_agent(
    state: ClusterState, ctx: Context, command: DeactivateAgent
) -> Outcome:
    """Offer nothing of the agent from now on."""
    agent = state.agents.get(command.agent_id)
    if agent is None:
        return _UNKNOWN_AGENT
    rescind_offers(state, ctx, list(state.offers_by_agent.get(agent.id, ())))
    agent = state.agents[agent.id]
    set_agent(state, ctx, replace(agent, is_deactivated=True))
    return Accepted()


def apply_reactivate_agent(
    state: ClusterState, ctx: Context, command: ReactivateAgent
) -> Outcome:
    """Offer the agent again, and forget that it was drained."""
    agent = state.agents.get(command.agent_id)
    if agent is None or not (agent.is_deactivated or agent.drain):
        return _refused(Refusal.AGENT_NOT_DEACTIVATED)
    if agent.drain is not None and agent.drain.state is DrainState.DRAINING:
        return _refused(Refusal.AGENT_DRAINING)
    set_agent(state, ctx, replace(agent, is_deactivated=False, drain=None))
    return Accepted()


def apply_mark_agent_gone(
    state: ClusterState, ctx: Context, command: MarkAgentGone
) -> Outcome:
    """Declare an agent gone for ever. Once is as good as twice."""
    if command.agent_id in state.agents:
        declare_gone(state, ctx, command.agent_id)
    elif command.agent_id not in state.gone_agents:
        return Rejected(
            refusal=Refusal.UNKNOWN_AGENT,
            message=f"Agent '{command.agent_id}' not found",
        )
    return Accepted()


def declare_gone(state: ClusterState, ctx: Context, agent_id: AgentId) -> None:
    """Its tasks end GONE_BY_OPERATOR; row, reservations and volumes go."""
    rescind_offers(state, ctx, list(state.offers_by_agent.get(agent_id, ())))
    rescind_inverse_offers(
        state, ctx, list(state.inverse_offers_by_agent.get(agent_id, ()))
    )
    end_tasks(
        state,
        ctx,
        agent_id,
        told=TaskState.GONE_BY_OPERATOR,
        reason=Reason.AGENT_REMOVED_BY_OPERATOR,
        message="Agent has been marked gone",
    )
    for key in sorted(state.executors_by_agent.get(agent_id, ())):
        drop_executor(state, ctx, key)
    bury_agent(state, ctx, agent_id)


def end_tasks(
    state: ClusterState,
    ctx: Context,
    agent_id: AgentId,
    *,
    told: TaskState,
    reason: Reason,
    message: str,
) -> None:
    """End every live task on the agent, unreachable ones too, by a durable update.

    Frameworks that are not PARTITION_AWARE hear LOST, and AGENT_REMOVED as reason.
    """
    for key in sorted(state.tasks_by_agent.get(agent_id, ())):
        task = state.tasks[key]
        if task.state.is_terminal:
            continue
        framework = state.frameworks.get(task.framework_id)
        is_aware = framework is None or framework.info.is_capable("PARTITION_AWARE")
        status = leader_status(
            ctx,
            framework.info if framework else None,
            task_id=task.info.task_id,
            agent_id=agent_id,
            state=told,
            reason=reason if is_aware else Reason.AGENT_REMOVED,
            message=message,
        )
        record_status(state, ctx, task, status)


def shut_down_executors(state: ClusterState, ctx: Context, agent_id: AgentId) -> None:
    """Every executor there is to end, should its agent be heard of again."""
    for key in sorted(state.executors_by_agent.get(agent_id, ())):
        executor = state.executors[key]
        change_executor(state, ctx, replace(executor, is_shutdown_wanted=True))


def _refused(refusal: Refusal) -> Rejected:
    return Rejected(refusal=refusal, message=refusal.value)
