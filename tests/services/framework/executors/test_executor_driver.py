"""The executor driver against a scripted agent."""

from __future__ import annotations

import uuid

import pytest
import trio

from raftleader.errors import ApiError, UnavailableError
from raftleader.framework.errors import ExecutorEndedError
from raftleader.framework.executors import Executor
from raftleader.framework.nursery import open_plain_nursery
from raftleader.protocol.executor_api import (
    Acknowledged,
    Beat,
    Error,
    Heartbeat,
    KillTask,
    LaunchTask,
    LaunchTaskGroup,
    Message,
    SendMessage,
    Shutdown,
    Update,
)
from raftleader.protocol.tasks import Reason, Source, TaskInfo, TaskState


def task_of(name: str) -> TaskInfo:
    return TaskInfo(name=name, task_id=name, agent_id="a-1")


async def test_events_come_to_their_handlers_in_order(
    autojump_clock, agent, driver_of, recorder, nursery
) -> None:
    await nursery.start(driver_of(recorder).run)
    await trio.sleep(0.1)
    await agent.launch("t-1")
    group = LaunchTaskGroup(tasks=(task_of("t-2"), task_of("t-3")))
    kill = KillTask(task_id="t-1", grace_ms=1500)
    await agent.send(group, Heartbeat(), kill, Message(data=b"\x00hello"))
    await agent.send(Shutdown())
    await trio.sleep(0.1)
    assert recorder.heard == [
        ("registered", "a-1"),
        ("launch", "t-1"),
        ("launch", "t-2"),
        ("launch", "t-3"),
        ("kill", "t-1", 1.5),
        ("message", b"\x00hello"),
        ("shutdown",),
    ]


async def test_update_says_what_mesos_wants_to_hear(
    autojump_clock, agent, driver_of, recorder, nursery
) -> None:
    driver = driver_of(recorder, token="secret")
    await nursery.start(driver.run)
    await trio.sleep(0.1)
    status = await driver.update(
        "t-1", TaskState.FAILED, message="no", reason=Reason.COMMAND_EXECUTOR_FAILED
    )
    await driver.wait_stored()
    (call,) = agent.calls
    assert isinstance(call, Update)
    assert call.status == status
    assert status.source is Source.EXECUTOR
    assert status.executor_id == "e-1"
    assert status.timestamp_ms == 1_700_000_000_000
    assert uuid.UUID(bytes=status.uuid).version == 4
    assert {headers["authorization"] for headers in agent.headers} == {"bearer secret"}
    assert driver.unacknowledged == ()
    driver.stop()


async def test_message_reaches_the_scheduler_and_beats_come_each_half_hour(
    autojump_clock, agent, driver_of, recorder, nursery
) -> None:
    driver = driver_of(recorder)
    await nursery.start(driver.run)
    await driver.send_message(b"\xff")
    await trio.sleep(3601)
    beat = Beat(executor_id="e-1", framework_id="f-1")
    said = SendMessage(executor_id="e-1", framework_id="f-1", data=b"\xff")
    assert agent.calls == [said, beat, beat]
    driver.stop()


async def test_what_was_not_stored_is_told_again_when_the_agent_comes_back(
    autojump_clock, agent, driver_of, recorder, nursery
) -> None:
    driver = driver_of(recorder, is_checkpointed=True)
    await nursery.start(driver.run)
    await trio.sleep(0.1)
    await agent.launch("t-1", "t-2")
    stored = await driver.update("t-1", TaskState.RUNNING)
    await driver.wait_stored()
    agent.is_storing = False
    waiting = await driver.update("t-1", TaskState.FINISHED)
    assert driver.unacknowledged == (waiting,)

    agent.is_up = False
    await agent.crash()
    await trio.sleep(30)
    agent.is_up = agent.is_storing = True
    await driver.wait_stored()
    first, second = agent.subscribes
    assert first.unacknowledged_tasks == first.unacknowledged_updates == ()
    assert [task.task_id for task in second.unacknowledged_tasks] == ["t-2"]
    assert second.unacknowledged_updates == (waiting,)
    assert stored not in second.unacknowledged_updates
    assert len(agent.calls) == 2  # the third time it was told it was in SUBSCRIBE
    await trio.sleep(0.1)
    assert recorder.heard == [
        ("registered", "a-1"),
        ("launch", "t-1"),
        ("launch", "t-2"),
        ("disconnected",),
        ("reregistered", "a-1"),
    ]
    driver.stop()


async def test_update_whose_answer_is_lost_is_in_the_next_subscribe(
    autojump_clock, agent, driver_of, recorder, nursery
) -> None:
    driver = driver_of(recorder, is_checkpointed=True)
    await nursery.start(driver.run)
    await trio.sleep(0.1)
    agent.lose.append("Update")
    status = await driver.update("t-1", TaskState.RUNNING)
    await driver.wait_stored()
    assert agent.subscribes[1].unacknowledged_updates == (status,)
    assert [call.status for call in agent.calls] == [status]
    driver.stop()


async def test_updates_made_without_an_agent_arrive_in_their_order(
    autojump_clock, agent, driver_of, recorder, nursery
) -> None:
    agent.is_up = False
    driver = driver_of(recorder, is_checkpointed=True)
    await nursery.start(driver.run)
    for state in (TaskState.STARTING, TaskState.RUNNING, TaskState.FINISHED):
        nursery.start_soon(driver.update, "t-1", state)
        await trio.sleep(0.01)
    agent.is_up = True
    await driver.wait_stored()
    told = [
        *[status.state for status in agent.subscribes[0].unacknowledged_updates],
        *[call.status.state for call in agent.calls],
    ]
    assert told == [TaskState.STARTING, TaskState.RUNNING, TaskState.FINISHED]
    driver.stop()


async def test_refused_update_raises_with_the_words_of_the_agent(
    autojump_clock, agent, driver_of, recorder, nursery
) -> None:
    driver = driver_of(recorder)
    await nursery.start(driver.run)
    await trio.sleep(0.1)
    agent.refuse["Update"] = (400, "Failed to validate executor::Call: so there")
    with pytest.raises(ApiError, match="so there"):
        await driver.update("t-1", TaskState.RUNNING)
    await driver.wait_stored()
    agent.refuse["Update"] = (503, "Agent has not finished recovery")
    await driver.update("t-1", TaskState.RUNNING)
    assert len(agent.calls) == 1
    driver.stop()


async def test_task_that_is_launched_again_is_not_started_again(
    autojump_clock, agent, driver_of, recorder, nursery
) -> None:
    driver = driver_of(recorder)
    await nursery.start(driver.run)
    await trio.sleep(0.1)
    await agent.launch("t-1", "t-1")
    both = (task_of("t-1"), task_of("t-2"))
    await agent.send(LaunchTaskGroup(tasks=both), LaunchTask(task=task_of("t-2")))
    await trio.sleep(0.1)
    assert recorder.heard[1:] == [("launch", "t-1"), ("launch", "t-2")]
    driver.stop()


async def test_shutdown_ends_run_once_all_is_stored(
    autojump_clock, agent, driver_of, nursery
) -> None:
    class Busy(Executor):
        async def shutdown(self, driver) -> None:
            await driver.update("t-1", TaskState.KILLED)

    agent.is_storing = False
    ended = trio.Event()
    driver = driver_of(Busy(), shutdown_grace_s=5)

    async def run() -> None:
        await driver.run()
        ended.set()

    nursery.start_soon(run)
    await trio.sleep(0.1)
    await agent.send(Shutdown())
    await trio.sleep(2)
    assert not ended.is_set()
    (call,) = agent.calls
    await agent.send(Acknowledged(task_id="t-1", uuid=call.status.uuid))
    await trio.sleep(0.01)
    assert ended.is_set()


async def test_shutdown_ends_run_within_the_grace_period_whatever_handlers_do(
    autojump_clock, agent, driver_of, nursery
) -> None:
    class Stuck(Executor):
        async def launch(self, driver, task) -> None:
            await trio.sleep_forever()

    driver = driver_of(Stuck(), shutdown_grace_s=5)

    async def run() -> None:
        await driver.run()
        ended_s.append(trio.current_time())

    ended_s: list[float] = []
    nursery.start_soon(run)
    await trio.sleep(1)
    await agent.launch("t-1")
    await agent.send(Shutdown())
    await trio.sleep(5)
    (at_s,) = ended_s
    assert 4.5 < at_s < 5.5


async def test_run_ends_at_the_first_loss_without_checkpointing(
    autojump_clock, agent, driver_of, recorder, nursery
) -> None:
    driver = driver_of(recorder)
    await nursery.start(driver.run)
    await trio.sleep(0.1)
    await agent.crash()
    await trio.sleep(0.1)
    assert recorder.heard == [("registered", "a-1"), ("disconnected",), ("shutdown",)]
    assert len(agent.dialled) == 1
    with pytest.raises(UnavailableError):
        await driver.update("t-1", TaskState.KILLED)


async def test_run_ends_when_the_agent_does_not_come_back_in_time(
    autojump_clock, agent, driver_of, recorder
) -> None:
    driver = driver_of(recorder, is_checkpointed=True, backoff_s_max=2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(driver.run)
        await trio.sleep(0.1)
        agent.is_up = False
        await agent.crash()
    assert 898 < trio.current_time() < 901
    assert recorder.heard[-1] == ("shutdown",)
    # 900 s with pauses of up to two seconds.
    assert 700 < len(agent.dialled) < 1100


async def test_agent_that_is_not_ready_is_asked_again(
    autojump_clock, agent, driver_of, recorder, nursery
) -> None:
    driver = driver_of(recorder)
    agent.refuse["Subscribe"] = (503, "Agent has not finished recovery")
    await nursery.start(driver.run)
    await trio.sleep(3)
    assert recorder.heard == [("registered", "a-1")]
    driver.stop()


async def test_refusal_ends_run_with_the_words_of_the_agent(
    autojump_clock, agent, driver_of, recorder
) -> None:
    agent.refuse["Subscribe"] = (400, "Executor cannot be found")
    with pytest.raises(ExecutorEndedError, match="Executor cannot be found"):
        await driver_of(recorder).run()
    assert recorder.heard == [("error", "Executor cannot be found")]


async def test_error_event_ends_run(autojump_clock, agent, driver_of, recorder) -> None:
    with pytest.raises(ExecutorEndedError, match="go away"):
        async with open_plain_nursery() as nursery:
            nursery.start_soon(driver_of(recorder).run)
            await trio.sleep(0.1)
            await agent.send(Error(message="go away"))
    assert recorder.heard == [("registered", "a-1"), ("error", "go away")]


async def test_failure_of_work_begun_with_start_soon_ends_run(
    autojump_clock, agent, driver_of
) -> None:
    class Broken(Executor):
        async def launch(self, driver, task) -> None:
            driver.start_soon(self.work)

        async def work(self) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with open_plain_nursery() as nursery:
            nursery.start_soon(driver_of(Broken()).run)
            await trio.sleep(0.1)
            await agent.launch("t-1")
