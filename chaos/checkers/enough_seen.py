"""A run in which nothing happened has shown nothing."""

from __future__ import annotations

from collections.abc import Mapping

from chaos.results import Result, Verdict


def enough_seen(counts: Mapping[str, int], least: Mapping[str, int]) -> Result:
    """UNKNOWN, and says why, if something was counted less often than ``least``."""
    lacking = tuple(
        f"{name}: {counts.get(name, 0)}, want {wanted}"
        for name, wanted in sorted(least.items())
        if counts.get(name, 0) < wanted
    )
    return Result(
        checker="enough_seen",
        verdict=Verdict.UNKNOWN if lacking else Verdict.VALID,
        checked=len(least),
        problems=lacking,
    )
