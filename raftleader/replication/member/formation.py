"""How a group of several voters begins: only once each has heard from all others.

A voter that lost its data directory must not come back as if it were new: it may
have voted, and acknowledged, and would do so again. An empty directory alone does
not tell the two apart; the other members do. So each directory has an *instance*, a
random name, and a group begins in two rounds:

1. A node that heard the instance of every first voter writes them down: ``first``.
2. A node that heard from every first voter that it wrote down the same, or from one
   of them that it knows so, is formed, and takes part from then on.

So whoever is formed knows that every member remembers every instance, on disk, before
the first vote. Whatever comes under one of these names with another instance is told
so, and ends.
"""

from __future__ import annotations

import msgspec

from raftleader.errors import ConfigError
from raftleader.replication.member.greeting import Greeting

REPEAT_S = 0.2
"""A node that is not formed greets again after this time."""


class FormationNote(msgspec.Struct, frozen=True, kw_only=True):
    """What of the formation is in the journal."""

    first: dict[str, str] | None = None
    is_formed: bool = False


class Formation:
    """Pure: greetings in; what is to be noted, out.

    Attributes:
        is_formed: This node may vote and acknowledge. Act on it only when ``note``
            is on the disk.
    """

    def __init__(
        self,
        *,
        node_id: str,
        instance: str,
        voters: tuple[str, ...],
        note: FormationNote,
        is_joined: bool,
    ) -> None:
        """``voters``: the first of the group, as this node was told. A node that
        ``is_joined`` came later and needs no formation."""
        self._node_id = node_id
        self._instance = instance
        self._voters = tuple(sorted(voters))
        self._is_joined = is_joined
        self._heard: dict[str, Greeting] = {}
        self.note = note

    @property
    def is_formed(self) -> bool:
        return self._is_joined or self.note.is_formed

    def hear(self, greeting: Greeting) -> None:
        """A greeting of our cluster. Raises ConfigError if it shows that this node
        cannot take part with its directory."""
        if self.is_formed or greeting.sender == self._node_id:
            return
        if greeting.known is not None and greeting.known != self._instance:
            raise self._lost(greeting.sender)
        if greeting.first is not None:
            self._require_known(greeting.sender, greeting.first, greeting.is_formed)
        if greeting.sender in self._voters:
            self._heard[greeting.sender] = greeting

    def advance(self) -> bool:
        """Take the next step if it is due. True: ``note`` changed, write it down."""
        if self.is_formed:
            return False
        first = self.note.first
        if first is None:
            first = {self._node_id: self._instance}
            first |= {name: heard.instance for name, heard in self._heard.items()}
            if first.keys() != set(self._voters):
                return False
            is_alone = len(first) == 1
            first = dict(sorted(first.items()))
            self.note = FormationNote(first=first, is_formed=is_alone)
            return True
        agreeing = [one for one in self._heard.values() if one.first == first]
        if len(agreeing) + 1 < len(first) and not any(o.is_formed for o in agreeing):
            return False
        self.note = FormationNote(first=first, is_formed=True)
        return True

    @property
    def waits_for(self) -> str:
        """In words, for status pages; empty once formed."""
        if self.is_formed:
            return ""
        first = self.note.first
        silent = [one for one in self._voters if one not in self._heard]
        others = [one for one in silent if one != self._node_id]
        if others:
            return f"not heard from {', '.join(others)}"
        differing = [
            name
            for name, heard in sorted(self._heard.items())
            if first is not None and heard.first is not None and heard.first != first
        ]
        if differing:
            return f"{', '.join(differing)} began with other members or directories"
        return "not every member has heard all others"

    def _require_known(
        self, sender: str, first: dict[str, str], is_formed: bool
    ) -> None:
        known = first.get(self._node_id)
        if known == self._instance:
            return
        if known is not None:
            raise self._lost(sender)
        if is_formed:
            raise ConfigError(
                f"the group of {sender} was formed without {self._node_id}: add it to"
                " the group, and start it as a joining node"
            )

    def _lost(self, sender: str) -> ConfigError:
        return ConfigError(
            f"{sender} knows {self._node_id} with another data directory: the one"
            " here is new, so what this node promised is lost. Remove it from the"
            f" group (raftleader members remove {self._node_id}), start it with --join,"
            " better under a new name, and add it: docs/configuration.md"
        )
