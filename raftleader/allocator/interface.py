"""The seam of allocation policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from raftleader.state.commands import Grant

if TYPE_CHECKING:
    import random

    from raftleader.allocator.view import AllocationView


class Allocator(Protocol):
    """A policy: who is offered what."""

    def allocate(
        self, view: AllocationView, now_ms: int, rng: random.Random
    ) -> tuple[Grant, ...]:
        """Decide one run over what is free in ``view``.

        Pure: the same view, time and chance give the same grants. Grants never
        overlap, fit what is free, and honour suppression and filters; an offer for
        each follows once the command with them is committed.
        """
