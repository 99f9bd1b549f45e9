"""Executors of frameworks: begun once, handed their tasks, heard, ended, reported."""

from __future__ import annotations

from typing import Any

from agent.machine.effects import (
    CancelStart,
    CloseStream,
    RunEnded,
    SendEvent,
    SetAlarm,
    SetTimer,
    Signal,
    SignalTask,
    StartExecutor,
)
from agent.machine.events import (
    ExecutorCalled,
    GraceOver,
    ProcessExit,
    ProcessExited,
    ProcessStarted,
    RegistrationOver,
    StartCancelled,
    StartFailed,
    StopOrdered,
    StreamLost,
    Tick,
)
from agent.machine.held import ExecutorState
from agent.records import ExecutorEndCommitted, ExecutorEnded, ExecutorTaken, Taken
from agent.status_updates import RESEND_TICKS
from raftleader.protocol import executor_api
from raftleader.protocol.agent_rpc import (
    FromExecutor,
    NodeHello,
    Registered,
    TaskDigest,
    TaskList,
    TaskListWanted,
    ToExecutor,
    digest_of_executors,
    digest_of_tasks,
)
from raftleader.protocol.ids import AgentId
from raftleader.protocol.tasks import ExecutorInfo, Reason, Source, TaskState

S = TaskState


def launched(event: executor_api.Event) -> list[str]:
    """Ids of the tasks of a LAUNCH or LAUNCH_GROUP."""
    if isinstance(event, executor_api.LaunchTaskGroup):
        return [task.task_id for task in event.tasks]
    assert isinstance(event, executor_api.LaunchTask)
    return [event.task.task_id]


def test_executor_is_on_disk_before_it_is_started_with_its_first_task(
    driver: Any,
) -> None:
    effects = driver.run_for("a", "b")

    run = driver.run_of()
    assert driver.turns[-1].is_sync_needed
    assert driver.turns[-1].records == [
        ExecutorTaken("fw", "e", run.container_id),
        Taken("fw", "a", "e"),
        Taken("fw", "b", "e"),
    ]
    (start,) = [e for e in effects if isinstance(e, StartExecutor)]
    assert (start.run, start.role, start.framework.id) == (run, "dev", "fw")
    assert start.framework.checkpoint
    assert driver.states(effects) == []
    assert len(run.container_id) == 36

    effects = driver.run_for("a", "b")  # repeated
    assert effects == []


def test_tasks_wait_for_the_subscription_and_are_handed_over_in_order(
    driver: Any,
) -> None:
    driver.run_for("a")
    driver.run_for("b", "c", is_group=True)
    run = driver.begin()

    events = driver.events(driver.subscribe(run))
    subscribed = events[0]
    assert isinstance(subscribed, executor_api.Subscribed)
    assert subscribed.container_id == run.container_id
    assert (subscribed.agent_id, subscribed.framework_info.id) == ("a1", "fw")
    assert subscribed.executor_info.executor_id == "e"
    assert [launched(e) for e in events[1:]] == [["a"], ["b", "c"]]
    assert [e.role for e in events] == ["dev"] * 3

    (event,) = driver.events(driver.run_for("d"))
    assert launched(event) == ["d"]


def test_update_is_filled_reported_and_acknowledged(driver: Any) -> None:
    driver.run_for("a")
    run = driver.begin()
    driver.subscribe(run)

    effects = driver.say(run, driver.status("a", S.RUNNING, message="up"))
    (update,) = driver.updates(effects)
    assert (update.agent_id, update.executor_id) == ("a1", "e")
    assert (update.timestamp_ms, update.source) == (1_000, Source.EXECUTOR)
    assert (update.container_id, update.message) == (run.container_id, "up")
    assert driver.events(effects) == [
        executor_api.Acknowledged(task_id="a", uuid=update.uuid)
    ]
    driver.commit(update)

    effects = driver.say(run, driver.status("a", S.FINISHED, 101, data=b"x"))
    (end,) = driver.updates(effects)
    assert driver.turns[-1].is_sync_needed
    assert driver.ends() == {"a": end}
    assert end.data == b"x"


def test_repeated_update_is_acknowledged_and_dropped(driver: Any) -> None:
    driver.run_for("a", "b")
    run = driver.begin()
    driver.subscribe(run)
    running = driver.status("a", S.RUNNING)
    driver.commit_all(driver.say(run, running))
    effects = driver.say(run, running)
    assert driver.updates(effects) == []
    assert len(driver.events(effects)) == 1

    driver.say(run, driver.status("a", S.FINISHED, 101))
    effects = driver.say(run, driver.status("a", S.FAILED, 102))
    assert driver.updates(effects) == []
    assert driver.events(effects) == [
        executor_api.Acknowledged(task_id="a", uuid=(102).to_bytes(16, "big"))
    ]
    assert driver.ends()["a"].state is S.FINISHED


def test_update_that_no_executor_may_make_is_acknowledged_and_dropped(
    driver: Any,
) -> None:
    driver.run_for("a")
    driver.run("command")
    run = driver.begin()
    driver.subscribe(run)
    for number, (task, state) in enumerate(
        [
            ("a", S.GONE_BY_OPERATOR),
            ("a", S.UNREACHABLE),
            ("a", S.UNKNOWN),
            ("nobody", S.RUNNING),
            ("command", S.FINISHED),
        ]
    ):
        effects = driver.say(run, driver.status(task, state, 100 + number))
        assert driver.updates(effects) == []
        assert len(driver.events(effects)) == 1
    assert driver.machine.tasks.counts["invalid_status_updates"] == 5
    assert driver.held("a").state is S.STAGING


def test_update_too_large_for_the_log_loses_its_data_and_the_end_of_its_words(
    driver: Any,
) -> None:
    driver.run_for("a")
    run = driver.begin()
    driver.subscribe(run)
    status = driver.status("a", S.RUNNING, data=b"x" * 65_537, message="m" * 10_000)
    (update,) = driver.updates(driver.say(run, status))
    assert update.data is None
    assert update.message == "m" * 8_192


def test_new_stream_replaces_the_old_and_hears_what_was_lost(driver: Any) -> None:
    driver.run_for("known", "lost", "ran")
    run = driver.begin()
    driver.subscribe(run, 1)
    driver.say(run, driver.status("ran", S.RUNNING))

    missed = driver.status("known", S.RUNNING, 101)
    effects = driver.subscribe(run, 2, tasks=("known",), updates=(missed,))
    assert CloseStream(1) in effects
    sends = [e for e in effects if isinstance(e, SendEvent)]
    assert {e.stream for e in sends} == {2}
    events = [e.event for e in sends]
    assert isinstance(events[0], executor_api.Subscribed)
    assert events[1] == executor_api.Acknowledged(task_id="known", uuid=missed.uuid)
    assert [launched(e) for e in events[2:]] == [["lost"]]
    assert driver.held("known").state is S.RUNNING

    assert driver.do(StreamLost(run, 1)) == []  # the old one: nothing
    driver.do(StreamLost(run, 2))
    assert driver.events(driver.kill("known")) == []  # nobody hears it now
    events = driver.events(driver.subscribe(run, 3, tasks=("known", "lost")))
    assert events[-1] == executor_api.KillTask(task_id="known", grace_ms=None)


def test_kill_is_told_once_and_again_when_its_grace_is_shortened(driver: Any) -> None:
    driver.run_for("a")
    run = driver.begin()
    driver.subscribe(run)

    kill = executor_api.KillTask
    assert driver.events(driver.kill("a")) == [kill(task_id="a", grace_ms=None)]
    assert driver.kill("a") == []
    assert driver.events(driver.kill("a", grace_ms=10)) == [
        kill(task_id="a", grace_ms=10)
    ]
    assert driver.ends() == {}


def test_kill_of_a_task_that_waits_ends_it_and_an_executor_without_any(
    driver: Any,
) -> None:
    driver.run_for("a", "b")
    run = driver.begin()
    driver.kill("a")
    assert driver.ends()["a"].state is S.KILLED
    assert driver.ends()["a"].reason is Reason.TASK_KILLED_DURING_LAUNCH
    effects = driver.kill("b")

    assert SetTimer(run, 5_000) in effects
    assert driver.machine.executors.rows["fw", "e"].state is ExecutorState.TERMINATING
    events = driver.events(driver.subscribe(run))
    assert events == [executor_api.Shutdown()]


def test_kill_of_all_tasks_cancels_an_executor_that_waits_to_be_started(
    driver: Any,
) -> None:
    driver.run_for("a")
    run = driver.run_of()
    assert CancelStart(run) in driver.kill("a")

    driver.do(StartCancelled(run))
    (report,) = [r.report for r in driver.records if isinstance(r, ExecutorEnded)]
    assert report.status == -1


def test_end_of_an_executor_ends_its_tasks_and_is_reported_after_them(
    driver: Any,
) -> None:
    driver.run_for("waits")
    run = driver.begin()
    driver.subscribe(run)
    driver.commit_all(driver.say(run, driver.status("waits", S.RUNNING)))
    driver.do(StreamLost(run, 1))
    driver.run_for("queued")

    effects = driver.do(ProcessExited(run, ProcessExit(code=2)))
    assert RunEnded(run) in effects
    ends = driver.ends()
    assert {e.state for e in ends.values()} == {S.FAILED}
    assert {e.reason for e in ends.values()} == {Reason.EXECUTOR_TERMINATED}
    assert {e.source for e in ends.values()} == {Source.AGENT}
    assert {e.message for e in ends.values()} == {"Executor terminated"}
    assert driver.reports(effects) == []

    first, second = driver.updates(effects)
    assert driver.reports(driver.commit(first)) == []
    (report,) = driver.reports(driver.commit(second))
    assert (report.executor_id, report.status) == ("e", 2 << 8)
    assert report.message == "Executor exited with status 2"


def test_report_is_repeated_until_it_is_committed_and_then_the_id_is_free(
    driver: Any,
) -> None:
    driver.run_for("a")
    run = driver.begin()
    driver.subscribe(run)
    effects = driver.do(ProcessExited(run, ProcessExit(signal="SIGKILL")))
    effects = driver.commit(*driver.updates(effects))
    (report,) = driver.reports(effects)
    assert report.status == 9
    assert driver.reports(driver.do(Tick())) == []
    again = [driver.reports(driver.do(Tick())) for _ in range(RESEND_TICKS)]
    assert again.count([report]) == 1

    # Until then its id takes no more tasks.
    (update,) = driver.updates(driver.run_for("late"))
    assert (update.state, update.reason) == (S.DROPPED, Reason.EXECUTOR_TERMINATED)
    driver.commit(update)

    driver.commit_reports(report)
    assert driver.records[-1] == ExecutorEndCommitted("fw", "e")
    assert driver.machine.executors.rows == {}
    effects = driver.run_for("next")
    (start,) = [e for e in effects if isinstance(e, StartExecutor)]
    assert start.run.container_id != run.container_id
    assert driver.do(GraceOver(run)) == []  # a timer of the earlier run
    assert driver.do(RegistrationOver(run)) == []


def test_executor_that_does_not_subscribe_in_time_is_killed(driver: Any) -> None:
    driver.run_for("a")
    run = driver.run_of()
    effects = driver.do(ProcessStarted(run, driver.mark()))
    assert SetAlarm(RegistrationOver(run), 60_000) in effects

    assert driver.do(RegistrationOver(run)) == [SignalTask(run, Signal.KILL)]
    driver.do(ProcessExited(run, ProcessExit(signal="SIGKILL")))
    end = driver.ends()["a"]
    assert (end.state, end.reason) == (S.FAILED, Reason.EXECUTOR_REGISTRATION_TIMEOUT)
    assert end.message == "Executor did not register within 1mins"


def test_executor_in_time_is_not_killed(driver: Any) -> None:
    driver.run_for("a")
    run = driver.begin()
    driver.subscribe(run)
    assert driver.do(RegistrationOver(run)) == []


def test_executor_that_cannot_be_started_fails_its_tasks(driver: Any) -> None:
    driver.run_for("a", "b")
    effects = driver.do(StartFailed(driver.run_of(), "no such program"))
    ends = driver.ends()
    assert {e.reason for e in ends.values()} == {Reason.CONTAINER_LAUNCH_FAILED}
    assert {e.message for e in ends.values()} == {"no such program"}
    (report,) = driver.reports(driver.commit_all(effects))
    assert report.status == -1


def test_shutdown_is_told_and_forced_when_the_grace_is_over(driver: Any) -> None:
    info = ExecutorInfo(executor_id="e", shutdown_grace_ms=700)
    driver.run_for("a", executor=info)
    run = driver.begin()
    driver.subscribe(run)

    assert driver.shut_down() == [
        SendEvent(1, executor_api.Shutdown()),
        SetTimer(run, 700),
    ]
    assert driver.shut_down() == []  # repeated
    (update,) = driver.updates(driver.run_for("late"))
    assert update.state is S.DROPPED
    # It still may say how its tasks ended.
    driver.say(run, driver.status("a", S.KILLED))
    assert driver.do(GraceOver(run)) == [SignalTask(run, Signal.KILL)]
    driver.do(ProcessExited(run, ProcessExit(signal="SIGKILL")))
    assert driver.ends()["a"].state is S.KILLED


def test_shutdown_of_an_executor_nobody_knows_is_answered_with_its_end(
    driver: Any,
) -> None:
    (report,) = driver.reports(driver.shut_down())
    assert (report.executor_id, report.status) == ("e", -1)
    assert driver.reports(driver.shut_down()) == [report]
    before = len(driver.records)
    driver.commit_reports(report)
    assert len(driver.records) == before
    assert driver.machine.executors.rows == {}


def test_messages_are_passed_on_once_or_lost(driver: Any) -> None:
    driver.run_for("a")
    run = driver.begin()
    to = ToExecutor(term=1, framework_id=run.framework_id, executor_id="e", data=b"x")
    assert driver.hear(to) == []
    driver.subscribe(run)
    assert driver.events(driver.hear(to)) == [executor_api.Message(data=b"x")]
    counts = driver.machine.tasks.counts
    assert counts["valid_framework_messages"] == 1
    assert counts["invalid_framework_messages"] == 1, "nobody heard the first one"

    call = executor_api.SendMessage(executor_id="e", framework_id="fw", data=b"y")
    message = FromExecutor(framework_id="fw", executor_id="e", data=b"y")
    assert driver.sent(driver.do(ExecutorCalled(run, call))) == [message]
    lost = NodeHello(cluster_id="c", node_id="n1", term=1, leading=False)
    driver.hear(lost)
    assert driver.sent(driver.do(ExecutorCalled(run, call))) == []
    driver.hear(NodeHello(cluster_id="c", node_id="n1", term=1, leading=True))
    effects = driver.hear(Registered(term=1, agent_id=AgentId("a1")))
    assert message not in driver.sent(effects)


def test_digest_and_list_name_executors_until_their_end_is_committed(
    driver: Any,
) -> None:
    driver.run_for("a")
    effects = driver.hear(Registered(term=1, agent_id=AgentId("a1")))
    (digest,) = [m for m in driver.sent(effects) if isinstance(m, TaskDigest)]
    assert digest.digest == digest_of_tasks([driver.key("a")])
    assert digest.executors == digest_of_executors([("fw", "e")])  # type: ignore[list-item]
    (held,) = driver.sent(driver.hear(TaskListWanted(term=1)))
    assert isinstance(held, TaskList)
    assert [(e.framework_id, e.executor_id) for e in held.executors] == [("fw", "e")]
    assert [(t.task_id, t.state) for t in held.tasks] == [("a", S.STAGING)]


def test_stop_of_the_agent_shuts_executors_down(driver: Any) -> None:
    driver.run_for("a")
    run = driver.begin()
    driver.subscribe(run)
    effects = driver.do(StopOrdered())
    assert driver.events(effects) == [executor_api.Shutdown()]
    driver.do(ProcessExited(run, ProcessExit(code=0)))
    assert driver.ends()["a"].state is S.KILLED
    assert driver.ends()["a"].message == "its agent was stopped"


def test_subscription_of_a_run_that_is_over_is_dismissed(driver: Any) -> None:
    driver.run_for("a")
    run = driver.begin()
    driver.do(ProcessExited(run, ProcessExit(code=0)))
    assert driver.subscribe(run, 5) == [
        SendEvent(5, executor_api.Shutdown()),
        CloseStream(5),
    ]
