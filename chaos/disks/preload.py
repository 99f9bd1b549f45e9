"""Environments of processes into which libraries are preloaded."""

from __future__ import annotations

from collections.abc import Mapping

PRELOAD = "LD_PRELOAD"


def merged(*environments: Mapping[str, str]) -> dict[str, str]:
    """All variables, the last that has one counts; but every library that one of them
    preloads is, in this order."""
    together: dict[str, str] = {}
    libraries: dict[str, None] = {}
    for environment in environments:
        together |= environment
        libraries |= dict.fromkeys(
            filter(None, environment.get(PRELOAD, "").split(":"))
        )
    if libraries:
        together[PRELOAD] = ":".join(libraries)
    return together
