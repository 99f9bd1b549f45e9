"""In each term one node leads, at most."""

from __future__ import annotations


class OneLeader:
    """Told of everybody who begins to lead."""

    name = "one leader a term"

    def __init__(self) -> None:
        self.leaders: dict[int, str] = {}

    def leads(self, node: str, term: int) -> list[str]:
        """``node`` has won the election of ``term``."""
        other = self.leaders.setdefault(term, node)
        if other == node:
            return []
        return [f"{node} leads term {term}, which {other} leads too"]
