"""Whether rows add up to the accounts of their agents, row by row (promise P4)."""

from __future__ import annotations

from raftleader.protocol.ids import AgentId
from raftleader.protocol.resources import EMPTY, Resources


class Account:
    """One account of all agents: first what each claims, then what makes it up.

    What was claimed and is not made up yet is remembered; when all rows were read
    nothing may be left. So the check costs nothing at the end.
    """

    def __init__(self) -> None:
        self._scalars: dict[AgentId, dict[str, int]] = {}
        self._rest: dict[AgentId, Resources] = {}

    def claim(self, agent_id: AgentId, amount: Resources) -> None:
        """The agent's row says so."""
        if amount.scalars:
            self._scalars[agent_id] = dict(amount.scalars)
        if amount.ranges or amount.sets:
            self._rest[agent_id] = _without_scalars(amount)

    def make_up(self, agent_id: AgentId, part: Resources) -> bool:
        """A row holds ``part`` (canonical). False: the agent does not claim that."""
        if part.scalars:
            left = self._scalars.get(agent_id)
            if left is None:
                return False
            for key, millis in part.scalars.items():
                rest = left.get(key, 0) - millis
                if rest > 0:
                    left[key] = rest
                elif rest == 0:
                    del left[key]
                else:
                    return False
            if not left:
                del self._scalars[agent_id]
        if part.ranges or part.sets:
            return self._make_up_rest(agent_id, _without_scalars(part))
        return True

    def _make_up_rest(self, agent_id: AgentId, part: Resources) -> bool:
        left = self._rest.get(agent_id, EMPTY)
        if not left.contains(part):
            return False
        rest = left - part
        if rest:
            self._rest[agent_id] = rest
        else:
            del self._rest[agent_id]
        return True

    def unsettled(self) -> AgentId | None:
        """An agent that claims what no row holds, or None."""
        return next(iter(self._scalars), None) or next(iter(self._rest), None)


def _without_scalars(amount: Resources) -> Resources:
    return Resources(ranges=amount.ranges, sets=amount.sets)
