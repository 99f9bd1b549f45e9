"""P4: on every agent, offered + used <= total, at every index."""

from __future__ import annotations

from collections.abc import Iterable

from raftleader.errors import InvalidInputError
from raftleader.protocol.ids import AgentId
from raftleader.protocol.resources import EMPTY, Resources
from raftleader.state.cluster import Agent, ClusterState
from raftleader.state.invariants import violations


class NoResourceTwice:
    """Adds up, from the rows, what tasks, executors and offers hold of an agent.

    What is reserved, or a volume, counts as what it was made of, too: nothing is made
    twice. Only what is shared may be held by many.

    Only agents that an entry touched after each entry, for that takes microseconds;
    everything, with all other invariants of the tables, now and then.
    """

    name = "P4 no resource twice"

    def applied(self, agents: Iterable[AgentId], state: ClusterState) -> list[str]:
        """``state`` after an entry that changed these agents."""
        problems: list[str] = []
        for agent_id in agents:
            agent = state.agents.get(agent_id)
            if agent is not None:
                problems += self._judge(agent, state)
        return problems

    def everything(self, state: ClusterState) -> list[str]:
        """Whatever the state says that cannot be."""
        return [f"at index {state.index}: {text}" for text in violations(state)]

    def _judge(self, agent: Agent, state: ClusterState) -> list[str]:
        where = f"agent {agent.id} at index {state.index}"
        used = offered = EMPTY
        try:
            for key in state.tasks_by_agent.get(agent.id, ()):
                task = state.tasks[key]
                if not task.state.is_terminal:
                    used = _joined(used, task.info.resources.exclusive())
            for executor_key in state.executors_by_agent.get(agent.id, ()):
                used = _joined(used, state.executors[executor_key].info.resources)
            for offer_id in state.offers_by_agent.get(agent.id, ()):
                part = state.offers[offer_id].resources.exclusive()
                offered = _joined(offered, part)
            taken = _joined(used, offered)
        except (InvalidInputError, AssertionError):
            return [f"{where}: something is given twice"]
        if used != agent.used or offered != agent.offered:
            return [
                f"{where}: tasks hold {used}, offers {offered}; the account says"
                f" {agent.used} and {agent.offered}"
            ]
        announced = agent.info.resources
        if not agent.shrunk and not (
            agent.total.contains(taken) and announced.contains(taken.base())
        ):
            return [f"{where}: {taken} of {announced} are given"]
        return []


def _joined(held: Resources, more: Resources) -> Resources:
    """Raises AssertionError if ``held`` has a part of ``more`` already."""
    both = held + more
    assert both - more == held
    return both
