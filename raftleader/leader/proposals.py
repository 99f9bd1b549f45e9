"""Group commit: the one way into the log.

Theory of operation. Commands wait in one queue. A few workers take turns: the one
whose turn it is gathers everything that waits into one entry, stamps it, and
proposes it; while it waits for the commit the next one gathers. A worker calls
``propose`` without a checkpoint after taking its batch, and the log orders
proposals as they are submitted, so commands are applied in the order they came.

The second batch in flight waits ``BATCH_SPACING_S`` after the first: a lone command
leaves at once, a stream of them shares entries instead of making one each. An
entry costs every node a frame, a write and a dispatch, whatever is in it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

import trio

from raftleader import limits
from raftleader.errors import (
    InvalidInputError,
    NotLeaderError,
    OutcomeUnknownError,
    OverloadedError,
    RaftLeaderError,
)
from raftleader.leader.cluster_clock import ClusterClock
from raftleader.leader.figures import Times
from raftleader.leader.tickets import PendingTicket, Settled
from raftleader.protocol.ids import NodeId
from raftleader.replication.interface import ReplicatedLog
from raftleader.state.commands import Command, Entry, encode_entry, encoded_size
from raftleader.state.outcomes import Applied, Refusal, Rejected

BATCHES_IN_FLIGHT = 4
"""Entries proposed and not yet applied: enough to fill the way to a slow disk."""
BATCH_SPACING_S = 0.002
"""Between two batches while one is in flight: about half a commit on a good disk."""
WAITING_BYTES_MAX = 256 * 1024 * 1024
"""Bytes of waiting commands: PROPOSALS_WAITING_MAX of the largest ones is too many."""
QUEUE_TIMEOUT_S = limits.PROPOSE_TIMEOUT_S / 4
"""A command not proposed by then is refused, definitely. The rest of
PROPOSE_TIMEOUT_S belongs to the commit."""


class Proposals:
    """The commands of one term on their way into the log.

    Made when a term begins and closed when it ends; the node's next term has its
    own. ``run`` it once; before that, and after ``close``, nothing is proposed.
    """

    def __init__(
        self,
        log: ReplicatedLog,
        *,
        node_id: NodeId,
        term: int,
        clock: ClusterClock,
        leader: Callable[[], str | None] = lambda: None,
        waiting_max: int = limits.PROPOSALS_WAITING_MAX,
        entry_commands_max: int = limits.ENTRY_COMMANDS_MAX,
        entry_bytes_max: int = limits.ENTRY_BYTES_MAX,
        batches_in_flight: int = BATCHES_IN_FLIGHT,
        spacing_s: float = BATCH_SPACING_S,
        commit_times: Times | None = None,
    ) -> None:
        """``leader`` is asked where a command should go that we cannot take;
        ``commit_times`` are those from proposing an entry until it is applied."""
        self._log = log
        self._node_id = node_id
        self._term = term
        self._clock = clock
        self._leader = leader
        self._waiting_max = waiting_max
        self._entry_commands_max = entry_commands_max
        self._entry_bytes_max = entry_bytes_max
        self._batches_in_flight = batches_in_flight
        self._spacing_s = spacing_s
        self._commit_times = commit_times or Times()
        self._waiting: deque[PendingTicket] = deque()
        self._waiting_bytes = 0
        self._arrived = trio.Event()
        self._turn = trio.Lock()
        self._in_flight: dict[int, list[PendingTicket]] = {}
        self._last_batch_s = float("-inf")
        self._is_closed = False

    def __len__(self) -> int:
        """Commands that wait to be proposed."""
        return len(self._waiting)

    def submit(self, command: Command, told: Settled | None = None) -> PendingTicket:
        """Put a command in the queue. Never blocks.

        ``told`` hears how it ended, from within the task that learns it.
        Raises NotLeaderError once closed, OverloadedError when the queue is full.
        """
        if self._is_closed:
            raise self._not_leader()
        if len(self._waiting) >= self._waiting_max:
            raise OverloadedError(f"{self._waiting_max} commands are waiting")
        size = encoded_size(command)
        if self._waiting and self._waiting_bytes + size > WAITING_BYTES_MAX:
            raise OverloadedError(f"{self._waiting_bytes} bytes are waiting")
        ticket = PendingTicket(command, size, trio.current_time(), told)
        self._waiting.append(ticket)
        self._waiting_bytes += size
        self._arrived.set()
        return ticket

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Propose what is submitted, until cancelled; then ``close``."""
        try:
            async with trio.open_nursery() as nursery:
                for number in range(self._batches_in_flight):
                    nursery.start_soon(self._propose_batches, number)
                nursery.start_soon(self._refuse_the_late)
                task_status.started()
        finally:
            self.close()

    def close(self) -> None:
        """Take no more. What waits was never proposed; what is in flight may be
        committed by the next leader. Idempotent."""
        self._is_closed = True
        waiting, self._waiting = self._waiting, deque()
        self._waiting_bytes = 0
        _settle_all(waiting, self._not_leader)
        in_flight, self._in_flight = self._in_flight, {}
        for batch in in_flight.values():
            _settle_all(batch, partial(OutcomeUnknownError, "leadership was lost"))

    async def _propose_batches(self, number: int) -> None:
        while True:
            async with self._turn:  # fair: workers gather one after the other
                await self._arrived.wait()
                if self._in_flight:
                    await trio.sleep_until(self._last_batch_s + self._spacing_s)
                batch = self._take()
            if not batch:
                continue
            # From the take to the log's own queue there is no checkpoint: another
            # worker cannot overtake us.
            self._in_flight[number] = batch
            proposed_s = trio.current_time()
            try:
                applied = await self._log.propose(
                    self._encode(batch),
                    timeout_s=limits.PROPOSE_TIMEOUT_S - QUEUE_TIMEOUT_S,
                )
            except NotLeaderError:
                _settle_all(batch, self._not_leader)
            except OverloadedError as error:
                _settle_all(batch, partial(OverloadedError, str(error)))
            except OutcomeUnknownError as error:
                _settle_all(batch, partial(OutcomeUnknownError, str(error)))
            except InvalidInputError as error:  # larger than the log can take
                _settle_all(
                    batch, partial(InvalidInputError, error.path, error.problem)
                )
            else:
                assert isinstance(applied, Applied)
                self._commit_times.add(trio.current_time() - proposed_s)
                self._settle_with(batch, applied)
            # Left in place when cancelled: ``close`` then tells them.
            self._in_flight.pop(number, None)

    async def _refuse_the_late(self) -> None:
        while True:
            await trio.sleep(QUEUE_TIMEOUT_S / 4)
            latest = trio.current_time() - QUEUE_TIMEOUT_S
            while self._waiting and self._waiting[0].since_s <= latest:
                ticket = self._pop()
                ticket.settle(OverloadedError("waited too long to be proposed"))

    def _take(self) -> list[PendingTicket]:
        batch: list[PendingTicket] = []
        size = 0
        while self._waiting and len(batch) < self._entry_commands_max:
            size += self._waiting[0].size_bytes
            if batch and size > self._entry_bytes_max:
                break
            batch.append(self._pop())
        if not self._waiting:
            self._arrived = trio.Event()
        self._last_batch_s = trio.current_time()
        return batch

    def _pop(self) -> PendingTicket:
        ticket = self._waiting.popleft()
        self._waiting_bytes -= ticket.size_bytes
        return ticket

    def _settle_with(self, batch: list[PendingTicket], applied: Applied) -> None:
        for ticket, outcome in zip(batch, applied.outcomes, strict=True):
            if isinstance(outcome, Rejected) and outcome.refusal is Refusal.STALE_TERM:
                # Committed, but without effect on any node: it did not happen.
                ticket.settle(self._not_leader())
            else:
                ticket.settle(outcome)

    def _not_leader(self) -> NotLeaderError:
        return NotLeaderError(self._leader())

    def _encode(self, batch: list[PendingTicket]) -> bytes:
        return encode_entry(
            Entry(
                term=self._term,
                node=self._node_id,
                now_ms=self._clock.now_ms(),
                commands=tuple(ticket.command for ticket in batch),
            )
        )


def _settle_all(
    tickets: list[PendingTicket] | deque[PendingTicket],
    make_error: Callable[[], RaftLeaderError],
) -> None:
    """Each with an error of its own: an exception raised twice mixes tracebacks."""
    for ticket in tickets:
        ticket.settle(make_error())
