"""Free words that travel with frameworks, tasks and reservations."""

from __future__ import annotations

import msgspec


class Label(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A free word of the framework's; never read by us."""

    key: str
    value: str | None = None
