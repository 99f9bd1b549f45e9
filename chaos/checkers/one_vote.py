"""In each term a node votes once, at most, whatever happened to it meanwhile."""

from __future__ import annotations

from collections.abc import Hashable


class OneVote:
    """Told of every vote that leaves a node."""

    name = "one vote a term"

    def __init__(self) -> None:
        self._votes: dict[tuple[Hashable, int], str] = {}

    def voted(self, voter: Hashable, term: int, candidate: str) -> list[str]:
        """``voter`` grants its vote; a voter with another disk is another voter."""
        other = self._votes.setdefault((voter, term), candidate)
        if other == candidate:
            return []
        return [f"{voter} votes for {candidate} in term {term}, as for {other} before"]
