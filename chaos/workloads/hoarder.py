"""Takes offers and holds them for a while; then gives them back, uses some, and now
and then one that it has no more."""

from __future__ import annotations

from collections import deque

import trio

from chaos.workloads.framework import NEEDS, TRUE, FrameworkWorkload, room, sleep_for
from chaos.workloads.instance import Instance
from chaos.workloads.interface import Surroundings, wait_turn
from raftleader.protocol.ids import OfferId
from raftleader.protocol.offers import Offer

TURNS_PER_S = 4.0
HELD_MAX = 2
"""Offers are whole agents: more would starve the other frameworks."""
HOLD_S_MAX = 3.0
LIVE_MAX = 10
REFUSE_S_MAX = 1.0
GONE_MAX = 50
"""Offers used up or taken back that are remembered, to be used wrongly."""


class Hoarder(FrameworkWorkload):
    """Holds up to HELD_MAX offers, each for up to HOLD_S_MAX seconds."""

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)
        self._until_s: dict[OfferId, float] = {}
        self._gone: deque[Offer] = deque(maxlen=GONE_MAX)

    async def load(self, instance: Instance) -> None:
        await instance.revive()
        while True:
            await wait_turn(self.rng, TURNS_PER_S * self.around.pace)
            if not self.is_settling:
                self._take_turn(instance, trio.current_time())

    def _take_turn(self, instance: Instance, now_s: float) -> None:
        held = instance.offers_held
        for offer in held:
            self._until_s.setdefault(offer.id, now_s + self.rng.uniform(0, HOLD_S_MAX))
        surplus = held[HELD_MAX:]
        if surplus:
            refuse_s = self.rng.uniform(0, REFUSE_S_MAX)
            self._gone.extend(surplus)
            instance.decline_soon(surplus, refuse_s=refuse_s)
        for offer in held[:HELD_MAX]:
            if self._until_s[offer.id] <= now_s:
                self._let_go(instance, offer)
                return
        if self._gone and self.rng.random() < 0.05:
            self._use(instance, self.rng.choice(self._gone))

    def _let_go(self, instance: Instance, offer: Offer) -> None:
        self._gone.append(offer)
        del self._until_s[offer.id]
        choice = self.rng.random()
        if choice < 0.5:
            refuse_s = self.rng.uniform(0, REFUSE_S_MAX)
            instance.decline_soon([offer], refuse_s=refuse_s)
        elif choice < 0.7:
            # Accepting nothing gives all back.
            instance.accept_soon([offer], [])
        else:
            self._use(instance, offer)

    def _use(self, instance: Instance, offer: Offer) -> None:
        """One that is gone is refused by dropping the tasks."""
        count = room(offer, NEEDS, min(2, LIVE_MAX - len(self.book.tasks)))
        commands = [TRUE, sleep_for(self.rng.uniform(0.1, 1.0))][:count]
        tasks = [self.new_task(offer, command) for command in commands]
        instance.accept_soon([offer], tasks)
