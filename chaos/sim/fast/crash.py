"""How a simulated node is made to die in the middle of its code."""

from __future__ import annotations


class Crash(Exception):
    """The node dies here: raised at a named point of its code."""
