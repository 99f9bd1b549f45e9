"""Times as Mesos writes them, e.g. ``5secs``. Pure."""

from __future__ import annotations

_UNITS = (
    ("weeks", 7 * 24 * 3600 * 1000),
    ("days", 24 * 3600 * 1000),
    ("hrs", 3600 * 1000),
    ("mins", 60 * 1000),
    ("secs", 1000),
    ("ms", 1),
)


def duration_text(millis: int) -> str:
    """A number and the largest unit of which there is at least one: ``1.5mins``."""
    for unit, size in _UNITS:
        if millis >= size:
            return f"{millis / size:.15g}{unit}"
    return "0ns"
