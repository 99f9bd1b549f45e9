"""P9: the same log gives the same bytes on every node."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from chaos.results import Result


@attrs.frozen(kw_only=True)
class Observed:
    """A node's state digest at a log index."""

    node: str
    index: int
    digest: str


def replicas_agree(observed: Iterable[Observed]) -> Result:
    """All digests seen at one index are equal; counts indexes seen on two nodes."""
    by_index: dict[int, dict[str, str]] = {}
    for one in observed:
        by_index.setdefault(one.index, {})[one.node] = one.digest
    shared = {index: seen for index, seen in by_index.items() if len(seen) > 1}
    return Result.of(
        "replicas_agree",
        checked=len(shared),
        problems=[
            f"at index {index} the digests differ: "
            + ", ".join(f"{node} {digest}" for node, digest in sorted(seen.items()))
            for index, seen in sorted(shared.items())
            if len(set(seen.values())) > 1
        ],
    )
