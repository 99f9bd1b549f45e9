"""UPDATE_WEIGHTS: some weights are changed, the others stay."""

from __future__ import annotations

import math

from raftleader.protocol.frameworks import role_problem
from raftleader.protocol.json_v1_fields import Fields

_INVALID = "Failed to validate update weights request JSON"
_WEIGHT_MAX = 10**6


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
