"""P1: what was answered is still there."""

from __future__ import annotations

from collections.abc import Collection

from chaos.results import Result


def nothing_answered_lost(answered: Collection[str], known: Collection[str]) -> Result:
    """Every id whose call was answered must be among the ids known afterwards."""
    present = set(known)
    return Result.of(
        "nothing_answered_lost",
        checked=len(answered),
        problems=[
            f"{item} was answered and is unknown now"
            for item in sorted(set(answered) - present)
        ],
    )
