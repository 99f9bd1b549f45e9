"""What happens to tasks: started once, killed for sure, reported in order."""

from __future__ import annotations

from typing import Any

from agent.machine.effects import CancelStart, SetTimer, Signal, SignalTask
from agent.machine.events import (
    GraceOver,
    ProcessExit,
    ProcessExited,
    ProcessStarted,
    StartCancelled,
    StartFailed,
    StopOrdered,
)
from agent.records import EndCommitted, Ended, Started, Taken
from raftleader.protocol.tasks import Reason, TaskState

S = TaskState


def end_well(driver: Any, task: str) -> None:
    """Run a task from launch to the commit of its end."""
    driver.commit_all(driver.run(task))
    driver.commit_all(driver.do(ProcessStarted(driver.key(task), driver.mark())))
    exit_ = ProcessExit(code=0)
    driver.commit_all(driver.do(ProcessExited(driver.key(task), exit_)))


def test_task_is_on_disk_as_taken_before_it_is_started(driver: Any) -> None:
    effects = driver.run("t")

    assert driver.turns[-1].records == [Taken("fw", "t")]
    assert driver.turns[-1].is_sync_needed
    assert driver.starts(effects) == ["t"]
    assert driver.states(effects) == [("t", S.STARTING)]


def test_task_is_started_once_when_its_launch_is_repeated(driver: Any) -> None:
    assert driver.starts(driver.run("t", "t")) == ["t"]
    effects = driver.run("t")

    assert driver.starts(effects) == []
    assert driver.states(effects) == [("t", S.STARTING)]  # answered from memory


def test_task_is_reported_in_order_when_it_runs_and_ends_well(driver: Any) -> None:
    states = []
    effects = driver.run("t")
    states += driver.states(effects)
    effects = driver.commit(*driver.updates(effects))
    effects = driver.do(ProcessStarted(driver.key("t"), driver.mark(7)))
    states += driver.states(effects)
    assert driver.turns[-1].records == [Started("fw", "t", driver.mark(7))]
    assert not driver.turns[-1].is_sync_needed
    driver.commit(*driver.updates(effects))
    effects = driver.do(
        ProcessExited(driver.key("t"), ProcessExit(code=0), b"the result")
    )
    states += driver.states(effects)
    assert driver.turns[-1].is_sync_needed

    (end,) = driver.updates(effects)
    assert driver.turns[-1].records == [Ended("fw", "t", end)]
    assert end.data == b"the result"
    assert (end.agent_id, end.timestamp_ms, end.executor_pid) == ("a1", 1_000, 7)
    assert states == [("t", S.STARTING), ("t", S.RUNNING), ("t", S.FINISHED)]


def test_end_says_what_ended_the_command(driver: Any) -> None:
    driver.run("a", "b")
    for task in ("a", "b"):
        driver.do(ProcessStarted(driver.key(task), driver.mark()))
    driver.do(ProcessExited(driver.key("a"), ProcessExit(code=3)))
    driver.do(ProcessExited(driver.key("b"), ProcessExit(signal="SIGSEGV")))

    ends = [r.status for r in driver.records if isinstance(r, Ended)]
    assert [(e.state, e.message) for e in ends] == [
        (S.FAILED, "Command exited with status 3"),
        (S.FAILED, "Command terminated by signal SIGSEGV"),
    ]
    assert {e.reason for e in ends} == {Reason.COMMAND_EXECUTOR_FAILED}


def test_updates_of_a_task_wait_for_those_before_and_then_travel_together(
    driver: Any,
) -> None:
    starting = driver.updates(driver.run("t"))
    assert (
        driver.updates(driver.do(ProcessStarted(driver.key("t"), driver.mark()))) == []
    )
    exited = ProcessExited(driver.key("t"), ProcessExit(code=0))
    assert driver.updates(driver.do(exited)) == []

    effects = driver.commit(*starting)
    assert driver.states(effects) == [("t", S.RUNNING), ("t", S.FINISHED)]


def test_task_is_forgotten_but_its_id_is_not_when_its_end_is_committed(
    driver: Any,
) -> None:
    end_well(driver, "t")
    assert driver.records[-1] == EndCommitted("fw", "t")
    assert driver.machine.tasks.held == {}

    effects = driver.run("t")
    assert driver.starts(effects) == []
    (update,) = driver.updates(effects)
    assert (update.state, update.reason) == (S.DROPPED, Reason.TASK_INVALID)
    assert driver.kill("t") is not None
    driver.commit(update)
    assert driver.updates(driver.kill("t")) == []


def test_kill_of_a_task_that_never_came_is_answered_and_it_never_starts(
    driver: Any,
) -> None:
    effects = driver.kill("t")
    (update,) = driver.updates(effects)
    assert update.state is S.KILLED
    assert update.reason is Reason.TASK_KILLED_DURING_LAUNCH
    assert driver.turns[-1].is_sync_needed

    assert driver.starts(driver.run("t")) == []
    driver.commit(update)
    assert driver.starts(driver.run("t")) == []


def test_kill_asks_then_forces_when_the_grace_is_over(driver: Any) -> None:
    driver.run("t", kill_grace_ms=700)
    key = driver.key("t")
    driver.do(ProcessStarted(key, driver.mark()))

    assert driver.kill("t") == [SignalTask(key, Signal.TERM), SetTimer(key, 700)]
    assert driver.kill("t") == []  # repeated: the grace does not begin anew
    assert driver.do(GraceOver(key)) == [SignalTask(key, Signal.KILL)]
    driver.do(ProcessExited(key, ProcessExit(signal="SIGKILL")))

    end = driver.records[-1]
    assert isinstance(end, Ended)
    assert end.status.state is S.KILLED
    assert driver.do(GraceOver(key)) == []


def test_kill_with_a_shorter_grace_hurries_a_task_that_is_being_killed(
    driver: Any,
) -> None:
    driver.run("t")
    key = driver.key("t")
    driver.do(ProcessStarted(key, driver.mark()))
    driver.kill("t", grace_ms=60_000)

    assert SetTimer(key, 0) not in driver.kill("t", grace_ms=90_000)
    assert SetTimer(key, 0) in driver.kill("t", grace_ms=0)


def test_kill_takes_back_a_start_that_still_waits(driver: Any) -> None:
    driver.run("t")
    key = driver.key("t")
    assert driver.kill("t") == [CancelStart(key)]
    driver.do(StartCancelled(key))

    end = driver.records[-1]
    assert isinstance(end, Ended)
    assert end.status.state is S.KILLED
    assert end.status.reason is Reason.TASK_KILLED_DURING_LAUNCH


def test_kill_reaches_a_task_that_started_meanwhile(driver: Any) -> None:
    driver.run("t")
    key = driver.key("t")
    driver.kill("t", grace_ms=50)

    effects = driver.do(ProcessStarted(key, driver.mark()))
    assert SignalTask(key, Signal.TERM) in effects
    assert SetTimer(key, 50) in effects


def test_start_that_fails_ends_the_task_with_the_problem(driver: Any) -> None:
    driver.run("t")
    driver.do(StartFailed(driver.key("t"), "no such program"))

    end = driver.records[-1]
    assert isinstance(end, Ended)
    assert end.status.state is S.FAILED
    assert end.status.reason is Reason.CONTAINER_LAUNCH_FAILED
    assert end.status.message == "no such program"


def test_task_that_cannot_be_run_is_an_error_and_never_starts(driver: Any) -> None:
    effects = driver.run("a", unsupported=("container", "health_check"))
    effects += driver.run("b", command=None)

    assert driver.starts(effects) == []
    messages = [(u.state, u.message) for u in driver.updates(effects)]
    assert messages == [
        (S.ERROR, "not supported by this agent: container, health_check"),
        (S.ERROR, "the task has no command"),
    ]


def test_stop_kills_everything_and_takes_nothing_more(driver: Any) -> None:
    driver.run("runs", "waits")
    driver.do(ProcessStarted(driver.key("runs"), driver.mark()))

    effects = driver.do(StopOrdered())
    assert SignalTask(driver.key("runs"), Signal.TERM) in effects
    assert CancelStart(driver.key("waits")) in effects
    assert driver.starts(driver.run("new")) == []
    assert driver.key("new") not in driver.machine.tasks.held
