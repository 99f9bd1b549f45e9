"""What a healed cluster has still to do, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftleader.state.cluster import ClusterState

if TYPE_CHECKING:
    from chaos.sim.whole.world import World


def unfinished(world: World) -> list[str]:
    """Empty when all is done, and nothing runs that should not."""
    leader = world.leader
    if leader is None:
        return ["nobody leads, or several", *(node.standing for node in world.living)]
    state = leader.state
    found = [text for one in world.returning for text in one.unfinished]
    found += [f"task {key[1]} is still in the table" for key in sorted(state.tasks)]
    found += [f"executor {key[2]} is still in the table" for key in state.executors]
    found += _of_frameworks(world, state)
    found += [
        f"agent {agent.info.hostname} has no session with the leader"
        for agent in state.agents.values()
        if not leader.service.agent_is_connected(agent.id)
    ]
    found += [
        f"{key} still runs on {machine.name}"
        for machine in world.machines
        for key in machine.containerizer.running
    ]
    if not world.nemesis.member_faults.is_finished:
        found += ["not every node is a voter", *(one.standing for one in world.living)]
    if len(state.agents) < len(world.machines):
        found.append("an agent is not registered")
    return found


def _of_frameworks(world: World, state: ClusterState) -> list[str]:
    found: list[str] = []
    known = {one.id for one in world.returning}
    gone = {one.name for one in world.frameworks} - {
        one.name for one in world.returning
    }
    for framework in state.frameworks.values():
        name = framework.info.name
        if framework.id in known and not framework.connected:
            found.append(f"{name} is not connected")
        if framework.orphan_updates and framework.id in known:
            found.append(f"{name} has updates of no task")
        if name in gone:
            found.append(f"{name} is still registered")
    return found
