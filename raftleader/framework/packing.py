"""Fitting tasks into an offer. Pure."""

from __future__ import annotations

from raftleader.protocol.resources import Resources, key_of


class Remainder:
    """What is left of an offer while tasks are packed into it.

    Reserved resources are used first: nobody else can have them.
    """

    def __init__(self, resources: Resources, role: str) -> None:
        self._left = dict(resources.for_role(role).scalars)
        self._role = role

    def take(self, needs: dict[str, int]) -> Resources | None:
        """The resources for one task that ``needs`` these thousandths, or None."""
        taken: dict[str, int] = {}
        for name, millis in needs.items():
            missing = millis
            for key in dict.fromkeys((key_of(name, self._role), name)):
                part = min(missing, self._left.get(key, 0))
                if part:
                    taken[key] = part
                    missing -= part
            if missing:
                return None
        for key, part in taken.items():
            self._left[key] -= part
        return Resources.of(taken)
