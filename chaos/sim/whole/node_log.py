"""The log of a simulated node: the real one, on a simulated disk, and watched."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import trio

from chaos.sim.disk import SimDisk
from chaos.sim.whole.history import History
from chaos.sim.whole.watched_log import RaftJudge, WatchedRaftLog
from chaos.sim.whole.watched_pysyncobj import WatchedPySyncObjLog
from raftleader.node import Engine, NodeConfig
from raftleader.replication.interface import Restoration, StateMachine
from raftleader.replication.pysyncobj_backend.log import PySyncObjLog
from raftleader.replication.raft_log import RaftLog
from raftleader.state.cluster import ClusterState
from raftleader.state.outcomes import Applied
from transports.interface import Transport

SimulatedLog = RaftLog | PySyncObjLog
DATA_DIR = Path("data")
"""On the node's own disk."""
SYNC_S_MAX = 0.004
"""A good disk's: what a slow one adds is a fault of its own."""


def make_simulated_log(
    config: NodeConfig,
    transport: Transport,
    machine: StateMachine,
    rng: random.Random,
    *,
    disk: SimDisk,
    at_point: Callable[[str], None],
    history: History,
    judge: RaftJudge,
) -> SimulatedLog:
    """As ``raftleader.node.make_log``."""
    if config.log_engine is Engine.PYSYNCOBJ:
        return WatchedPySyncObjLog(
            history=history,
            judge=judge,
            name=config.node_id,
            cluster_id=config.cluster_id,
            members=config.members,
            transport=transport,
            journal_path=DATA_DIR,
            applier=machine.apply,
            rng=rng,
            settings=config.raft,
            disk=disk,
        )
    return WatchedRaftLog(
        history=history,
        judge=judge,
        name=config.node_id,
        cluster_id=config.cluster_id,
        members=config.members,
        transport=transport,
        data_dir=DATA_DIR,
        machine=machine,
        rng=rng,
        settings=config.raft,
        disk=disk,
        is_joining=config.is_joining,
        run_blocking=SlowThread(random.Random(rng.getrandbits(64))),
        at_point=at_point,
    )


@attrs.frozen(eq=False)
class SlowThread:
    """Stands for the thread in which a node waits for its disk: the rest of the node
    goes on for up to SYNC_S_MAX."""

    _rng: random.Random

    async def __call__(
        self, function: Callable[[Callable[[], None]], None], sync: Callable[[], None]
    ) -> None:
        await trio.sleep(self._rng.uniform(0.0, SYNC_S_MAX))
        function(sync)


@attrs.frozen(eq=False)
class WatchedMachine:
    """A state machine that tells the history what it applied."""

    _machine: StateMachine
    _state: Callable[[], ClusterState]
    _history: History
    _life: str

    def apply(self, index: int, term: int, data: bytes) -> object:
        applied = self._machine.apply(index, term, data)
        assert isinstance(applied, Applied)
        self._history.applied(self._life, term, data, self._state(), applied)
        return applied

    def capture(self) -> Iterator[bytes]:
        return self._machine.capture()

    def restore(self) -> Restoration:
        return self._machine.restore()
