"""No offer takes a role beyond the limits of its quota."""

from __future__ import annotations

from collections.abc import Iterable

from raftleader.protocol.ids import OfferId
from raftleader.protocol.resources import split_key
from raftleader.state.cluster import ClusterState
from raftleader.state.commands import Entry
from raftleader.state.operator_commands import SetQuotas


class QuotaKept:
    """Looks at the offers that an entry made, and adds up from the rows what their
    roles then hold.

    What is reserved is its role's already and may always be offered: it does not count
    against the offers that came before it in the same entry.

    Attributes:
        judged: How many offers there were to roles with a limit.
    """

    name = "quota is kept"

    def __init__(self) -> None:
        self.judged = 0

    def applied(
        self, entry: Entry | None, offers: Iterable[OfferId], state: ClusterState
    ) -> list[str]:
        """``state`` is that after ``entry``, which touched these offers."""
        if not state.quotas or entry is None:
            return []
        if any(isinstance(command, SetQuotas) for command in entry.commands):
            return []
        problems: list[str] = []
        for role, quota in state.quotas.items():
            made = [
                state.offers[one].resources
                for one in offers
                if one in state.offers and _is_within(state.offers[one].role, role)
            ]
            self.judged += len(made) if quota.limits else 0
            for name, most in quota.limits.items() if made else ():
                free = reserved = 0
                for resources in made:
                    for key, millis in resources.exclusive().scalars.items():
                        resource, owner = split_key(key)
                        if resource == name and owner == "*":
                            free += millis
                        elif resource == name:
                            reserved += millis
                held = _held(state, role, name)
                if free and held - reserved > most:
                    problems.append(
                        f"entry {state.index}: role {role} holds {held} of {name},"
                        f" {reserved} of it reserved and offered now; its limit is"
                        f" {most}"
                    )
        return problems


def _is_within(role: str, top: str) -> bool:
    return role == top or role.startswith(top + "/")


def _held(state: ClusterState, top: str, name: str) -> int:
    parts = [
        offer.resources
        for offer in state.offers.values()
        if _is_within(offer.role, top)
    ]
    parts += [
        task.info.resources
        for task in state.tasks.values()
        if _is_within(task.role, top) and not task.state.is_terminal
    ]
    parts += [
        executor.info.resources
        for executor in state.executors.values()
        if _is_within(executor.role, top)
    ]
    return sum(part.exclusive().total(name) for part in parts)
