"""How late the event loop is: the time by which a short sleep overshoots.

Everything of a node happens in one loop. If a step of it takes long, heartbeats are
late, and a follower may elect another leader for no good reason; so what is late by
more than a third of the election timeout is counted, and said in the log.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable

import attrs
import trio

logger = logging.getLogger(__name__)

INTERVAL_S = 0.01
"""Length of a sleep. A pause of the loop is seen but for so much of it."""
WINDOW_S = 60.0
"""What "recently" means."""
WARNING_INTERVAL_S = 10.0
"""At most one warning in this time."""

_BUCKETS_PER_S = 1000
_BUCKETS = 1001


@attrs.frozen(kw_only=True)
class LagFigures:
    """In milliseconds.

    Attributes:
        max_ms: The worst of the last minute.
        p99_ms: What 99 of 100 sleeps of the last minute did not overshoot.
        late: Sleeps of the last minute that overshot ``limit_ms``.
        lifetime_max_ms: Since the start, as the next two; ``lifetime_p99_ms`` in
            whole milliseconds, rounded up, and 1001 for all that is over a second.
    """

    max_ms: float
    p99_ms: float
    late: int
    lifetime_max_ms: float
    lifetime_p99_ms: float
    lifetime_late: int
    limit_ms: float


@attrs.define(eq=False)
class LoopLag:
    """Measures the loop that ``run`` runs in.

    Attributes:
        limit_s: An overshoot of more is late.
    """

    limit_s: float
    _now: Callable[[], float] = trio.current_time
    _recent: deque[tuple[float, float]] = attrs.field(factory=deque, init=False)
    _max_s: float = attrs.field(default=0.0, init=False)
    _late: int = attrs.field(default=0, init=False)
    _late_unsaid: int = attrs.field(default=0, init=False)
    _worst_unsaid_s: float = attrs.field(default=0.0, init=False)
    _said_at: float = attrs.field(default=-math.inf, init=False)
    _histogram: list[int] = attrs.field(init=False)

    @_histogram.default
    def _empty_histogram(self) -> list[int]:
        return [0] * (_BUCKETS + 1)

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due = self._now() + INTERVAL_S
            await trio.sleep_until(due)
            now = self._now()
            self.note(now, max(0.0, now - due))

    def note(self, now: float, lag_s: float) -> None:
        """One sleep that ended ``now`` was too long by ``lag_s``."""
        self._recent.append((now, lag_s))
        self._forget(now)
        self._max_s = max(self._max_s, lag_s)
        self._histogram[min(math.ceil(lag_s * _BUCKETS_PER_S), _BUCKETS)] += 1
        if lag_s > self.limit_s:
            self._late += 1
            self._late_unsaid += 1
            self._worst_unsaid_s = max(self._worst_unsaid_s, lag_s)
        if self._late_unsaid and now >= self._said_at + WARNING_INTERVAL_S:
            self._warn(now)

    def figures(self) -> LagFigures:
        """Right now; takes about a millisecond."""
        self._forget(self._now())
        lags = sorted(lag_s for _, lag_s in self._recent)
        return LagFigures(
            max_ms=_ms(lags[-1]) if lags else 0.0,
            p99_ms=_ms(lags[math.ceil(0.99 * len(lags)) - 1]) if lags else 0.0,
            late=sum(lag_s > self.limit_s for lag_s in lags),
            lifetime_max_ms=_ms(self._max_s),
            lifetime_p99_ms=self._lifetime_p99_ms(),
            lifetime_late=self._late,
            limit_ms=_ms(self.limit_s),
        )

    def _forget(self, now: float) -> None:
        while self._recent and self._recent[0][0] < now - WINDOW_S:
            self._recent.popleft()

    def _lifetime_p99_ms(self) -> float:
        wanted = math.ceil(0.99 * sum(self._histogram))
        seen = 0
        for bucket, count in enumerate(self._histogram):
            seen += count
            if seen >= wanted:
                return 1000 * bucket / _BUCKETS_PER_S
        raise AssertionError("a share of all is not more than all")

    def _warn(self, now: float) -> None:
        logger.warning(
            "the event loop was %.0f ms late, more than a third of the election"
            " timeout (%.0f ms); so late %d times since this was last said",
            *(_ms(self._worst_unsaid_s), _ms(self.limit_s), self._late_unsaid),
        )
        self._said_at, self._late_unsaid, self._worst_unsaid_s = now, 0, 0.0


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 3)
