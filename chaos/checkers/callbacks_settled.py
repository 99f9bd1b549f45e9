"""No callback is lost: whoever asks is answered once, or outlives nobody."""

from __future__ import annotations

from collections.abc import Hashable


class CallbacksSettled:
    """Told of everything asked of a node, and of every answer."""

    name = "no callback lost"

    def __init__(self) -> None:
        self.asked_count = 0
        self._open: dict[Hashable, dict[int, tuple[str, float]]] = {}

    def asked(self, node: Hashable, kind: str, at_s: float) -> int:
        """Something is asked of this life of a node; its number."""
        self.asked_count += 1
        self._open.setdefault(node, {})[self.asked_count] = (kind, at_s)
        return self.asked_count

    def settled(self, node: Hashable, number: int) -> list[str]:
        """Its callback is called."""
        if self._open.get(node, {}).pop(number, None) is None:
            return [f"callback {number} is called again"]
        return []

    def died(self, node: Hashable) -> None:
        """Nobody is left to be answered."""
        self._open.pop(node, None)

    def ended(self, before_s: float) -> list[str]:
        """All that was asked before this time should have been answered."""
        return [
            f"a {kind} of {at_s:.3f} s was never answered"
            for waiting in self._open.values()
            for kind, at_s in waiting.values()
            if at_s < before_s
        ]
