"""Bugs to be planted, each the kind that a checker exists for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from raftleader.errors import ConfigError


@contextlib.contextmanager
def planted(name: str | None) -> Iterator[None]:
    """Plant the mutant of this name for a while; None plants nothing."""
    if name is not None:
        raise ConfigError(f"there is no mutant {name!r}")
    yield
