"""What a restarted agent makes of its records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent.machine.events import (
    ProcessExit,
    ProcessExited,
    ProcessStarted,
)
from agent.machine.tasks import USED_IDS_MAX, remember_used
from agent.records import Ended, mark_of
from agent.recovery import compacted, recover, recovered_of
from raftleader.protocol.tasks import Reason, TaskState

S = TaskState


def test_restart_fails_what_had_not_ended_and_starts_nothing(
    driver: Any, make_driver: Callable[..., Any]
) -> None:
    driver.run("ran", "was taken")
    driver.do(ProcessStarted(driver.key("ran"), driver.mark()))

    after = make_driver(driver.records)
    updates = {u.task_id: u for u in after.updates(after.join())}
    assert {u.state for u in updates.values()} == {S.FAILED}
    assert {u.reason for u in updates.values()} == {Reason.AGENT_RESTARTED}
    assert "killed what was left" in (updates["ran"].message or "")
    assert "not known" in (updates["was taken"].message or "")
    assert after.turns[0].is_sync_needed
    assert after.starts(after.run("ran", "was taken")) == []


def test_restart_reports_an_end_that_was_not_committed_under_its_uuid(
    driver: Any, make_driver: Callable[..., Any]
) -> None:
    driver.run("t")
    driver.do(ProcessStarted(driver.key("t"), driver.mark()))
    driver.do(ProcessExited(driver.key("t"), ProcessExit(code=0), b"result"))
    (end,) = [r.status for r in driver.records if isinstance(r, Ended)]

    after = make_driver(driver.records)
    assert after.updates(after.join()) == [end]
    again = make_driver(after.records)
    assert again.updates(again.join()) == [end]


def test_restart_remembers_ids_whose_end_is_committed(
    driver: Any, make_driver: Callable[..., Any]
) -> None:
    driver.commit_all(driver.kill("t"))

    after = make_driver(driver.records)
    assert after.updates(after.join()) == []
    assert after.starts(after.run("t")) == []


def test_compaction_keeps_all_that_recovery_reads(driver: Any) -> None:
    driver.run("runs", "taken", "ended")
    driver.do(ProcessStarted(driver.key("runs"), driver.mark()))
    driver.do(ProcessStarted(driver.key("ended"), driver.mark(8)))
    driver.do(ProcessExited(driver.key("ended"), ProcessExit(code=1)))
    for number in range(5_000):
        driver.commit_all(driver.kill(f"gone {number}"))

    found = recover(driver.records)
    portions = list(compacted(found))
    again = recover(record for portion in portions for record in portion)
    assert again == found
    assert list(again.used) == list(found.used)
    assert sum(len(portion) for portion in portions) < 10
    assert recovered_of(driver.machine) == found


def test_used_ids_are_bounded_and_the_oldest_goes_first() -> None:
    used = dict.fromkeys(number.to_bytes(16, "big") for number in range(USED_IDS_MAX))
    new = mark_of(("fw", "t"))  # type: ignore[arg-type]
    remember_used(used, new)

    assert len(used) == USED_IDS_MAX
    assert new in used
    assert (0).to_bytes(16, "big") not in used
