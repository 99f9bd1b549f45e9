"""Task groups and the default executor: all or none, and one end for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent.machine.effects import (
    CancelStart,
    Signal,
    SignalTask,
    StartExecutor,
    StartTask,
)
from agent.machine.events import (
    GraceOver,
    ProcessExit,
    ProcessExited,
    ProcessStarted,
    StartCancelled,
    StartFailed,
)
from agent.records import ExecutorTaken, Taken
from agent.recovery import compacted, recover, recovered_of
from raftleader.protocol import executor_api
from raftleader.protocol.tasks import (
    CommandInfo,
    ExecutorInfo,
    ExecutorType,
    Reason,
    Source,
    TaskState,
)

S = TaskState
DEFAULT = ExecutorInfo(executor_id="e", type=ExecutorType.DEFAULT)


def run_group(driver: Any, *tasks: str, **more: Any) -> list[Any]:
    effects: list[Any] = driver.run_for(*tasks, executor=DEFAULT, is_group=True, **more)
    return effects


def start_all(driver: Any, *tasks: str) -> None:
    for number, task in enumerate(tasks):
        driver.do(ProcessStarted(driver.key(task), driver.mark(10 + number)))


def exit_of(driver: Any, task: str, **how: Any) -> list[Any]:
    exit_ = ProcessExit(**(how or {"code": 0}))
    effects: list[Any] = driver.do(ProcessExited(driver.key(task), exit_))
    return effects


def test_group_is_taken_as_one_and_the_agent_runs_its_tasks(driver: Any) -> None:
    effects = run_group(driver, "a", "b")

    run = driver.run_of()
    assert driver.turns[-1].records == [
        ExecutorTaken("fw", "e", run.container_id),
        Taken("fw", "a", "e"),
        Taken("fw", "b", "e"),
    ]
    starts = [e for e in effects if isinstance(e, StartTask)]
    assert [(s.order.task.task_id, s.run) for s in starts] == [("a", run), ("b", run)]
    assert not [e for e in effects if isinstance(e, StartExecutor)]
    updates = driver.updates(effects)
    assert {(u.state, u.source, u.executor_id) for u in updates} == {
        (S.STARTING, Source.EXECUTOR, "e")
    }
    assert run_group(driver, "a", "b") != []  # answered from memory
    assert driver.starts(run_group(driver, "a", "b")) == []


def test_executor_ends_when_the_last_task_of_all_its_groups_has(driver: Any) -> None:
    run_group(driver, "a", "b")
    run_group(driver, "c")
    start_all(driver, "a", "b", "c")
    exit_of(driver, "a")
    exit_of(driver, "c")
    assert driver.machine.executors.rows["fw", "e"].report is None

    exit_of(driver, "b")
    report = driver.machine.executors.rows["fw", "e"].report
    assert (report.status, report.message) == (0, "")
    assert {e.state for e in driver.ends().values()} == {S.FINISHED}


def test_one_failing_task_ends_its_group_and_no_other(driver: Any) -> None:
    run_group(driver, "a", "b", "waits")
    run_group(driver, "other")
    start_all(driver, "a", "b", "other")
    effects = exit_of(driver, "a", code=1)

    assert SignalTask(driver.key("b"), Signal.TERM) in effects
    assert CancelStart(driver.key("waits")) in effects
    assert driver.held("other").kill_message is None
    driver.do(StartCancelled(driver.key("waits")))
    exit_of(driver, "b", signal="SIGTERM")
    ends = driver.ends()
    assert [ends[t].state for t in ("a", "b", "waits")] == [
        S.FAILED,
        S.KILLED,
        S.KILLED,
    ]
    assert "task a of its group ended as TASK_FAILED" in (ends["b"].message or "")
    assert driver.machine.executors.rows["fw", "e"].report is None


def test_one_killed_task_ends_its_group(driver: Any) -> None:
    run_group(driver, "a", "b")
    start_all(driver, "a", "b")
    driver.kill("a", grace_ms=0)
    assert driver.held("b").kill_message is None
    exit_of(driver, "a", signal="SIGTERM")
    assert driver.held("b").kill_message is not None


def test_task_that_cannot_be_started_ends_its_group(driver: Any) -> None:
    run_group(driver, "a", "b")
    start_all(driver, "b")
    driver.do(StartFailed(driver.key("a"), "no such program"))
    assert driver.ends()["a"].reason is Reason.CONTAINER_LAUNCH_FAILED
    assert driver.held("b").kill_message is not None


def test_group_of_which_a_task_was_killed_before_it_came_does_not_run(
    driver: Any,
) -> None:
    driver.kill("a")
    effects = run_group(driver, "a", "b")
    assert driver.starts(effects) == []
    end = driver.ends()["b"]
    assert (end.state, end.reason) == (S.KILLED, Reason.TASK_KILLED_DURING_LAUNCH)
    assert driver.machine.executors.rows == {}


def test_group_does_not_run_when_one_of_its_tasks_cannot(driver: Any) -> None:
    effects = run_group(driver, "a", "b", command=CommandInfo(value=None))
    assert driver.starts(effects) == []
    assert {e.state for e in driver.ends().values()} == {S.ERROR}
    assert driver.machine.executors.rows == {}


def test_shutdown_kills_all_tasks_of_the_default_executor(driver: Any) -> None:
    run_group(driver, "a")
    run_group(driver, "b", kill_grace_ms=50)
    start_all(driver, "a", "b")
    effects = driver.shut_down()
    assert SignalTask(driver.key("a"), Signal.TERM) in effects
    assert SignalTask(driver.key("b"), Signal.TERM) in effects
    assert SignalTask(driver.key("b"), Signal.KILL) in driver.do(
        GraceOver(driver.key("b"))
    )
    exit_of(driver, "a", signal="SIGTERM")
    exit_of(driver, "b", signal="SIGKILL")
    assert {e.state for e in driver.ends().values()} == {S.KILLED}
    assert driver.machine.executors.rows["fw", "e"].report.status == 0


def test_group_for_a_custom_executor_is_handed_over_whole(driver: Any) -> None:
    driver.run_for("a", "b", is_group=True)
    run = driver.begin()
    events = driver.events(driver.subscribe(run))
    assert isinstance(events[1], executor_api.LaunchTaskGroup)
    assert [task.task_id for task in events[1].tasks] == ["a", "b"]


def test_kill_of_one_task_of_a_group_that_waits_ends_the_others(driver: Any) -> None:
    driver.run_for("a", "b", is_group=True)
    driver.kill("a")
    assert {t: e.state for t, e in driver.ends().items()} == {
        "a": S.KILLED,
        "b": S.KILLED,
    }


def test_restart_reports_tasks_then_their_executor_and_starts_nothing(
    driver: Any, make_driver: Callable[..., Any]
) -> None:
    run_group(driver, "a", "b")
    start_all(driver, "a")
    driver.run_for("c", executor=ExecutorInfo(executor_id="own"))
    driver.do(ProcessStarted(driver.run_of("own"), driver.mark(70)))

    found = recover(driver.records)
    portions = list(compacted(found))
    assert recover(record for portion in portions for record in portion) == found
    assert recovered_of(driver.machine) == found

    after = make_driver(driver.records)
    effects = after.join()
    updates = {u.task_id: u for u in after.updates(effects)}
    assert {u.reason for u in updates.values()} == {Reason.AGENT_RESTARTED}
    assert {t: u.executor_id for t, u in updates.items()} == {
        "a": "e",
        "b": "e",
        "c": "own",
    }
    assert after.reports(effects) == []
    effects = after.commit(*updates.values())
    reports = after.reports(effects)
    assert sorted(r.executor_id for r in reports) == ["e", "own"]
    assert {r.status for r in reports} == {-1}

    # Reported again, under the same uuids, until they are committed.
    again = make_driver(after.records)
    assert sorted(again.reports(again.join()), key=lambda r: r.executor_id) == sorted(
        reports, key=lambda r: r.executor_id
    )
    again.commit_reports(*reports)
    assert make_driver(again.records).machine.executors.rows == {}
