"""Proposals that wait, and the settings that bound them."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from raftleader.errors import ConfigError, OutcomeUnknownError, OverloadedError
from raftleader.replication.pending import PendingProposals
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
    with pytest.raises(OutcomeUnknownError, match="within 2 s"):
        await proposal.wait(timeout_s=2)
    assert trio.current_time() == pytest.approx(2)
    with pytest.raises(OverloadedError):
        pending.admit(1)
    pending.fail_all(lambda: OutcomeUnknownError("stopped"))
    pending.admit(1)


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
