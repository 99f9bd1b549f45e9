"""A promise of Raft that is broken."""

from __future__ import annotations


class InvariantError(AssertionError):
    """A promise of Raft is broken: this node stops before it does harm."""
