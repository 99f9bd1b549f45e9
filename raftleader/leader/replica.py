"""The state machine's host: one ``ClusterState``, fed by the log, in log order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from raftleader.leader.cluster_clock import ClusterClock
from raftleader.state.apply import apply_entry
from raftleader.state.cluster import ClusterState
from raftleader.state.outcomes import Applied
from raftleader.state.snapshot_stream import Restoring, capture

AppliedListener = Callable[[Applied], None]

ROWS_FREED_WITH_PIECE = 500
"""Of a state that is no longer used, with each piece of a snapshot. A row is freed in
some microseconds; all of a large state at once would stop the node for a second."""
ROWS_FREED_WITH_ENTRY = 2
"""The same with each entry; thousands of them are applied in one step."""

_FIELDS = tuple(field.name for field in attrs.fields(ClusterState))


class Replica:
    """This node's copy of the cluster state: a ``StateMachine`` of the log.

    ``apply`` runs on every node for every entry, so it does nothing but apply, tell
    the clock, and call the one listener (the leader's effects) if there is one. An
    exception here is a bug; the log lets it out, and the process ends rather than go
    on with a state of its own.

    A snapshot is restored into the same ``state``, in place, so whoever holds it sees
    the new content; whoever holds one of its tables does not. Nobody is told which
    rows changed: a leader never restores (what it lacks nobody has), and a follower
    has no listener. One that is there all the same is of a term that is over, whose
    services have not had a turn since: it hears nothing more.
    """

    def __init__(self, *, cluster_id: str, clock: ClusterClock) -> None:
        self.state = ClusterState(cluster_id=cluster_id)
        self._clock = clock
        self._listener: AppliedListener | None = None
        self._restoration: StateRestoration | None = None
        self._discarded: list[dict[Any, Any]] = []

    def apply(self, index: int, term: int, data: bytes) -> Applied:
        """Apply one committed entry; an ``Applier`` of ``replication.interface``."""
        applied = apply_entry(self.state, index, term, data)
        self._clock.observe(self.state.clock_ms)
        if self._listener is not None:
            self._listener(applied)
        if self._discarded:
            self._free(ROWS_FREED_WITH_ENTRY)
        return applied

    def listen(self, listener: AppliedListener | None) -> None:
        """From now on call ``listener`` after each entry; None ends that."""
        self._listener = listener

    def capture(self) -> Iterator[bytes]:
        """See ``StateMachine.capture``."""
        return self._freeing(capture(self.state))

    def restore(self) -> StateRestoration:
        """See ``StateMachine.restore``. One at a time: an unfinished one is void."""
        if self._restoration is not None:
            self._discard(self._restoration.give_up())
        self._restoration = StateRestoration(
            self.state.cluster_id,
            finished=self._swap,
            fed=lambda: self._free(ROWS_FREED_WITH_PIECE),
        )
        return self._restoration

    @property
    def unfreed_rows(self) -> int:
        """Of states that are no longer used, with their places in indexes."""
        return sum(len(table) for table in self._discarded)

    def _swap(self, restored: ClusterState) -> None:
        self._restoration = self._listener = None
        old = attrs.evolve(self.state)
        for name in _FIELDS:
            setattr(self.state, name, getattr(restored, name))
        self._discard(old)
        self._clock.observe(self.state.clock_ms)

    def _discard(self, state: ClusterState) -> None:
        """Free its tables bit by bit, with the entries and pieces to come."""
        tables = (getattr(state, name) for name in _FIELDS)
        self._discarded += [one for one in tables if isinstance(one, dict) and one]

    def _freeing(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._free(ROWS_FREED_WITH_PIECE)
            yield piece

    def _free(self, rows: int) -> None:
        while self._discarded and rows:
            table = self._discarded[-1]
            while table and rows:
                table.popitem()
                rows -= 1
            if not table:
                self._discarded.pop()


class StateRestoration:
    """A ``Restoration`` of a replica: a state that is read beside the one in use."""

    def __init__(
        self,
        cluster_id: str,
        *,
        finished: Callable[[ClusterState], None],
        fed: Callable[[], None],
    ) -> None:
        """``finished`` is called with the new state; ``fed`` after each chunk."""
        self._restoring: Restoring | None = Restoring(cluster_id)
        self._finished = finished
        self._fed = fed

    def feed(self, chunk: bytes) -> None:
        """See ``Restoration.feed``; give ``snapshot_stream.CHUNK_BYTES`` at most."""
        assert self._restoring is not None, "finished, or void"
        self._restoring.feed(chunk)
        self._fed()

    def finish(self) -> None:
        """See ``Restoration.finish``."""
        assert self._restoring is not None, "finished, or void"
        state = self._restoring.finish()
        self._restoring = None
        self._finished(state)

    def give_up(self) -> ClusterState:
        """What was read so far; nothing can be fed any more."""
        assert self._restoring is not None, "finished, or void"
        restoring, self._restoring = self._restoring, None
        return restoring.state
