"""Moments in which the death of a process matters most."""

from __future__ import annotations

import enum


class Moment(enum.Enum):
    """When an agent may be made to die."""

    ORDERED = "a launch is written down, and not begun"
    LAUNCHED = "a process runs, and nobody was told of it"
    REPORTED = "an update is written down, and not sent"
