"""Group commit over a log that does as told."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from raftleader.errors import (
    NotLeaderError,
    OutcomeUnknownError,
    OverloadedError,
    RaftLeaderError,
)
from raftleader.leader.cluster_clock import ClusterClock
from raftleader.leader.proposals import Proposals
from raftleader.state.commands import DisconnectFramework, Entry, decode_entry
from raftleader.state.outcomes import Accepted, Applied, Refusal, Rejected, Touched


class FakeLog:
    """Commits after ``delay_s``, or raises ``error``."""

    def __init__(self) -> None:
        self.delay_s = 0.01
        self.error: RaftLeaderError | None = None
        self.refusal: Refusal | None = None
        self.entries: list[Entry] = []
        self.in_flight = self.in_flight_max = 0

    async def propose(self, data: bytes, *, timeout_s: float) -> object:
        if self.error is not None:
            await trio.lowlevel.checkpoint()
            raise self.error
        entry = decode_entry(data)
        self.entries.append(entry)
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight, self.in_flight_max)
        try:
            with trio.move_on_after(timeout_s) as scope:
                await trio.sleep(self.delay_s)
        finally:
            self.in_flight -= 1
        if scope.cancelled_caught:
            raise OutcomeUnknownError("too slow")
        outcome = Rejected(refusal=self.refusal) if self.refusal else Accepted()
        return Applied(
            index=len(self.entries),
            outcomes=(outcome,) * len(entry.commands),
            touched=Touched(),
        )


def command(number: int) -> DisconnectFramework:
    return DisconnectFramework(framework_id="f", subscription=number)


def make(log: FakeLog, **limits) -> Proposals:
    clock = ClusterClock(monotonic_s=trio.current_time, wall_ms=lambda: 1_000)
    return Proposals(
        log, node_id="n1", term=3, clock=clock, leader=lambda: "h:1", **limits
    )


async def test_a_lone_command_is_one_entry_of_this_term(autojump_clock, nursery):
    log = FakeLog()
    proposals = make(log)
    await nursery.start(proposals.run)
    began = trio.current_time()
    assert await proposals.submit(command(1)).wait() == Accepted()
    assert trio.current_time() - began == pytest.approx(0.01)
    (entry,) = log.entries
    assert (entry.term, entry.node, entry.commands) == (3, "n1", (command(1),))


async def test_commands_share_entries_and_keep_their_order(autojump_clock, nursery):
    log = FakeLog()
    proposals = make(log)
    await nursery.start(proposals.run)
    tickets = []
    for number in range(400):
        tickets.append(proposals.submit(command(number)))
        if number % 10 == 0:
            await trio.sleep(0.0003)
    for ticket in tickets:
        await ticket.wait()
    sent = [c.subscription for entry in log.entries for c in entry.commands]
    assert sent == list(range(400))
    assert len(log.entries) < 20
    assert 1 < log.in_flight_max <= 4
    stamps = [entry.now_ms for entry in log.entries]
    assert stamps == sorted(stamps)


async def test_a_batch_is_bounded_by_count_and_bytes(autojump_clock, nursery):
    log = FakeLog()
    proposals = make(log, entry_commands_max=3)
    await nursery.start(proposals.run)
    await trio.testing.wait_all_tasks_blocked()
    for number in range(7):
        last = proposals.submit(command(number))
    await last.wait()
    assert [len(entry.commands) for entry in log.entries] == [3, 3, 1]

    log.entries.clear()
    small = make(log, entry_bytes_max=10)
    await nursery.start(small.run)
    tickets = [small.submit(command(number)) for number in range(2)]
    for ticket in tickets:
        await ticket.wait()
    assert [len(entry.commands) for entry in log.entries] == [1, 1]


async def test_a_full_queue_refuses_definitely(autojump_clock):
    proposals = make(FakeLog(), waiting_max=2)
    proposals.submit(command(1))
    proposals.submit(command(2))
    with pytest.raises(OverloadedError) as caught:
        proposals.submit(command(3))
    assert caught.value.definite
    assert len(proposals) == 2


async def test_a_command_that_waits_too_long_is_refused_definitely(
    autojump_clock, nursery
):
    log = FakeLog()
    log.delay_s = 60
    proposals = make(log, batches_in_flight=1)
    await nursery.start(proposals.run)
    first = proposals.submit(command(1))
    await trio.sleep(0.1)
    second = proposals.submit(command(2))
    began = trio.current_time()
    with pytest.raises(OverloadedError):
        await second.wait()
    assert 1.0 <= trio.current_time() - began <= 1.3
    with pytest.raises(OutcomeUnknownError):
        await first.wait()
    assert trio.current_time() <= 4.0
    assert len(log.entries) == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotLeaderError("n2"), NotLeaderError),
        (OverloadedError("full"), OverloadedError),
        (OutcomeUnknownError("lost"), OutcomeUnknownError),
    ],
)
async def test_errors_of_the_log_reach_each_ticket_as_its_own(
    autojump_clock, nursery, error, kind
):
    log = FakeLog()
    log.error = error
    proposals = make(log)
    await nursery.start(proposals.run)
    tickets = [proposals.submit(command(number)) for number in range(2)]
    seen = []
    for ticket in tickets:
        with pytest.raises(kind) as caught:
            await ticket.wait()
        seen.append(caught.value)
    assert seen[0] is not seen[1]
    log.error = None
    assert await proposals.submit(command(3)).wait() == Accepted()


async def test_a_batch_of_a_stale_term_did_not_happen(autojump_clock, nursery):
    log = FakeLog()
    log.refusal = Refusal.STALE_TERM
    proposals = make(log)
    await nursery.start(proposals.run)
    with pytest.raises(NotLeaderError) as caught:
        await proposals.submit(command(1)).wait()
    assert caught.value.leader == "h:1"


async def test_at_the_end_of_a_term_what_waits_is_definite_and_what_flies_unknown(
    autojump_clock, nursery
):
    log = FakeLog()
    log.delay_s = 2
    proposals = make(log, batches_in_flight=1)
    told = []
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as inner:
            await inner.start(proposals.run)
            flying = proposals.submit(command(1), told.append)
            await trio.sleep(0.1)
            waiting = proposals.submit(command(2), told.append)
            scope.cancel()
    with pytest.raises(OutcomeUnknownError):
        await flying.wait()
    with pytest.raises(NotLeaderError):
        await waiting.wait()
    assert {type(error) for error in told} == {OutcomeUnknownError, NotLeaderError}
    with pytest.raises(NotLeaderError):
        proposals.submit(command(3))
