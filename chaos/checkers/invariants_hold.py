"""P4 and its kin: after every entry the state is sound."""

from __future__ import annotations

from collections.abc import Iterable

from chaos.results import Result


def invariants_hold(violations: Iterable[str], *, judged: int) -> Result:
    """``violations`` were found in words, after ``judged`` entries."""
    return Result.of("invariants_hold", checked=judged, problems=violations)
