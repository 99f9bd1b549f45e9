"""Tasks that run too long, and what their checks say."""

from __future__ import annotations

import json
from typing import Any

from agent.machine.effects import (
    BeginChecks,
    EndChecks,
    SetAlarm,
    SetTimer,
    Signal,
    SignalTask,
)
from agent.machine.events import (
    CheckReported,
    CompletionOver,
    HealthReported,
    ProcessExit,
    ProcessExited,
    ProcessStarted,
)
from raftleader.protocol.tasks import Reason, Source, TaskState

S = TaskState
HEALTH = b'{"type":"TCP","tcp":{"port":80}}'
CHECK = b'{"type":"COMMAND","command":{"command":{"value":"true"}}}'


def start(driver: Any, task: str = "t", **more: Any) -> list[Any]:
    driver.commit_all(driver.run(task, **more))
    effects: list[Any] = driver.do(ProcessStarted(driver.key(task), driver.mark()))
    return effects


def test_task_says_that_it_is_being_killed(driver: Any) -> None:
    driver.commit_all(start(driver))
    (update,) = driver.updates(driver.kill("t"))
    assert (update.state, update.source) == (S.KILLING, Source.EXECUTOR)
    driver.commit(update)
    assert driver.updates(driver.kill("t", grace_ms=1)) == []


def test_task_that_runs_too_long_is_killed_at_once_and_has_failed(
    driver: Any,
) -> None:
    effects = start(driver, max_completion_ms=2_500)
    key = driver.key("t")
    assert SetAlarm(CompletionOver(key), 2_500) in effects
    driver.commit_all(effects)

    effects = driver.do(CompletionOver(key))
    assert effects == [SignalTask(key, Signal.TERM), SetTimer(key, 0)]
    driver.do(ProcessExited(key, ProcessExit(signal="SIGKILL")))
    end = driver.ends()["t"]
    assert (end.state, end.reason) == (S.FAILED, Reason.MAX_COMPLETION_TIME_REACHED)


def test_task_that_is_being_killed_has_no_maximum_any_more(driver: Any) -> None:
    start(driver, max_completion_ms=2_500)
    driver.kill("t")
    assert driver.do(CompletionOver(driver.key("t"))) == []
    driver.do(ProcessExited(driver.key("t"), ProcessExit(signal="SIGTERM")))
    assert driver.ends()["t"].state is S.KILLED
    assert driver.do(CompletionOver(driver.key("t"))) == []


def test_health_is_reported_and_a_task_that_fails_too_often_is_killed(
    driver: Any,
) -> None:
    effects = start(driver, health_check=HEALTH)
    (begin,) = [e for e in effects if isinstance(e, BeginChecks)]
    assert begin.task.health_check == HEALTH
    driver.commit_all(effects)
    key = driver.key("t")

    effects = driver.do(HealthReported(key, is_healthy=True))
    (update,) = driver.updates(effects)
    assert (update.state, update.healthy) == (S.RUNNING, True)
    assert update.reason is Reason.TASK_HEALTH_CHECK_STATUS_UPDATED
    driver.commit(update)

    effects = driver.do(HealthReported(key, is_healthy=False, is_fatal=True))
    assert SignalTask(key, Signal.TERM) in effects
    assert EndChecks(key) in effects
    assert driver.do(HealthReported(key, is_healthy=True)) == []
    driver.do(ProcessExited(key, ProcessExit(signal="SIGTERM")))
    end = driver.ends()["t"]
    assert (end.state, end.healthy) == (S.KILLED, False)
    assert "health check failed" in (end.message or "")


def test_every_update_of_a_task_with_a_check_says_what_it_found(driver: Any) -> None:
    updates = driver.updates(driver.run("t", check=CHECK))
    updates += driver.updates(driver.commit(*updates))
    effects = driver.do(ProcessStarted(driver.key("t"), driver.mark()))
    updates += driver.updates(effects)
    driver.commit_all(effects)
    found = b'{"command":{"exit_code":3},"type":"COMMAND"}'
    updates += driver.updates(driver.do(CheckReported(driver.key("t"), found)))

    carried = [json.loads(update.carried)["check_status"] for update in updates]
    nothing = {"type": "COMMAND", "command": {}}
    assert carried == [
        nothing,
        nothing,
        {"type": "COMMAND", "command": {"exit_code": 3}},
    ]
    assert updates[-1].reason is Reason.TASK_CHECK_STATUS_UPDATED
    driver.commit(updates[-1])
    effects = driver.do(ProcessExited(driver.key("t"), ProcessExit(code=0)))
    assert EndChecks(driver.key("t")) in effects


def test_running_task_says_where_it_is_reached(driver: Any) -> None:
    (update,) = driver.updates(start(driver))
    network = json.loads(update.carried)["container_status"]["network_infos"]
    assert network == [{"ip_addresses": [{"ip_address": "i"}]}]


def test_task_with_checks_that_cannot_be_done_is_refused(driver: Any) -> None:
    for number, (check, problem) in enumerate(
        [
            (b'{"type":"HTTP"}', "Expecting 'http' to be set"),
            (b'{"type":"TCP","tcp":{"port":0}}', "is not a port"),
            (b"{}", "must specify 'type'"),
        ]
    ):
        (update,) = driver.updates(driver.run(f"h{number}", health_check=check))
        assert (update.state, update.reason) == (S.ERROR, Reason.TASK_INVALID)
        assert problem in (update.message or "")
