"""The state machine's host: one ``ClusterState``, fed by the log, in log order."""

from __future__ import annotations

from collections.abc import Callable

from raftleader.leader.cluster_clock import ClusterClock
from raftleader.state.apply import apply_entry
from raftleader.state.cluster import ClusterState
from raftleader.state.outcomes import Applied

AppliedListener = Callable[[Applied], None]


class Replica:
    """This node's copy of the cluster state.

    ``apply`` is the log's applier: it runs on every node for every entry, so it
    does nothing but apply, tell the clock, and call the one listener (the leader's
    effects) if there is one. An exception here is a bug; the log lets it out, and
    the process ends rather than go on with a state of its own.
    """

    def __init__(self, *, cluster_id: str, clock: ClusterClock) -> None:
        self.state = ClusterState(cluster_id=cluster_id)
        self._clock = clock
        self._listener: AppliedListener | None = None

    def apply(self, index: int, term: int, data: bytes) -> Applied:
        """Apply one committed entry; an ``Applier`` of ``replication.interface``."""
        applied = apply_entry(self.state, index, term, data)
        self._clock.observe(self.state.clock_ms)
        if self._listener is not None:
            self._listener(applied)
        return applied

    def listen(self, listener: AppliedListener | None) -> None:
        """From now on call ``listener`` after each entry; None ends that."""
        self._listener = listener
