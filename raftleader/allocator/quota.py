"""Quota in one run: room below the limits, and what is laid aside for guarantees.

What counts towards a top-level role's quota is all that its subtree holds, used or
offered, and all that is reserved for it, held or not. So only what is unreserved is
limited here: what is reserved counts already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import attrs

from raftleader.allocator.portions import traits_of
from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.operator_values import Quota
from raftleader.protocol.resources import Resources
from raftleader.state.cluster import Agent, ClusterState
from raftleader.state.roles import top_level, unheld_reservations

Amounts = Mapping[str, int]


@attrs.define
class QuotaAccounts:
    """Sums over all agents that quotas ask for; of each agent, to replace it.

    Attributes:
        unheld: Reserved and neither used nor offered, by top-level role.
        free: Unreserved and free, on agents that can be offered now.
    """

    unheld: dict[str, dict[str, int]] = attrs.field(factory=dict, init=False)
    free: dict[str, int] = attrs.field(factory=dict, init=False)
    _parts: dict[AgentId, tuple[dict[str, dict[str, int]], dict[str, int]]] = (
        attrs.field(factory=dict, init=False)
    )

    def refresh(
        self,
        state: ClusterState,
        connected: Collection[AgentId],
        changed: Iterable[AgentId] | None,
    ) -> None:
        """Look at the agents that changed; at all of them if that is None."""
        if changed is None:
            self.clear()
            changed = state.agents
        for agent_id in changed:
            old = self._parts.pop(agent_id, None)
            if old is not None:
                self._move(old, -1)
            agent = state.agents.get(agent_id)
            if agent is not None:
                part = _part_of(agent, is_connected=agent_id in connected)
                if part[0] or part[1]:
                    self._parts[agent_id] = part
                    self._move(part, +1)

    def clear(self) -> None:
        """Forget everything: there is no quota."""
        self.unheld, self.free, self._parts = {}, {}, {}

    def _move(
        self, part: tuple[dict[str, dict[str, int]], dict[str, int]], sign: int
    ) -> None:
        for role, amounts in part[0].items():
            _add(self.unheld.setdefault(role, {}), amounts, sign)
        _add(self.free, part[1], sign)


def _part_of(
    agent: Agent, *, is_connected: bool
) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
    unheld: dict[str, dict[str, int]] = {}
    for role, amounts in unheld_reservations(agent).items():
        _add(unheld.setdefault(top_level(role), {}), amounts, +1)
    free: dict[str, int] = {}
    for key, millis in agent.free.scalars.items() if is_connected else ():
        traits = traits_of(key)
        if traits.role == "*":
            _add(free, {traits.name: millis}, +1)
    return unheld, free


@attrs.define(kw_only=True)
class QuotaBook:
    """What quotas still allow, changed by every grant of the run.

    Attributes:
        owed: Guaranteed and not held, by top-level role; empty ones left out.
    """

    _room: dict[str, dict[str, int]]
    owed: dict[str, dict[str, int]]
    _owed_to_all: dict[str, int]
    _available: dict[str, int]

    @classmethod
    def of(
        cls,
        quotas: Mapping[str, Quota],
        allocated: Mapping[str, Mapping[FrameworkId, Amounts]],
        accounts: QuotaAccounts,
    ) -> QuotaBook:
        held: dict[str, dict[str, int]] = {role: {} for role in quotas}
        for role, by_framework in allocated.items():
            of_top = held.get(top_level(role))
            if of_top is not None:
                for amounts in by_framework.values():
                    _add(of_top, amounts, +1)
        room: dict[str, dict[str, int]] = {}
        owed: dict[str, dict[str, int]] = {}
        owed_to_all: dict[str, int] = {}
        for role, quota in quotas.items():
            own = held[role]
            _add(own, accounts.unheld.get(role, {}), +1)
            if quota.limits:
                room[role] = {n: v - own.get(n, 0) for n, v in quota.limits.items()}
            missing = {
                name: millis - own.get(name, 0)
                for name, millis in quota.guarantees.items()
                if millis > own.get(name, 0)
            }
            if missing:
                owed[role] = missing
                _add(owed_to_all, missing, +1)
        return cls(
            room=room,
            owed=owed,
            owed_to_all=owed_to_all,
            available=dict(accounts.free),
        )

    def allowed(self, role: str, resources: Resources) -> Resources:
        """The part within the role's limits that leaves enough for what is owed to
        others; the same object if that is all of it."""
        top = top_level(role)
        room = self._room.get(top, {})
        if not room and not self._owed_to_all:
            return resources
        own = self.owed.get(top, {})
        caps = dict(room)
        for name, owed in self._owed_to_all.items():
            mine = own.get(name, 0)
            most = max(mine, self._available.get(name, 0) - (owed - mine))
            caps[name] = min(caps.get(name, most), most)
        return _capped(resources, caps)

    def owed_part(self, role: str, resources: Resources) -> Resources | None:
        """The part that is owed to the role, with what it may have besides; None if
        nothing of it is owed."""
        own = self.owed.get(top_level(role))
        if own is None:
            return None
        part = _capped(self.allowed(role, resources), own)
        for key in part.scalars:
            traits = traits_of(key)
            if traits.role == "*" and own.get(traits.name):
                return part
        return None

    def charge(self, role: str, resources: Resources) -> None:
        """Count a grant."""
        top = top_level(role)
        room, own = self._room.get(top), self.owed.get(top)
        for key, millis in resources.scalars.items():
            traits = traits_of(key)
            name = traits.name
            if traits.role != "*":
                continue
            if name in self._available:
                self._available[name] -= millis
            if room is not None and name in room:
                room[name] -= millis
            if own is not None and name in own:
                paid = min(own[name], millis)
                own[name] -= paid
                _add(self._owed_to_all, {name: paid}, -1)
                if not own[name]:
                    del own[name]
        if own is not None and not own:
            del self.owed[top]


def _capped(resources: Resources, caps: Mapping[str, int]) -> Resources:
    """With no more unreserved of each than the cap; what cannot be divided is left
    out if it does not fit."""
    rest = {name: max(0, most) for name, most in caps.items()}
    changed: dict[str, int] = {}
    for key, millis in resources.scalars.items():
        traits = traits_of(key)
        most = rest.get(traits.name)
        if most is None or traits.role != "*":
            continue
        kept = millis if millis <= most else most if traits.is_divisible else 0
        rest[traits.name] = most - kept
        if kept != millis:
            changed[key] = kept
    if not changed:
        return resources
    scalars = {k: changed.get(k, v) for k, v in resources.scalars.items()}
    return Resources(
        scalars={k: v for k, v in scalars.items() if v},
        ranges=resources.ranges,
        sets=resources.sets,
    )


def _add(total: dict[str, int], part: Amounts, sign: int) -> None:
    for name, millis in part.items():
        amount = total.get(name, 0) + sign * millis
        if amount:
            total[name] = amount
        else:
            total.pop(name, None)
