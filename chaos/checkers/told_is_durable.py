"""P1, from below: what a node told others, it still knows after a restart."""

from __future__ import annotations

from collections.abc import Hashable

Position = tuple[int, int]
"""(term, index) of an entry; logs are compared by that of their last one."""


class ToldIsDurable:
    """Told of what leaves a node, and of what it finds when it starts."""

    name = "what was told is on disk"

    def __init__(self) -> None:
        self._terms: dict[Hashable, int] = {}
        self._votes: dict[Hashable, tuple[int, str]] = {}
        self._acknowledged: dict[Hashable, Position] = {}

    def told_term(self, node: Hashable, term: int) -> None:
        """Something of this term left the node."""
        if term > self._terms.get(node, 0):
            self._terms[node] = term

    def voted(self, node: Hashable, term: int, candidate: str) -> None:
        """It gave its vote of this term."""
        self._votes[node] = (term, candidate)

    def acknowledged(self, node: Hashable, entry: Position) -> None:
        """It told a leader that it has this entry on disk, and all before it."""
        if entry > self._acknowledged.get(node, (0, 0)):
            self._acknowledged[node] = entry

    def holds(self, node: Hashable, last: Position) -> list[str]:
        """Its log ends with this entry. An older end than it acknowledged is none that
        a newer leader has put in its place."""
        known = self._acknowledged.get(node, (0, 0))
        if last >= known:
            return []
        self._acknowledged[node] = last
        return [
            f"{node} has a log up to entry {last[1]} of term {last[0]}, and"
            f" acknowledged entry {known[1]} of term {known[0]}"
        ]

    def restarted(
        self, node: Hashable, *, term: int, vote: str | None, last: Position
    ) -> list[str]:
        """It is back, in this term, with this vote in it, and with a log that ends
        with this entry."""
        problems = []
        told = self._terms.get(node, 0)
        if term < told:
            problems.append(f"{node} is back in term {term}, and was in {told} before")
        voted_in, candidate = self._votes.get(node, (-1, ""))
        if term == voted_in and vote != candidate:
            problems.append(
                f"{node} is back in term {term} with its vote for {vote}, and gave it"
                f" to {candidate} before"
            )
        known = self._acknowledged.get(node, (0, 0))
        if last < known:
            problems.append(
                f"{node} is back with a log up to entry {last[1]} of term {last[0]},"
                f" and acknowledged entry {known[1]} of term {known[0]}"
            )
        return problems
