"""The seam of allocation policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from raftleader.protocol.ids import AgentId
from raftleader.state.commands import Grant

if TYPE_CHECKING:
    import random

    from raftleader.allocator.view import AllocationView


@attrs.frozen
class Run:
    """What one run decided.

    Attributes:
        unvisited: Agents it did not come to, in the order in which it would have.
    """

    grants: tuple[Grant, ...] = ()
    unvisited: tuple[AgentId, ...] = ()


class Allocator(Protocol):
    """A policy: who is offered what."""

    def allocate(
        self,
        view: AllocationView,
        now_ms: int,
        rng: random.Random,
        *,
        steps_max: int | None = None,
    ) -> Run:
        """Decide one run over what is free in ``view``.

        With ``steps_max`` it ends, with some agents unvisited, when it has asked
        about so many pairs of an agent and a framework: whoever runs it does
        something else before it goes on with the rest.

        Pure: the same view, time and chance give the same grants. Grants never
        overlap, fit what is free, and honour suppression and filters; an offer for
        each follows once the command with them is committed.
        """
