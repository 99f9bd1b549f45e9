"""What the roles hold, and what counts towards their quota.

A role's subtree is the role and all below it: ``eng`` and ``eng/web``. Everything
here looks at many rows: for operators' commands and pages, not for hot paths.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from raftleader.protocol.resources import EMPTY, Resources, format_millis, split_key
from raftleader.state.cluster import Agent, ClusterState
from raftleader.state.indexes import count

Quantities = dict[str, int]
"""Thousandths of each scalar, by name; nothing stands for zero."""


def is_in_subtree(role: str, top: str) -> bool:
    """Whether ``role`` is ``top`` or a role below it."""
    return role == top or role.startswith(top + "/")


def top_level(role: str) -> str:
    """The first part of a role: the one that may have a quota."""
    return role.partition("/")[0]


@attrs.frozen(kw_only=True)
class RoleHoldings:
    """What a role and the roles below it hold, over all agents, in thousandths.

    Attributes:
        used: By tasks and executors.
        offered: By outstanding offers.
        reserved: For the role, used or not.
        unused_reserved: Reserved, and held by no task or executor.
    """

    used: Quantities
    offered: Quantities
    reserved: Quantities
    unused_reserved: Quantities

    @property
    def consumed(self) -> Quantities:
        """What counts towards the quota: what is used, and every reservation."""
        return sum_quantities(self.used, self.unused_reserved)


def role_holdings(state: ClusterState, role: str) -> RoleHoldings:
    """Look at every agent and offer for what the role's subtree holds."""
    held: Quantities = {}
    for name, by_framework in state.allocated.items():
        if is_in_subtree(name, role):
            for amounts in by_framework.values():
                _add(held, amounts, +1)
    offered: Quantities = {}
    for offer in state.offers.values():
        if is_in_subtree(offer.role, role):
            count(offered, offer.resources.exclusive(), +1)
    _add(held, offered, -1)

    reserved: Quantities = {}
    unused: Quantities = {}
    for agent in state.agents.values():
        part = reserved_for(agent.total, role)
        if part:
            count(reserved, part, +1)
            count(unused, part, +1)
            count(unused, reserved_for(agent.used, role), -1)
    return RoleHoldings(
        used=held, offered=offered, reserved=reserved, unused_reserved=unused
    )


def reserved_for(resources: Resources, role: str) -> Resources:
    """The scalars that are reserved for the role or one below it."""
    if not any("(" in key for key in resources.scalars):
        return EMPTY
    return Resources(
        scalars={
            key: millis
            for key, millis in resources.scalars.items()
            if is_in_subtree(split_key(key)[1], role)
        }
    )


def unheld_reservations(agent: Agent) -> dict[str, Quantities]:
    """Reserved on the agent, and neither used nor offered: by role of the
    reservation. It counts towards quotas, for nobody else can have it."""
    found: dict[str, Quantities] = {}
    for resources, sign in ((agent.total, +1), (agent.used, -1), (agent.offered, -1)):
        for key, millis in resources.scalars.items():
            if "(" in key:
                name, role = split_key(key)
                if role != "*":
                    _add(found.setdefault(role, {}), {name: millis}, sign)
    return {role: amounts for role, amounts in found.items() if amounts}


def known_roles(state: ClusterState) -> list[str]:
    """Every role that anything names, and the roles above them, in order."""
    roles = {*state.weights, *state.quotas, *state.allocated}
    for framework in state.frameworks.values():
        roles.update(framework.info.roles)
    for agent in state.agents.values():
        total = agent.total
        for table in (total.scalars, total.ranges, total.sets):
            roles.update(split_key(key)[1] for key in table if "(" in key)
    roles.discard("*")
    for role in sorted(roles):
        parts = role.split("/")
        roles.update("/".join(parts[:n]) for n in range(1, len(parts)))
    return ["*", *sorted(roles)]


def sum_quantities(*parts: Mapping[str, int]) -> Quantities:
    """All together, by name in order."""
    total: Quantities = {}
    for part in parts:
        _add(total, part, +1)
    return dict(sorted(total.items()))


def quantities_contain(outer: Mapping[str, int], inner: Mapping[str, int]) -> bool:
    """Whether ``inner`` fits; what ``outer`` does not name is zero."""
    return all(millis <= outer.get(name, 0) for name, millis in inner.items())


def limits_contain(limits: Mapping[str, int], held: Mapping[str, int]) -> bool:
    """Whether ``held`` is within the limits; what they do not name is unlimited."""
    return all(held.get(name, 0) <= most for name, most in limits.items())


def quantities_text(quantities: Mapping[str, int]) -> str:
    """As Mesos writes them: ``cpus:4; mem:1024``."""
    return "; ".join(
        f"{name}:{format_millis(millis)}" for name, millis in sorted(quantities.items())
    )


def _add(total: Quantities, part: Mapping[str, int], sign: int) -> None:
    for name, millis in part.items():
        amount = total.get(name, 0) + sign * millis
        if amount:
            total[name] = amount
        else:
            total.pop(name, None)
