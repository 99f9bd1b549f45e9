"""P9: the same log, the same bytes: states at one index have one digest."""

from __future__ import annotations


class EqualDigests:
    """Told digests; compares those of one index.

    Attributes:
        compared: How many were compared with an earlier one.
    """

    name = "P9 equal digests at an index"

    def __init__(self) -> None:
        self.compared = 0
        self._digests: dict[int, tuple[str, bytes]] = {}

    def observed(self, node: str, index: int, digest: bytes) -> list[str]:
        """The digest of ``node``'s state after the entry ``index``."""
        known = self._digests.get(index)
        if known is None:
            self._digests[index] = (node, digest)
            return []
        self.compared += 1
        if known[1] == digest:
            return []
        return [
            f"at index {index} {node} has digest {digest.hex()},"
            f" {known[0]} {known[1].hex()}"
        ]
