"""An answer to an earlier term counts for nothing, and is counted as refused."""

from __future__ import annotations

from collections.abc import Hashable, Mapping


class OldAnswers:
    """Told of each answer of an earlier term that reaches a leader.

    Attributes:
        seen: How many there were.
    """

    name = "answers count in their term only"

    def __init__(self) -> None:
        self.seen = 0

    def received(
        self,
        leader: str,
        term: int,
        message: str,
        before: Mapping[str, Hashable],
        after: Mapping[str, Hashable],
        *,
        is_refused: bool,
    ) -> list[str]:
        """``before`` and ``after`` an answer of ``term``: what the leader thinks of
        each member. ``is_refused``: it has counted something as refused."""
        self.seen += 1
        if not is_refused:
            return [f"{leader} takes a {message} of term {term}, which is over"]
        return [
            f"{leader} takes a {message} of term {term}, which is over: it thought"
            f" {before[member]} of {member}, and now {after.get(member)}"
            for member in before
            if after.get(member) != before[member]
        ]
