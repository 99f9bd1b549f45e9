"""P2 as frameworks see it: after a failover each holds what the log says it holds.

Looked at a while after every subscription, if nothing came between, and once more at
the end of the run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import trio

from chaos.checkers.offers_known import offers_known
from chaos.sim.whole.history import History

if TYPE_CHECKING:
    from chaos.sim.whole.framework import SimulatedFramework
    from chaos.sim.whole.http import HttpNetwork
    from chaos.sim.whole.node import SimulatedNode

NAME = "P2 frameworks hold their offers"
SETTLED_S = (1.5, 5.0)
"""So long after a subscription everything should have been sent; and so much later a
framework has dropped what it held before and was not sent again."""
AGREED_S = 1.0
"""What differs by then, and so long after, was forgotten."""


@attrs.define(eq=False, kw_only=True)
class OffersJudge:
    """Compares frameworks with the log.

    Attributes:
        judged: Subscriptions that could be looked at.
    """

    leader: Callable[[], SimulatedNode | None]
    http: HttpNetwork
    history: History
    judged: int = 0

    async def judge_later(self, framework: SimulatedFramework) -> None:
        """It has just subscribed."""
        before = self._circumstances(framework)
        for settled_s in SETTLED_S:
            await trio.sleep(settled_s)
            if before is None or self._circumstances(framework) != before:
                return
            first = self.differences(framework)
            await trio.sleep(AGREED_S)
            if self._circumstances(framework) != before:
                return
            self.judged += 1
            now = self.differences(framework)
            for text in first:
                if text in now:
                    self.history.fail(text, NAME)

    def differences(self, framework: SimulatedFramework) -> list[str]:
        """What it holds and the log does not say, and the other way round."""
        leader = self.leader()
        if leader is None or framework.driver is None or framework.id is None:
            return []
        in_log = set(leader.state.offers_by_framework.get(framework.id, ()))
        held = set(framework.driver.outstanding_offers)
        # What an instance has used, the one that takes over from it may still hold.
        used = self.history.offers_used.get(framework.name, set())
        result = offers_known(
            held={framework.name: held - used}, in_log={framework.name: in_log - used}
        )
        return list(result.problems)

    def _circumstances(self, framework: SimulatedFramework) -> object | None:
        """All that must be the same for a comparison to mean anything."""
        leader, instance = self.leader(), framework.instances[-1]
        if leader is None or instance.process.is_stopped or not instance.lives.is_up:
            return None
        return (
            leader.lives.label,
            leader.state.term,
            framework.subscriptions,
            framework.lives.label,
            self.http.disturbances,
            leader.process.pauses,
            instance.process.pauses,
        )
