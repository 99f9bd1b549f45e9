"""What others see of an agent: containers, executors and tasks as they come and go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.config import AgentConfig
from agent.containerizer.fake import FakeContainerizer
from agent.launching import LaunchMaker
from agent.machine.events import ProcessExit, ProcessExited, ProcessStarted
from agent.machine_view import MachineView
from agent.view import AgentView, ContainerState, ExecutorState
from agent.volumes import VolumeStore
from raftleader.protocol.resources import parse_resources
from raftleader.protocol.tasks import (
    CommandInfo,
    ExecutorInfo,
    ExecutorType,
    TaskState,
)

S = TaskState
DEFAULT = ExecutorInfo(
    executor_id="pod",
    type=ExecutorType.DEFAULT,
    name="a pod",
    resources=parse_resources("cpus:0.1;mem:32"),
)
OF_TASK = parse_resources("cpus:1;mem:64")


class Containerizer(FakeContainerizer):
    """Notes which signals it should send."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: list[tuple[Any, int]] = []

    def signal_number_nowait(self, key: Any, number: int) -> None:
        self.numbers.append((key, number))


@pytest.fixture
def view(driver: Any, tmp_path: Path) -> MachineView:
    config = AgentConfig(leaders=("mem://n",), work_dir=tmp_path)
    launches = LaunchMaker(
        config=config,
        machine=driver.machine,
        volumes=VolumeStore(tmp_path / "volumes"),
        address="127.0.0.1:5051",
    )
    return MachineView(
        machine=driver.machine,
        launches=launches,
        containerizer=Containerizer(),
        start_time_s=1.0,
    )


def test_command_task_is_shown_as_an_executor_of_its_own(
    driver: Any, view: AgentView, tmp_path: Path
) -> None:
    command = CommandInfo(value="true", environment=(("MINE", "1"),), user="u")
    driver.run("t", command=command, resources=OF_TASK, data=b"long")
    (container,) = view.containers()
    assert (container.state, container.pid) == (ContainerState.STARTING, None)
    driver.do(ProcessStarted(driver.key("t"), driver.mark(7)))
    (container,) = view.containers()
    assert (container.state, container.pid) == (ContainerState.RUNNING, 7)
    assert (container.parent, container.executor_id) == (None, "t")
    assert container.tasks == ("t",)
    assert container.sandbox == f"{tmp_path}/frameworks/fw/tasks/t"
    assert (container.resources, container.user) == (OF_TASK, "u")
    assert view.find_container(container.container_id) == container
    environment = view.environment_of(container.container_id)
    assert environment is not None
    assert (environment["MINE"], environment["MESOS_TASK_ID"]) == ("1", "t")

    (framework,) = view.frameworks()
    assert (framework.framework_id, framework.info.name) == ("fw", "f")
    (executor,) = framework.executors
    assert executor.is_command_task
    assert executor.state is ExecutorState.RUNNING
    assert [task.state for task in executor.launched] == [S.RUNNING]
    assert executor.launched[0].executor_id == ""
    assert executor.launched[0].info.data is None


def test_ended_task_is_terminated_and_then_completed(
    driver: Any, view: AgentView
) -> None:
    driver.commit_all(driver.run("t"))
    driver.commit_all(driver.do(ProcessStarted(driver.key("t"), driver.mark())))
    exited = ProcessExited(driver.key("t"), ProcessExit(code=0), b"result")
    effects = driver.do(exited)
    (end,) = driver.turns[-1].ends
    assert (end.exit, end.state) == (ProcessExit(code=0), S.FINISHED)
    assert view.containers() == []
    (executor,) = view.frameworks()[0].executors
    assert executor.state is ExecutorState.TERMINATED
    assert [task.state for task in executor.terminated] == [S.FINISHED]

    driver.commit_all(effects)
    (framework,) = view.frameworks()
    assert framework.executors == ()
    (executor,) = framework.completed_executors
    (task,) = executor.completed
    assert [status.state for status in task.statuses] == [
        S.STARTING,
        S.RUNNING,
        S.FINISHED,
    ]
    assert {status.data for status in task.statuses} == {None}


def test_tasks_of_a_group_are_nested_in_their_executor(
    driver: Any, view: MachineView, tmp_path: Path
) -> None:
    driver.run_for("a", "b", executor=DEFAULT, is_group=True, resources=OF_TASK)
    driver.do(ProcessStarted(driver.key("a"), driver.mark(7)))
    run = driver.run_of("pod")

    parent, first, second = view.containers()
    assert (parent.container_id, parent.parent) == (run.container_id, None)
    assert (parent.pid, parent.tasks) == (None, ("a", "b"))
    assert parent.resources == DEFAULT.resources + OF_TASK + OF_TASK
    assert {first.parent, second.parent} == {run.container_id}
    assert first.executor_name == "a pod"
    folder = f"{tmp_path}/frameworks/fw/executors/pod/runs/{run.container_id}"
    assert (parent.sandbox, first.sandbox) == (folder, f"{folder}/tasks/a")
    environment = view.environment_of(parent.container_id)
    assert environment is not None
    assert environment["MESOS_AGENT_ENDPOINT"] == "127.0.0.1:5051"

    (executor,) = view.frameworks()[0].executors
    assert [task.info.task_id for task in executor.queued] == ["b"]
    assert [task.info.task_id for task in executor.launched] == ["a"]
    assert view.signal_container(parent.container_id, 15)
    numbers = view.containerizer.numbers  # type: ignore[attr-defined]
    assert numbers == [(driver.key("a"), 15), (driver.key("b"), 15)]
    assert view.signal_container(first.container_id, 9)
    assert numbers[-1] == (driver.key("a"), 9)
    assert not view.signal_container("nobody", 9)


def test_custom_executor_keeps_its_completed_tasks_after_its_end(
    driver: Any, view: AgentView
) -> None:
    info = ExecutorInfo(executor_id="e", command=CommandInfo(value="run"))
    driver.run_for("a", "b", executor=info, data=b"x")
    run = driver.begin()
    (container,) = view.containers()
    assert (container.container_id, container.pid) == (run.container_id, 70)
    (executor,) = view.frameworks()[0].executors
    assert [task.info.task_id for task in executor.queued] == ["a", "b"]
    assert executor.state is ExecutorState.REGISTERING
    driver.subscribe(run)
    driver.commit_all(driver.say(run, driver.status("a", S.FINISHED)))
    (executor,) = view.frameworks()[0].executors
    assert [task.info.task_id for task in executor.completed] == ["a"]
    assert [task.info.task_id for task in executor.launched] == ["b"]

    effects = driver.commit_all(driver.do(ProcessExited(run, ProcessExit(code=1))))
    assert view.containers() == []
    driver.commit_reports(*driver.reports(effects))
    (framework,) = view.frameworks()
    assert framework.info.user == "u"
    (executor,) = framework.completed_executors
    assert [task.info.task_id for task in executor.completed] == ["a", "b"]
    assert {task.info.data for task in executor.completed} == {None}
    assert view.counters()["tasks_finished"] == 1
    assert view.counters()["executors_terminated"] == 1


def test_end_watchers_come_and_go(view: MachineView) -> None:
    heard: list[Any] = []
    stop = view.watch_ends(heard.append)
    assert len(view.end_watchers) == 1
    stop()
    stop()
    assert view.end_watchers == []
