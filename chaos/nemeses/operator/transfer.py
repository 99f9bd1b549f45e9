"""Leadership is handed to another node."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from contextlib import ExitStack

import attrs
import trio

from chaos.live.faults import Fault, Injection, Target
from chaos.live.seams import ImpossibleError, World, Wound
from chaos.nemeses.operator.group import GroupOperator
from chaos.nemeses.targets import see_crowd
from chaos.nemeses.wounds import Undone
from raftleader.errors import OutcomeUnknownError, RaftLeaderError

HAND_OVER_WITHIN_S = 5.0
"""A node that was started a moment ago, or is behind, is refused at first."""
PAUSE_S = 0.2


@attrs.frozen
class LeadershipTransfer:
    """``transfer``: to another node that lives and can have it. Over at once."""

    faults: frozenset[Fault] = frozenset({Fault.TRANSFER})

    def missing(self, fault: Fault) -> str | None:
        """See ``Nemesis``."""
        return None

    async def inject(self, injection: Injection, world: World) -> Wound:
        """See ``Nemesis``."""
        cluster = world.cluster
        old = (await see_crowd(cluster, Target.LEADER)).leader
        assert old is not None, "one was waited for"
        others = [name for name in cluster.leaders if name != old and cluster.pid(name)]
        if not others:
            raise ImpossibleError("there is no other node to lead")
        random.Random(injection.seed).shuffle(others)
        new, is_known = await _hand_over(GroupOperator(cluster), others)
        return Undone(
            targets=(old, new),
            means="transfer",
            undo=ExitStack(),
            detail={"from": old, "to": new, "is_known": is_known},
        )


async def _hand_over(group: GroupOperator, others: Sequence[str]) -> tuple[str, bool]:
    """To the first that can have it: who, and whether that is known for certain."""
    why = "no answer"
    with trio.move_on_after(HAND_OVER_WITHIN_S):
        for name in itertools.cycle(others):
            try:
                await group.transfer(name)
            except OutcomeUnknownError:
                return name, False
            except RaftLeaderError as error:
                why = str(error)
                await trio.sleep(PAUSE_S)
            else:
                return name, True
    raise ImpossibleError(why)
