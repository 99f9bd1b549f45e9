"""Which part of an agent's free resources a framework may be offered at all.

By role (reservations), and by what the framework said it can handle: shared volumes,
revocable resources, refined reservations. Most agents have nothing of the kind:
then everything goes to anyone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import attrs

from raftleader.protocol.resource_keys import kind_of_key, may_use
from raftleader.protocol.resources import EMPTY, Resources, split_key
from raftleader.state.resource_checks import is_indivisible


class Sees(NamedTuple):
    """What a framework is told of; what it does not know is kept from it."""

    shared: bool = False
    revocable: bool = False
    refined: bool = False


class KeyTraits(NamedTuple):
    """What decides who may be offered a resource."""

    name: str
    role: str
    is_shared: bool
    is_revocable: bool
    is_refined: bool
    is_divisible: bool


@lru_cache(maxsize=65_536)
def traits_of(key: str) -> KeyTraits:
    """The traits of what a key names."""
    name, role = split_key(key)
    if "|" not in key:
        return KeyTraits(name, role, False, False, False, True)
    kind = kind_of_key(key)
    return KeyTraits(
        name=name,
        role=role,
        is_shared=kind.is_shared,
        is_revocable=kind.is_revocable,
        is_refined=len(kind.reservations) > 1,
        is_divisible=not is_indivisible(key),
    )


def is_plain(resources: Resources) -> bool:
    """Whether every key is a bare name: unreserved, nothing special."""
    for part in (resources.scalars, resources.ranges, resources.sets):
        for key in part:
            if "(" in key or "|" in key:
                return False
    return True


@attrs.define
class Portions:
    """What is left of one agent, and the part of it that each may be offered."""

    rest: Resources
    _is_plain: bool = attrs.field(init=False)
    _made: dict[tuple[str, Sees], Resources] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._is_plain = is_plain(self.rest)

    def of(self, role: str, sees: Sees) -> Resources:
        """The part for a framework of this role. The same object when asked again."""
        if self._is_plain:
            return self.rest
        made = self._made.get((role, sees))
        if made is None:
            made = self.rest.only(lambda key: _is_for(role, sees, traits_of(key)))
            self._made[role, sees] = made
        return made

    def take(self, resources: Resources) -> None:
        """Somebody is offered this; what is shared stays."""
        if not self._is_plain:
            self.rest -= resources.exclusive()
            self._made = {}
        elif resources is self.rest:
            self.rest = EMPTY
        else:
            self.rest -= resources


def _is_for(role: str, sees: Sees, traits: KeyTraits) -> bool:
    return (
        may_use(role, traits.role)
        and (sees.shared or not traits.is_shared)
        and (sees.revocable or not traits.is_revocable)
        and (sees.refined or not traits.is_refined)
    )
