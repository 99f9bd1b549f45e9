"""Cluster time: the one clock by which deadlines in the log are judged.

Milliseconds. It goes on from the newest stamp this node has applied, by the local
monotonic clock, so a failover neither shortens nor forgets a deadline, whatever
the wall clocks of the nodes say. Time in which no process of the cluster lives
does not count. The first leader ever starts it at its wall time, so that the
numbers look like times to a person.
"""

from __future__ import annotations

from collections.abc import Callable


class ClusterClock:
    """Cluster time as this node reads it; never goes back, but for one case.

    A stamp that lies behind our own reading is ignored: it was made a commit's
    latency ago. One that lies ahead moves us forward. The first stamp of all counts
    also if it lies behind the wall time that we began with: then ours was never
    committed, so nobody has seen it, and another leader began the cluster's time.
    """

    def __init__(
        self, *, monotonic_s: Callable[[], float], wall_ms: Callable[[], int]
    ) -> None:
        """``wall_ms`` is asked once, and only if no entry was ever applied."""
        self._monotonic_s = monotonic_s
        self._wall_ms = wall_ms
        self._base_ms: int | None = None
        self._base_s = 0.0
        self._has_observed = False

    def now_ms(self) -> int:
        """Cluster time right now, in milliseconds."""
        if self._base_ms is None:
            self._set(self._wall_ms())
            assert self._base_ms is not None
        return self._base_ms + int((self._monotonic_s() - self._base_s) * 1000)

    def observe(self, stamp_ms: int) -> None:
        """An entry with this stamp was applied here; 0: none with a stamp so far."""
        if not stamp_ms:
            return
        is_first, self._has_observed = not self._has_observed, True
        if (
            self._base_ms is None
            or stamp_ms > self.now_ms()
            or (is_first and stamp_ms < self._base_ms)
        ):
            self._set(stamp_ms)

    def _set(self, at_ms: int) -> None:
        self._base_ms = at_ms
        self._base_s = self._monotonic_s()
