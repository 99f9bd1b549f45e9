"""Committed entries never change: at one index every node applies the same entry."""

from __future__ import annotations


class CommittedStay:
    """Told of every entry that any node applies.

    Attributes:
        entries: (term, data) by index, as first applied.
        last_index: The highest of them.
    """

    name = "committed entries never change"

    def __init__(self) -> None:
        self.entries: dict[int, tuple[int, bytes]] = {}
        self.last_index = 0
        self._terms: dict[int, tuple[str, int]] = {}

    def committed(self, node: str, index: int, term: int) -> list[str]:
        """``node`` takes its entry ``index``, which is of ``term``, for committed."""
        other, known = self._terms.setdefault(index, (node, term))
        if known == term:
            return []
        return [
            f"{node} commits entry {index} of term {term}, {other} that of term {known}"
        ]

    def applied(self, node: str, index: int, term: int, data: bytes) -> list[str]:
        """``node`` applies this. Look at ``last_index`` before to see if it is new."""
        known = self.entries.get(index)
        if known is None:
            self.entries[index] = (term, data)
            if index > self.last_index:
                self.last_index = index
            return []
        if known[0] == term and known[1] == data:
            return []
        return [
            f"{node} applies at index {index} an entry of term {term}"
            f" ({len(data)} bytes), where one of term {known[0]} ({len(known[1])}"
            " bytes) was applied before"
        ]
