"""Proposals that wait, and the settings that bound them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trio
from trio.testing import MockClock

from raftleader.errors import ConfigError, OutcomeUnknownError, OverloadedError
from raftleader.replication.pending import PendingProposals, Proposal
from raftleader.replication.settings import RaftSettings


async def test_proposals_are_bounded_by_count_and_by_bytes() -> None:
    pending = PendingProposals(count_max=3, bytes_max=100)
    first = pending.admit(1000)  # alone, it may be larger than the bound
    with pytest.raises(OverloadedError, match="1000 bytes"):
        pending.admit(1)
    first.settle("done")
    for _ in range(3):
        pending.admit(30)
    with pytest.raises(OverloadedError, match="3 proposals"):
        pending.admit(1)
    assert await first.wait(timeout_s=1) == "done"
    assert len(pending) == 3


async def test_proposal_is_settled_once() -> None:
    pending = PendingProposals(count_max=3, bytes_max=100)
    proposal = pending.admit(1)
    proposal.fail(OutcomeUnknownError("first"))
    proposal.settle("too late")
    with pytest.raises(OutcomeUnknownError, match="first"):
        await proposal.wait(timeout_s=1)
    assert len(pending) == 0


async def test_proposal_still_counts_when_nobody_waits_any_more(
    autojump_clock: MockClock,
) -> None:
    pending = PendingProposals(count_max=1, bytes_max=100)
    proposal = pending.admit(1)
    async with running(pending):
        with pytest.raises(OutcomeUnknownError, match="within 2 s"):
            await proposal.wait(timeout_s=2)
    assert trio.current_time() == pytest.approx(2)
    with pytest.raises(OverloadedError):
        pending.admit(1)
    pending.fail_all(lambda: OutcomeUnknownError("stopped"))
    pending.admit(1)


async def test_proposals_end_each_at_its_own_time_in_any_order(
    autojump_clock: MockClock,
) -> None:
    pending = PendingProposals(count_max=100, bytes_max=100)
    ended: list[tuple[str, float]] = []

    async def wait(name: str, start_s: float, timeout_s: float) -> None:
        await trio.sleep(start_s)
        proposal = pending.admit(1)
        if name == "settled":
            proposal.settle(7)
        with suppress(OutcomeUnknownError):
            assert await proposal.wait(timeout_s=timeout_s) == 7
        ended.append((name, round(trio.current_time(), 3)))

    async with running(pending), trio.open_nursery() as nursery:
        nursery.start_soon(wait, "long", 0, 10)
        nursery.start_soon(wait, "short", 1, 2)
        nursery.start_soon(wait, "short, later", 1.5, 2)
        nursery.start_soon(wait, "settled", 2, 2)
        nursery.start_soon(wait, "no time", 4, 0)
    assert ended == [
        ("settled", 2),
        ("short", 3),
        ("short, later", 3.5),
        ("no time", 4),
        ("long", 10),
    ]


async def test_waiter_that_is_cancelled_leaves_the_proposal_as_it_was(
    autojump_clock: MockClock,
) -> None:
    pending = PendingProposals(count_max=100, bytes_max=100)
    proposal = pending.admit(1)
    async with running(pending):
        with trio.move_on_after(1) as scope:
            await proposal.wait(timeout_s=5)
        assert scope.cancelled_caught
        await trio.sleep(9)  # its time is over meanwhile
    assert len(pending) == 1
    proposal.settle("after all")
    assert len(pending) == 0
    assert await proposal.wait(timeout_s=1) == "after all"


async def test_waiters_of_a_long_run_are_forgotten_as_they_are_settled(
    autojump_clock: MockClock,
) -> None:
    pending = PendingProposals(count_max=10, bytes_max=1000)

    async def propose() -> None:
        for _ in range(50):
            proposal = pending.admit(1)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(settle_soon, proposal)
                await proposal.wait(timeout_s=1000)

    async def settle_soon(proposal: Proposal) -> None:
        await trio.sleep(0.1)
        proposal.settle(None)

    async with running(pending), trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(propose)
    assert len(pending.deadlines) <= 10


@asynccontextmanager
async def running(pending: PendingProposals) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pending.deadlines.run)
        yield
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"heartbeat_s": 0.0}, "heartbeat_s must be more than 0"),
        ({"heartbeat_s": 0.1}, "election_timeout_min_s must be more than 3 times"),
        ({"election_timeout_max_s": 0.2}, "election_timeout_max_s must be more than"),
        ({"leader_fallback_s": 0.4}, "leader_fallback_s must be more than"),
        ({"silence_s": 0.5}, "silence_s must be more than 2 times ping_interval_s"),
        ({"entry_bytes_max": 60_000_000}, "entry_bytes_max: a message would exceed"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(
    changes: dict[str, float], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        RaftSettings(**changes)  # type: ignore[arg-type]
