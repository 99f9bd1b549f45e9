"""A whole cluster of logs in this process, for tests and simulations.

Knows no engine: whoever makes the cluster says how a node's log is made, over which
transport, and on which file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

import attrs
import trio

from raftleader.replication.interface import ReplicatedLog
from raftleader.replication.recording import Applied, RecordingMachine


class CrashableLog(ReplicatedLog, Protocol):
    """A log that can die as a process does."""

    def crash(self) -> None:
        """End ``run`` at once, without a sync."""


@attrs.define(eq=False)
class LocalNode:
    """One life of one node, from a start to the next.

    Attributes:
        log: Its end of the log.
        applied: What its state consists of: all it has applied in this life, in
            order, or got with a snapshot.
        failure: What ``run`` raised, or None.
    """

    node_id: str
    log: CrashableLog
    applied: list[Applied]
    failure: Exception | None = None
    ended: trio.Event = attrs.field(factory=trio.Event)
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    @property
    def is_running(self) -> bool:
        return not self.ended.is_set()

    @property
    def commands(self) -> list[bytes]:
        """The data of all it has applied."""
        return [entry.data for entry in self.applied]


class LocalCluster:
    """Nodes that start, crash and start again; lives in the nursery it is given.

    ``make_log`` is given a state machine that is an applier as well, whichever the
    engine wants.

    Attributes:
        nodes: The latest life of every node that was ever started.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        node_ids: Iterable[str],
        make_log: Callable[[str, RecordingMachine], CrashableLog],
        *,
        on_apply: Callable[[str, Applied], object] = lambda _node_id, entry: (
            entry.index
        ),
    ) -> None:
        self.nodes: dict[str, LocalNode] = {}
        self._nursery = nursery
        self._node_ids = tuple(node_ids)
        self._make_log = make_log
        self._on_apply = on_apply

    async def start(self, *node_ids: str) -> None:
        """Start these nodes, or all. Returns when each can be reached, or has failed
        and says so in ``failure``."""
        for node_id in node_ids or self._node_ids:
            machine = RecordingMachine(partial(self._on_apply, node_id))
            log = self._make_log(node_id, machine)
            node = LocalNode(node_id, log, machine.applied)
            self.nodes[node_id] = node
            await self._nursery.start(_live, node)

    async def crash(self, *node_ids: str) -> None:
        """Kill these nodes, or all, at one moment."""
        nodes = [self.nodes[node_id] for node_id in node_ids or self.nodes]
        for node in nodes:
            node.log.crash()
        for node in nodes:
            await node.ended.wait()

    async def stop(self, *node_ids: str) -> None:
        """Stop these nodes, or all, in good order."""
        nodes = [self.nodes[node_id] for node_id in node_ids or self.nodes]
        for node in nodes:
            node.scope.cancel()
        for node in nodes:
            await node.ended.wait()

    @property
    def running(self) -> list[LocalNode]:
        """The nodes that run now, in order of id."""
        return [node for _, node in sorted(self.nodes.items()) if node.is_running]

    async def leader(self, *, among: Iterable[str] = (), timeout_s: float) -> LocalNode:
        """The node that leads the highest term; waits for one.

        Raises trio.TooSlowError if nobody among the given nodes, or all, leads
        within ``timeout_s``.
        """
        names = tuple(among) or self._node_ids
        with trio.fail_after(timeout_s):
            while True:
                leading = [
                    (node.log.leadership.term, node.node_id)
                    for node in self.running
                    if node.node_id in names and node.log.leadership.leading
                ]
                if leading:
                    return self.nodes[max(leading)[1]]
                await trio.sleep(0.005)

    async def settle(self, *, timeout_s: float) -> None:
        """Wait until all running nodes have applied the same, up to the leader.

        Raises trio.TooSlowError.
        """
        with trio.fail_after(timeout_s):
            while True:
                statistics = [node.log.statistics() for node in self.running]
                indexes = {one.applied_index for one in statistics}
                indexes |= {one.last_index for one in statistics}
                if len(indexes) == 1:
                    return
                await trio.sleep(0.005)


async def _live(
    node: LocalNode,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    try:
        with node.scope:
            await node.log.run(task_status=task_status)
    except Exception as error:
        node.failure = error
    finally:
        node.ended.set()
        if node.failure is not None:
            _started_after_all(task_status)


def _started_after_all(task_status: trio.TaskStatus[None]) -> None:
    try:
        task_status.started()
    except RuntimeError:
        pass  # it had started
