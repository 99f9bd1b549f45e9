"""P8: what a deposed leader sends changes nothing, in the log or on an agent."""

from __future__ import annotations

from collections.abc import Sequence

from raftleader.state.commands import Entry
from raftleader.state.outcomes import Accepted, Applied


class DeposedHarmless:
    """Told of every entry, and of every order that reaches an agent.

    Attributes:
        fenced: How often something of a deposed leader was seen.
    """

    name = "P8 a deposed leader is harmless"

    def __init__(self) -> None:
        self.fenced = 0
        self._term = 0

    def applied(self, entry: Entry | None, term: int, applied: Applied) -> list[str]:
        """``entry`` was applied, which the log has under ``term``."""
        if entry is None:
            return []
        problems: list[str] = []
        is_old = entry.term < self._term or entry.term != term
        if is_old:
            self.fenced += 1
            if any(isinstance(one, Accepted) for one in applied.outcomes):
                problems.append(
                    f"entry {applied.index} of {entry.node}, made in term {entry.term},"
                    f" counts in term {self._term}"
                )
        elif entry.term > self._term:
            self._term = entry.term
        return problems

    def ordered(
        self, agent: str, term: int, seen_term: int, effects: Sequence[str]
    ) -> list[str]:
        """``agent`` was given an order of ``term``, and had seen ``seen_term``."""
        if term >= seen_term:
            return []
        self.fenced += 1
        if not effects:
            return []
        return [
            f"{agent} obeys an order of term {term} after one of {seen_term}:"
            f" {', '.join(effects)}"
        ]
