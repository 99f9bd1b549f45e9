"""Shared volumes: in nobody's account, so who uses one must be looked for."""

from __future__ import annotations

from raftleader.protocol.ids import AgentId, OfferId
from raftleader.protocol.resource_keys import is_shared_key
from raftleader.protocol.resources import Resources
from raftleader.state.cluster import ClusterState


def shared_keys_in_use(state: ClusterState, agent_id: AgentId) -> set[str]:
    """Keys of the agent's shared volumes that tasks use. Looks at all its tasks, if
    it has shared volumes."""
    shared = {
        key for key in state.agents[agent_id].dynamic.scalars if is_shared_key(key)
    }
    if not shared:
        return shared
    used: set[str] = set()
    for task_key in state.tasks_by_agent.get(agent_id, ()):
        task = state.tasks[task_key]
        if not task.state.is_terminal:
            used.update(shared.intersection(task.info.resources.scalars))
    return used


def offers_of_destroyed(
    state: ClusterState, agent_id: AgentId, total: Resources
) -> list[OfferId]:
    """Offers of the agent with a shared volume that is not in ``total``."""
    return [
        offer_id
        for offer_id in state.offers_by_agent.get(agent_id, ())
        if any(
            is_shared_key(key) and key not in total.scalars
            for key in state.offers[offer_id].resources.scalars
        )
    ]
