"""A leader node that is watched from within: ``raftleader.node``, recorded, with crash
points."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from chaos.live.crash_points import CrashingMachine, CrashPoints
from chaos.live.variables import RECORD_VARIABLE
from chaos.observation.recorder import RecordedMachine, Recorder, record_roles
from raftleader.leader.replica import Replica
from raftleader.node import BoundAddresses, make_log, run_node
from raftleader.node_config import NodeConfig
from raftleader.replication.interface import ReplicatedLog, StateMachine
from transports.interface import Transport

if TYPE_CHECKING:
    from raftleader.state.cluster import ClusterState


@attrs.define
class ObservedNode:
    """Runs leader nodes of this process.

    Attributes:
        record: Prefix of the applied log's files; None records nothing.
    """

    points: CrashPoints
    record: Path | None

    @classmethod
    def of(cls, points: CrashPoints, environ: Mapping[str, str]) -> ObservedNode:
        """As the environment says."""
        record = environ.get(RECORD_VARIABLE)
        return cls(points, Path(record) if record else None)

    async def run(
        self,
        config: NodeConfig,
        *,
        task_status: trio.TaskStatus[BoundAddresses] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """In the place of ``run_node``: the same promises.

        The state's digest is recorded once more when the node ends in order.
        """
        if self.record is None:
            await self._run(config, None, task_status)
            return
        recorder = Recorder(self.record, node=config.node_id)
        self.points.on_crash.append(recorder.crashed)
        try:
            await self._run(config, recorder, task_status)
        finally:
            self.points.on_crash.remove(recorder.crashed)
            recorder.close()

    async def _run(
        self,
        config: NodeConfig,
        recorder: Recorder | None,
        task_status: trio.TaskStatus[BoundAddresses],
    ) -> None:
        state: ClusterState | None = None
        async with trio.open_nursery() as nursery:

            def make(
                config: NodeConfig,
                transport: Transport,
                machine: StateMachine,
                rng: random.Random,
            ) -> ReplicatedLog:
                nonlocal state
                assert isinstance(machine, Replica)
                state = machine.state
                if recorder is not None:
                    machine = RecordedMachine(machine, state, recorder)
                log = make_log(
                    config,
                    transport,
                    CrashingMachine(machine, self.points),
                    rng,
                    at_point=self.points.passed,
                )
                if recorder is not None:
                    nursery.start_soon(record_roles, log, recorder)
                return log

            try:
                await run_node(config, make_log=make, task_status=task_status)
            except BaseException as error:
                # After a failure the state may be that of half an entry.
                if _is_cancellation(error) and recorder is not None and state:
                    recorder.digested(state)
                raise
            nursery.cancel_scope.cancel()


def _is_cancellation(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return error.split(trio.Cancelled)[1] is None
    return isinstance(error, trio.Cancelled)
