"""A framework's calls: repeated until they are answered, through failovers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from chaos.sim.fast.calls import Answered, Asked, FrameworkCall
from chaos.sim.fast.network import Connection
from raftleader.protocol.ids import OfferId
from raftleader.protocol.scheduler_api import Accept, Decline

if TYPE_CHECKING:
    from chaos.sim.fast.framework_life import FrameworkLife

ATTEMPT_TIMEOUT_S = 6.0
CALLS_MAX = 200
"""Waiting for an answer; beyond, the oldest is forgotten."""


@attrs.define(eq=False)
class _Pending:
    """A call without an answer; ``sent_s`` when it is on its way."""

    call: FrameworkCall
    sent_s: float | None = None


class Calls:
    """Those of one life. What it dies with is forgotten.

    Attributes:
        connection: To the leader, beside the stream; None while there is no stream.
        stream_number: Names the stream, as the leader gave it.
    """

    def __init__(self, life: FrameworkLife) -> None:
        self.connection: Connection | None = None
        self.stream_number = 0
        self._life = life
        self._framework = life.framework
        self._pending: dict[int, _Pending] = {}
        self._number = 0

    def call(self, call: FrameworkCall) -> None:
        """Send it, and again until it is answered."""
        if len(self._pending) >= CALLS_MAX:
            self._pending.pop(next(iter(self._pending)))
        self._number += 1
        self._pending[self._number] = _Pending(call)
        self._send(self._number)

    def opened(self, connection: Connection) -> None:
        """There is a stream: send all that waits."""
        self.connection = connection
        for number in list(self._pending):
            self._send(number)

    def closed(self) -> None:
        """There is none any more."""
        self.connection = None
        for pending in self._pending.values():
            pending.sent_s = None

    def is_late(self, now_s: float) -> bool:
        """Whether an answer should have come long ago."""
        return any(
            one.sent_s is not None and now_s - one.sent_s > ATTEMPT_TIMEOUT_S
            for one in self._pending.values()
        )

    def offers(self) -> set[OfferId]:
        """Offers whose answer is on its way."""
        return {
            offer_id
            for one in self._pending.values()
            if isinstance(one.call, Accept | Decline)
            for offer_id in one.call.offer_ids
        }

    def take(self, answer: Answered) -> None:
        """The leader answers."""
        framework, after = self._framework, self._life.after
        pending = self._pending.get(answer.number)
        if pending is None:
            return
        if isinstance(pending.call, Accept) and framework.lost_answers > 0:
            framework.lost_answers -= 1
            framework.judge.answer_lost()
            after(0.5 * framework.rng.random(), self._send, answer.number)
        elif answer.status == 0:
            self._life.lose()
        elif answer.status == 503:
            after(0.1 + 0.4 * framework.rng.random(), self._send, answer.number)
        else:
            del self._pending[answer.number]
            framework.counts["acked"] += 1
            if isinstance(pending.call, Accept) and answer.status == 202:
                framework.answered(pending.call)

    def _send(self, number: int) -> None:
        pending = self._pending.get(number)
        if pending is not None and self.connection is not None:
            pending.sent_s = self._framework.agenda.now_s
            asked = Asked(number, self.stream_number, pending.call)
            self._framework.network.send(self.connection, 0, asked)
