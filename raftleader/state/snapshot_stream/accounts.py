"""Whether rows add up to the accounts of their agents, row by row (promise P4)."""

from __future__ import annotations

from raftleader.protocol.ids import AgentId
from raftleader.protocol.resources import Resources


class Account:
    """One account of all agents: what each claims, and the rows that make it up.

    Both come row by row, an agent before the rows on it. How many agents' rows are
    still missing is known at any time, so the check costs nothing at the end.
    """

    def __init__(self) -> None:
        self._claims = 0
        # What is still missing of claims that rows began to make up; None once
        # nothing is.
        self._scalars: dict[AgentId, dict[str, int] | None] = {}
        self._rest: dict[AgentId, Resources] = {}

    def claim(self, amount: Resources) -> None:
        """An agent's row says that rows hold ``amount`` of it."""
        self._claims += bool(amount.scalars) + bool(amount.ranges or amount.sets)

    def make_up(self, agent_id: AgentId, claimed: Resources, part: Resources) -> bool:
        """A row holds ``part`` (canonical) of the agent, whose row says ``claimed``.

        False: it claims less than its rows hold."""
        return (
            not part.scalars or self._make_up_scalars(agent_id, claimed, part)
        ) and (
            not (part.ranges or part.sets)
            or self._make_up_rest(agent_id, claimed, part)
        )

    @property
    def is_settled(self) -> bool:
        """Rows hold all that was claimed."""
        return self._claims == 0

    def _make_up_scalars(
        self, agent_id: AgentId, claimed: Resources, part: Resources
    ) -> bool:
        left = self._scalars.get(agent_id, claimed.scalars)
        if left is claimed.scalars:
            left = self._scalars[agent_id] = dict(claimed.scalars)
        if not left:
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
            self._scalars[agent_id] = None
            self._claims -= 1
        return True

    def _make_up_rest(
        self, agent_id: AgentId, claimed: Resources, part: Resources
    ) -> bool:
        left = self._rest.get(agent_id)
        if left is None:
            left = Resources(ranges=claimed.ranges, sets=claimed.sets)
        rest = Resources(ranges=part.ranges, sets=part.sets)
        if not left.contains(rest):
            return False
        left = self._rest[agent_id] = left - rest
        if not left:
            self._claims -= 1
        return True
