"""UPDATE_WEIGHTS: some weights are changed, the others stay.

The command sets all of them, so the change is made of what is there. No other change
may come in between: one at a time, and only a leader makes any.
"""

from __future__ import annotations

import math

import trio

from raftleader.leader.interface import LeaderNode
from raftleader.protocol.frameworks import role_problem
from raftleader.protocol.json_v1_fields import Fields
from raftleader.state.commands import SetWeights
from raftleader.state.outcomes import Outcome

_INVALID = "Failed to validate update weights request JSON"
_WEIGHT_MAX = 10**6


class WeightUpdates:
    """Changes the weights of ``node``'s cluster, one call after the other."""

    def __init__(self, node: LeaderNode) -> None:
        self._node = node
        self._turn = trio.Lock()

    async def update(self, changes: dict[str, int]) -> Outcome:
        """Raises like ``Ticket.wait``."""
        async with self._turn:
            weights = {**self._node.state.weights, **changes}
            return await self._node.submit(SetWeights(weights=weights)).wait()


def read_weights(body: Fields, name: str) -> dict[str, int] | str:
    """The weights in a repeated field, in thousandths; or what is wrong with them."""
    weights: dict[str, int] = {}
    for item in body.children(name):
        role = (item.text("role") or "").strip()
        problem = role_problem(role)
        if problem is not None:
            return f"{_INVALID}: Invalid role '{role}': {problem}"
        weight = item.number("weight")
        if weight is None:
            raise item.invalid("weight", "is required")
        if not weight > 0:
            return (
                f"{_INVALID} for role '{role}': Invalid weight '{weight:g}': "
                "Weights must be positive"
            )
        if not math.isfinite(weight) or weight > _WEIGHT_MAX or weight < 0.0005:
            return (
                f"{_INVALID} for role '{role}': Invalid weight '{weight:g}': "
                f"Weights must be from 0.001 to {_WEIGHT_MAX}"
            )
        weights[role] = round(weight * 1000)
    return weights
