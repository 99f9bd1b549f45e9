"""Somebody who reads what leaders hold, from each node that thinks it leads.

What one read shows, a later one must show too, whoever is asked: else a leader answers
that is one no more, or has not caught up. So it is asked when several think that they
lead, and whenever somebody else does; a lone leader of a while can only be right.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from chaos.sim.fast.agenda import Agenda
from chaos.sim.fast.judge import Judge
from chaos.sim.fast.node import SimNode
from chaos.sim.fast.node_life import NodeLife

READS_PROBABILITY = 0.4
"""Of a run to have such a reader: each read takes a round of heartbeats."""
INTERVAL_S = (0.1, 0.4)


class Readers:
    """One reader, who waits for no answer before the next question."""

    def __init__(
        self,
        *,
        agenda: Agenda,
        judge: Judge,
        nodes: Sequence[SimNode],
        rng: random.Random,
    ) -> None:
        self._agenda = agenda
        self._judge = judge
        self._nodes = nodes
        self._interval_s = rng.uniform(*INTERVAL_S)
        self._is_over = rng.random() >= READS_PROBABILITY
        self._asked: list[NodeLife] = []

    def begin(self) -> None:
        """From now on, if the run has one."""
        if not self._is_over:
            self._agenda.after(self._interval_s, self._ask_all)

    def end(self) -> None:
        """No more."""
        self._is_over = True

    def _ask_all(self) -> None:
        if self._is_over:
            return
        leading = [
            node.life
            for node in self._nodes
            if node.leader is not None and node.life is not None
        ]
        if len(leading) > 1 or leading != self._asked:
            self._asked = leading
            for life in leading:
                # One that stands still is asked the moment it goes on.
                at_s = max(self._agenda.now_s, life.busy_until_s)
                self._agenda.at(at_s, self._ask, life)
        self._agenda.after(self._interval_s, self._ask_all)

    def _ask(self, life: NodeLife) -> None:
        judge = self._judge
        asked_after = judge.newest_answer

        def done(result: object, error: Exception | None) -> None:
            if error is None:
                judge.read(life.name, asked_after, life.machine.state.index)

        if life.is_alive and self._agenda.now_s >= life.busy_until_s:
            life.asks.read(done)
