"""Things that must not be, planted into a made-up run in which all was well."""

from __future__ import annotations

from collections.abc import Callable

from support.synthetic_history import SyntheticRun

Planter = Callable[[SyntheticRun], None]
VIOLATIONS: dict[str, Planter] = {}
"""By name; filled by ``planted``."""


def plant(name: str, run: SyntheticRun) -> None:
    """Break ``run`` in the way of that name. KeyError for a name that is unknown."""
    VIOLATIONS[name](run)


def planted(planter: Planter) -> Planter:
    """Its name is that of the function."""
    VIOLATIONS[planter.__name__.replace("_", "-")] = planter
    return planter
