"""The limits of quotas, where offers are made.

The allocator keeps within them too, and counts what is reserved besides; but it looked
at an older state, and a limit set meanwhile must hold.
"""

from __future__ import annotations

import attrs

from raftleader.protocol.resources import Resources, split_key
from raftleader.state.cluster import ClusterState
from raftleader.state.roles import Quantities, is_in_subtree, top_level


@attrs.define
class QuotaLimits:
    """What roles with a limit hold, while one command makes offers."""

    _state: ClusterState
    _held: dict[str, Quantities] = attrs.field(factory=dict, init=False)

    def allows(self, role: str, resources: Resources) -> bool:
        """Whether the top-level role may hold this besides what it holds. What is
        reserved is the role's already, and is never refused."""
        top = top_level(role)
        quota = self._state.quotas.get(top)
        if quota is None or not quota.limits:
            return True
        held = self._held_by(top)
        wanted = {
            name
            for key in resources.scalars
            for name, reserved_for in (split_key(key),)
            if reserved_for == "*" and name in quota.limits
        }
        return all(
            held.get(name, 0) + resources.total(name) <= quota.limits[name]
            for name in wanted
        )

    def count(self, role: str, resources: Resources) -> None:
        """An offer of this was made."""
        held = self._held.get(top_level(role))
        if held is not None:
            for key, millis in resources.exclusive().scalars.items():
                name = split_key(key)[0]
                held[name] = held.get(name, 0) + millis

    def _held_by(self, top: str) -> Quantities:
        held = self._held.get(top)
        if held is None:
            held = self._held[top] = {}
            for role, by_framework in self._state.allocated.items():
                for amounts in (
                    by_framework.values() if is_in_subtree(role, top) else ()
                ):
                    for name, millis in amounts.items():
                        held[name] = held.get(name, 0) + millis
        return held
