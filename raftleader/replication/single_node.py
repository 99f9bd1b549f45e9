"""The replicated log of a cluster of one: the same promises, without peers.

For development, tests, and small installations that accept one point of failure.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import trio

from raftleader.errors import NotLeaderError, OutcomeUnknownError
from raftleader.replication.disk import Disk
from raftleader.replication.entries import NO_OP, USER, Entry, user_entry
from raftleader.replication.interface import Applier, Leadership, LogStatistics
from raftleader.replication.journal import SEGMENT_BYTES, Journal, whole_log
from raftleader.replication.pending import PendingProposals, Proposal
from raftleader.replication.running import RunBlocking, run_here
from raftleader.replication.watch import LeadershipWatch

ENGINE = "single_node"


class SingleNodeLog:
    """A ``ReplicatedLog`` on one node. ``run`` it once.

    Proposals that arrive while the disk works share the next fdatasync. Each start
    leads a new term, beginning with a no-op, so that index 1 is never a user's.
    ``journal_path`` is the directory of its journal, on ``disk`` or that of the
    machine; with None nothing is kept: for tests. ``run_blocking`` waits for the disk;
    None does so in the event loop.
    """

    def __init__(
        self,
        node_id: str,
        journal_path: Path | None,
        applier: Applier,
        *,
        cluster_id: str = "single",
        disk: Disk | None = None,
        run_blocking: RunBlocking | None = None,
        pending_max: int = 10_000,
        pending_bytes_max: int = 64 * 1024 * 1024,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._node_id = node_id
        self._cluster_id = cluster_id
        self._journal_path = journal_path
        self._applier = applier
        self._disk = disk
        self._run_blocking = run_blocking or run_here
        self._segment_bytes = segment_bytes
        self._journal: Journal | None = None
        self._pending = PendingProposals(
            count_max=pending_max, bytes_max=pending_bytes_max
        )
        self._queue: list[tuple[Proposal, bytes]] = []
        self._wake = trio.Event()
        self._watch = LeadershipWatch()
        self._term = 0
        self._applied_index = 0
        self._scope = trio.CancelScope()
        self._is_used = False

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Replay the journal, then serve proposals until cancelled.

        Raises JournalDamagedError, ConfigError or OSError before ``started``;
        afterwards OSError when the disk fails, DiskFullError when it is full, and
        whatever the applier raised.
        """
        if self._is_used:
            raise RuntimeError("a log runs once; make a new one")
        self._is_used = True
        if self._journal_path is not None:
            self._journal = Journal.open(
                str(self._journal_path),
                cluster_id=self._cluster_id,
                node_id=self._node_id,
                engine=ENGINE,
                disk=self._disk,
                segment_bytes=self._segment_bytes,
            )
        try:
            await self._begin_term()
            task_status.started()
            with self._scope:
                await self._serve()
        finally:
            # Not yet in the journal: definite. The others may be on the disk.
            for proposal, _ in self._queue:
                proposal.fail(NotLeaderError(None))
            self._queue.clear()
            self._pending.fail_all(lambda: OutcomeUnknownError("the node stopped"))
            self._watch.update(Leadership(term=self._term, leader=None, leading=False))
            if self._journal is not None:
                self._journal.close()

    def crash(self) -> None:
        """Die as by SIGKILL, for simulations: ``run`` returns without a sync."""
        if self._journal is not None:
            self._journal.abandon()
        self._scope.cancel()

    async def propose(self, data: bytes, *, timeout_s: float) -> object:
        """Commit ``data``; see ``ReplicatedLog.propose``."""
        return await self._submit(user_entry(data), timeout_s)

    async def barrier(self, *, timeout_s: float) -> int:
        """Commit a no-op; see ``ReplicatedLog.barrier``."""
        index = await self._submit(NO_OP, timeout_s)
        assert isinstance(index, int)
        return index

    @property
    def leadership(self) -> Leadership:
        return self._watch.current

    async def wait_leadership_changed(self, seen: Leadership) -> Leadership:
        """See ``ReplicatedLog.wait_leadership_changed``."""
        return await self._watch.wait_changed(seen)

    def statistics(self) -> LogStatistics:
        """Counters right now."""
        return LogStatistics(
            engine=ENGINE,
            term=self._term,
            last_index=self._applied_index,
            commit_index=self._applied_index,
            applied_index=self._applied_index,
            journal_bytes=self._journal.size_bytes if self._journal else 0,
            peers_connected=(),
        )

    async def _submit(self, command: bytes, timeout_s: float) -> object:
        if not self._watch.current.leading:
            await trio.lowlevel.checkpoint()  # a caller that loops must not hang us
            raise NotLeaderError(None)
        proposal = self._pending.admit(len(command))
        self._queue.append((proposal, command))
        self._wake.set()
        return await proposal.wait(timeout_s=timeout_s)

    async def _begin_term(self) -> None:
        """Lead one term more than ever before, over all that the journal holds."""
        journal = self._journal
        self._term = 1
        if journal is not None:
            recovered = whole_log(journal)
            self._term = recovered.term + 1
            journal.set_ballot(self._term, self._node_id)
            for entry in recovered.entries:
                self._apply(entry)
        await self._commit([NO_OP])
        self._watch.update(
            Leadership(term=self._term, leader=self._node_id, leading=True)
        )

    async def _serve(self) -> None:
        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._pending.deadlines.run)
            try:
                await self._commit_for_ever()
            except Exception as error:
                # Out of the nursery, so that it goes up alone, not in a group.
                failure = error
                nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _commit_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            taken, self._queue = self._queue, []
            results = await self._commit([command for _, command in taken])
            for (proposal, _), result in zip(taken, results, strict=True):
                proposal.settle(result)

    async def _commit(self, commands: list[bytes]) -> list[object]:
        """Append, sync once, apply: in this order, or nothing was promised."""
        first = self._applied_index + 1
        entries = [
            Entry(command, index, self._term)
            for index, command in enumerate(commands, start=first)
        ]
        if self._journal is not None:
            self._journal.append(entries)
            # What was begun is finished: a journal is not to be closed within a sync.
            with trio.CancelScope(shield=True):
                await self._run_blocking(_call, self._journal.sync)
        return [self._apply(entry) for entry in entries]

    def _apply(self, entry: Entry) -> object:
        result: object = entry.index
        if entry.data[:1] == USER:
            result = self._applier(entry.index, entry.term, entry.data[1:])
        self._applied_index = entry.index
        return result


def _call(function: Callable[[], None]) -> None:
    function()
