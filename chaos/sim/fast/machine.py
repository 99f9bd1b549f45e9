"""The state machine of a simulated node: the real replica, watched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from raftleader.leader.replica import Replica
from raftleader.replication.interface import Restoration
from raftleader.state.cluster import ClusterState
from raftleader.state.outcomes import Applied

if TYPE_CHECKING:
    from chaos.sim.fast.node_life import NodeLife


class SimMachine:
    """A ``StateMachine``: tells the judge of each entry, and keeps what followed from
    it until the step is over."""

    def __init__(self, life: NodeLife, cluster_id: str) -> None:
        self._replica = Replica(cluster_id=cluster_id, clock=life.clock)
        self._life = life
        self._applied: list[Applied] = []
        self.state: ClusterState = self._replica.state

    def apply(self, index: int, term: int, data: bytes) -> Applied:
        applied = self._replica.apply(index, term, data)
        self._life.judge.applied(
            self._life.name, index, term, data, self.state, applied
        )
        self._applied.append(applied)
        return applied

    def take_applied(self) -> list[Applied]:
        """What was applied since the last call."""
        if not self._applied:
            return self._applied
        applied, self._applied = self._applied, []
        return applied

    def capture(self) -> Iterator[bytes]:
        return self._replica.capture()

    def restore(self) -> Restoration:
        return self._replica.restore()
