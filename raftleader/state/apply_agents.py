"""Commands about agents: they register, come back, fall silent."""

from __future__ import annotations

from msgspec.structs import replace

from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.ids import AgentId
from raftleader.protocol.tasks import Reason, TaskState
from raftleader.state.apply_maintenance import tell_unavailability
from raftleader.state.cluster import Agent, ClusterState
from raftleader.state.commands import MarkUnreachable, RegisterAgent
from raftleader.state.context import Context
from raftleader.state.happenings import AgentLost
from raftleader.state.machines import is_machine_down, unavailability_of
from raftleader.state.outcomes import (
    Accepted,
    Outcome,
    Refusal,
    Registration,
    Rejected,
)
from raftleader.state.statuses import leader_status
from raftleader.state.tables import rescind_offers, set_agent, set_framework
from raftleader.state.task_updates import record_status
from raftleader.state.validation import agent_problem


def apply_register_agent(
    state: ClusterState, ctx: Context, command: RegisterAgent
) -> Outcome:
    """Register an agent, or take a known one back.

    An agent that claims an id which is not its key's has a work directory of
    another cluster, or a copied one: a person must look. One that was declared gone
    stays away for ever, one whose machine is down as long as that is so. Tasks that
    became unreachable stay so until the agent reports them.
    """
    if command.agent_id is not None and command.agent_id in state.gone_agents:
        return _refused(Refusal.AGENT_GONE)
    if is_machine_down(state, command.info):
        return _refused(Refusal.MACHINE_DOWN)
    problem = agent_problem(command.key, command.info)
    known_id = state.agent_ids_by_key.get(command.key)
    if problem is None and command.agent_id not in (None, known_id):
        problem = f"this cluster does not know the agent as {command.agent_id}"
    if problem is not None:
        return Rejected(refusal=Refusal.INVALID_AGENT, message=problem)

    if known_id is None:
        agent = Agent(
            id=AgentId(ctx.make_id("S")),
            key=command.key,
            info=command.info,
            registered_ms=ctx.now_ms,
            reregistered_ms=ctx.now_ms,
        )
        set_agent(state, ctx, agent)
    else:
        agent = state.agents[known_id]
        _take_back(state, ctx, agent, command.info)
    return Accepted(value=Registration(agent_id=agent.id))


def _take_back(
    state: ClusterState, ctx: Context, agent: Agent, info: AgentInfo
) -> None:
    """What was made of its resources stays; if they no longer are what was offered,
    the offers go."""
    old = agent.info
    came = replace(
        agent, info=info, reregistered_ms=ctx.now_ms, unreachable_ms=None, shrunk=False
    )
    came = replace(came, shrunk=came.is_too_small)
    if came.shrunk or not came.total.contains(agent.used + agent.offered):
        rescind_offers(state, ctx, list(state.offers_by_agent.get(agent.id, ())))
        came = replace(came, offered=state.agents[agent.id].offered)
    if (info.attributes, info.domain) != (old.attributes, old.domain):
        _clear_filters(state, ctx, agent.id)
    set_agent(state, ctx, came)
    if (info.hostname, info.ip) != (old.hostname, old.ip):
        before = unavailability_of(state, old)
        tell_unavailability(state, ctx, agent.id, before, info)


def _refused(refusal: Refusal) -> Rejected:
    return Rejected(refusal=refusal, message=refusal.value)


def _clear_filters(state: ClusterState, ctx: Context, agent_id: AgentId) -> None:
    """Another machine, in effect: whoever refused it may want it now."""
    for framework in list(state.frameworks.values()):
        filters = tuple(f for f in framework.filters if f.agent_id != agent_id)
        if len(filters) != len(framework.filters):
            set_framework(state, ctx, replace(framework, filters=filters))


def apply_mark_unreachable(
    state: ClusterState, ctx: Context, command: MarkUnreachable
) -> Outcome:
    """Take back the agents' offers and tell what is known of their tasks.

    Tasks of PARTITION_AWARE frameworks become UNREACHABLE and keep their resources;
    those of others are LOST, and must not run on when the agent returns. Unknown
    agents, and those unreachable already, are passed over.
    """
    for agent_id in command.agent_ids:
        agent = state.agents.get(agent_id)
        if agent is not None and agent.unreachable_ms is None:
            rescind_offers(state, ctx, list(state.offers_by_agent.get(agent_id, ())))
            agent = state.agents[agent_id]
            set_agent(state, ctx, replace(agent, unreachable_ms=ctx.now_ms))
            _lose_sight(state, ctx, agent_id)
            ctx.happened.append(AgentLost(agent_id, False))
    return Accepted()


def _lose_sight(state: ClusterState, ctx: Context, agent_id: AgentId) -> None:
    for key in sorted(state.tasks_by_agent.get(agent_id, ())):
        task = state.tasks[key]
        if task.state.is_terminal or task.state is TaskState.UNREACHABLE:
            continue
        framework = state.frameworks.get(task.framework_id)
        status = leader_status(
            ctx,
            framework.info if framework else None,
            task_id=task.info.task_id,
            agent_id=agent_id,
            state=TaskState.UNREACHABLE,
            reason=Reason.AGENT_REMOVED,
            message="The agent is unreachable",
            unreachable_ms=ctx.now_ms,
        )
        record_status(state, ctx, task, status)
