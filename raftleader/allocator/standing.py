"""Who stands first: weighted dominant shares over the tree of roles.

``eng`` competes with ``web`` by what all of ``eng``, ``eng/a`` and ``eng/b`` hold;
within ``eng`` they compete with each other, the frameworks of ``eng`` itself as one
of them (with the usual weight); within a role its frameworks compete. Each level is
a list in ascending order of (share, name), kept in order with every grant.

Shares are compared exactly. A share is held/capacity, divided by the weight; on each
level all are brought to one denominator (the product of a common multiple of all
capacities and one of the level's weights), and only numerators, integers, are kept.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from math import lcm

import attrs

from raftleader.allocator.portions import traits_of
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.resources import Resources

WEIGHT_MILLIS_DEFAULT = 1000

Amounts = Mapping[str, int]


@attrs.define(eq=False)
class _Node:
    """A role with all below it, or (as a leaf under that) the role alone.

    Attributes:
        key: Its name among its siblings.
        role: Set for a leaf: whose frameworks stand here.
        share: Of the subtree, weighted; a numerator.
    """

    key: str
    parent: _Node | None
    role: str | None = None
    weight_factor: int = 1
    share: int = 0
    held: dict[str, int] = attrs.field(factory=dict)
    children: dict[str, _Node] = attrs.field(factory=dict)
    order: list[tuple[int, str]] = attrs.field(factory=list)


@attrs.define(kw_only=True)
class Standing:
    """The order in which roles, and frameworks within a role, are asked."""

    _factors: dict[str, int]
    _root: _Node
    _leaves: dict[str, _Node]
    _held: dict[tuple[str, FrameworkId], dict[str, int]]
    _shares: dict[tuple[str, FrameworkId], int]
    frameworks: dict[str, list[tuple[int, FrameworkId]]]

    @classmethod
    def of(
        cls,
        *,
        capacity: Amounts,
        weights: Mapping[str, int],
        frameworks: Mapping[str, tuple[FrameworkId, ...]],
        allocated: Mapping[str, Mapping[FrameworkId, Amounts]],
    ) -> Standing:
        """Of the frameworks that can be offered something, by role; what others hold
        counts for the roles above them."""
        usable = {name: total for name, total in capacity.items() if total > 0}
        common = lcm(*usable.values())
        factors = {name: common // total for name, total in usable.items()}
        root = _Node("", None)
        leaves = _grow(root, frameworks)
        for role, by_framework in allocated.items():
            _count(root, leaves, role, by_framework)
        _weigh(root, factors, weights)

        held: dict[tuple[str, FrameworkId], dict[str, int]] = {}
        shares: dict[tuple[str, FrameworkId], int] = {}
        orders: dict[str, list[tuple[int, FrameworkId]]] = {}
        for role, ids in frameworks.items():
            of_role = allocated.get(role, {})
            order = []
            for framework_id in ids:
                own = dict(of_role.get(framework_id, ()))
                held[role, framework_id] = own
                share = shares[role, framework_id] = _share(own, factors)
                order.append((share, framework_id))
            orders[role] = sorted(order)
        return cls(
            factors=factors,
            root=root,
            leaves=leaves,
            held=held,
            shares=shares,
            frameworks=orders,
        )

    def roles(self) -> Iterator[str]:
        """All roles, the neediest first. Not to be used beyond the next charge."""
        return _walk(self._root)

    def charge(
        self, role: str, framework_id: FrameworkId, resources: Resources
    ) -> None:
        """Count a grant, and move its framework, its role and the roles above back."""
        amounts = _amounts(resources)
        factors = self._factors
        own = self._held[role, framework_id]
        order = self.frameworks[role]
        share = self._shares[role, framework_id]
        del order[bisect_left(order, (share, framework_id))]
        _add(own, amounts)
        share = self._shares[role, framework_id] = _share(own, factors)
        insort(order, (share, framework_id))
        node = self._leaves[role]
        while node.parent is not None:
            order_above = node.parent.order
            del order_above[bisect_left(order_above, (node.share, node.key))]
            _add(node.held, amounts)
            node.share = _share(node.held, factors) * node.weight_factor
            insort(order_above, (node.share, node.key))
            node = node.parent


def _grow(
    root: _Node, frameworks: Mapping[str, tuple[FrameworkId, ...]]
) -> dict[str, _Node]:
    inner = {role[:at] for role in frameworks for at, c in enumerate(role) if c == "/"}
    leaves: dict[str, _Node] = {}
    for role in sorted(frameworks):
        node, at = root, role.find("/")
        while at >= 0:
            node = _child(node, role[:at])
            at = role.find("/", at + 1)
        if role in inner:  # it has roles below it: its own frameworks are one of them
            leaf = _child(_child(node, role), role + "/.")
        else:
            leaf = _child(node, role)
        leaf.role = role
        leaves[role] = leaf
    return leaves


def _child(node: _Node, key: str) -> _Node:
    child = node.children.get(key)
    if child is None:
        child = node.children[key] = _Node(key, node)
    return child


def _count(
    root: _Node,
    leaves: dict[str, _Node],
    role: str,
    by_framework: Mapping[FrameworkId, Amounts],
) -> None:
    """Add what is held for a role to it, and to the roles above that compete."""
    chain: list[_Node] = []
    node: _Node | None = leaves.get(role)
    if node is not None:
        while node is not None and node.parent is not None:
            chain.append(node)
            node = node.parent
    else:
        at = 0
        node = root
        while node is not None and at >= 0:
            at = role.find("/", at + 1)
            node = node.children.get(role if at < 0 else role[:at])
            if node is not None:
                chain.append(node)
    for amounts in by_framework.values() if chain else ():
        for node in chain:
            _add(node.held, amounts)


def _weigh(node: _Node, factors: dict[str, int], weights: Mapping[str, int]) -> None:
    own = {key: weights.get(key, WEIGHT_MILLIS_DEFAULT) for key in node.children}
    common = lcm(*own.values())
    for key, child in node.children.items():
        child.weight_factor = common // own[key]
        child.share = _share(child.held, factors) * child.weight_factor
        if child.children:
            _weigh(child, factors, weights)
    node.order = sorted((child.share, key) for key, child in node.children.items())


def _walk(node: _Node) -> Iterator[str]:
    for _, key in node.order:
        child = node.children[key]
        if child.role is not None:
            yield child.role
        else:
            yield from _walk(child)


def _amounts(resources: Resources) -> Amounts:
    for key in resources.scalars:
        if "(" in key or "|" in key:
            break
    else:
        return resources.scalars
    amounts: dict[str, int] = {}
    for key, millis in resources.scalars.items():
        traits = traits_of(key)
        if not traits.is_shared:
            amounts[traits.name] = amounts.get(traits.name, 0) + millis
    return amounts


def _add(held: dict[str, int], amounts: Amounts) -> None:
    for name, millis in amounts.items():
        held[name] = held.get(name, 0) + millis


def _share(held: Amounts, factors: dict[str, int]) -> int:
    """The dominant share, as a numerator over the common denominator."""
    share = 0
    for name, millis in held.items():
        part = millis * factors.get(name, 0)
        if part > share:
            share = part
    return share
