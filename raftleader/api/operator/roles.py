"""What is known of each role: weight, quota, who is in it, what it holds."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from raftleader.api.rendering import TURN, Pieces
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.operator_values import Quota
from raftleader.protocol.resources import Resources, split_key
from raftleader.state.cluster import Agent, ClusterState, OutstandingOffer

ROWS_PER_TURN = 500
DEFAULT_WEIGHT_MILLIS = 1_000

Amounts = dict[str, int]
"""Thousandths of scalars, by name."""


@attrs.define
class RoleRow:
    """One role. Amounts are of the role and the roles below it.

    Attributes:
        allocated: What tasks and executors use.
        reserved: Reserved on all agents, whether used or not.
        consumed: What counts against its quota: used, or reserved and not used.
    """

    name: str
    weight_millis: int = DEFAULT_WEIGHT_MILLIS
    quota: Quota = attrs.field(factory=Quota)
    frameworks: list[FrameworkId] = attrs.field(factory=list)
    allocated: Amounts = attrs.field(factory=dict)
    offered: Amounts = attrs.field(factory=dict)
    reserved: Amounts = attrs.field(factory=dict)
    consumed: Amounts = attrs.field(factory=dict)


@attrs.define
class Roles:
    """All roles that anybody knows, by name. ``fill`` it in steps."""

    _rows: dict[str, RoleRow] = attrs.field(factory=dict)

    @property
    def rows(self) -> list[RoleRow]:
        """By name."""
        return [self._rows[name] for name in sorted(self._rows)]

    def fill(self, state: ClusterState) -> Pieces:
        """Look at the state as it is at the first step. Yields nothing but turns."""
        agents, offers = list(state.agents.values()), list(state.offers.values())
        held = {
            role: _summed(by_framework.values())
            for role, by_framework in state.allocated.items()
        }
        for framework in state.frameworks.values():
            for role in framework.info.roles:
                self._row(role).frameworks.append(framework.id)
        for role, weight_millis in state.weights.items():
            self._row(role).weight_millis = weight_millis
        for role, quota in state.quotas.items():
            self._row(role).quota = quota
        yield TURN
        yield from self._fill_offered(offers)
        for role, amounts in held.items():
            for row in self._line(role):
                _add(row.allocated, amounts)
        for row in self._rows.values():
            # What is held is used or offered.
            _add(row.allocated, row.offered, sign=-1)
            _add(row.consumed, row.allocated)
        yield from self._fill_reserved(agents)

    def _fill_offered(self, offers: list[OutstandingOffer]) -> Pieces:
        for number, offer in enumerate(offers):
            amounts = _scalars(offer.resources.exclusive())
            for row in self._line(offer.role):
                _add(row.offered, amounts)
            if number % ROWS_PER_TURN == ROWS_PER_TURN - 1:
                yield TURN

    def _fill_reserved(self, agents: list[Agent]) -> Pieces:
        for number, agent in enumerate(agents):
            for role, amounts in reserved_scalars(agent.total).items():
                for row in self._line(role):
                    _add(row.reserved, amounts)
                    _add(row.consumed, amounts)
            for role, amounts in reserved_scalars(agent.used).items():
                for row in self._line(role):
                    _add(row.consumed, amounts, sign=-1)
            if number % ROWS_PER_TURN == ROWS_PER_TURN - 1:
                yield TURN

    def _row(self, name: str) -> RoleRow:
        row = self._rows.get(name)
        if row is None:
            self._line(name)
            row = self._rows[name]
        return row

    def _line(self, name: str) -> list[RoleRow]:
        """The rows of a role and of all roles above it."""
        parts = name.split("/")
        names = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
        return [self._rows.setdefault(each, RoleRow(each)) for each in names]


def reserved_scalars(resources: Resources) -> dict[str, Amounts]:
    """The scalars that are reserved, by role."""
    found: dict[str, Amounts] = {}
    for key, millis in resources.scalars.items():
        if "(" in key:
            name, role = split_key(key)
            _add(found.setdefault(role, {}), {name: millis})
    return found


def _scalars(resources: Resources) -> Amounts:
    amounts: Amounts = {}
    for key, millis in resources.scalars.items():
        _add(amounts, {split_key(key)[0]: millis})
    return amounts


def _summed(parts: Iterable[Amounts]) -> Amounts:
    amounts: Amounts = {}
    for part in parts:
        _add(amounts, part)
    return amounts


def _add(amounts: Amounts, more: Amounts, *, sign: int = 1) -> None:
    for name, millis in more.items():
        total = amounts.get(name, 0) + sign * millis
        if total:
            amounts[name] = total
        else:
            amounts.pop(name, None)
