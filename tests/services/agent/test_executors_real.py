"""Executors as real processes: few, and quick."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from raftleader.protocol.agent_rpc import (
    FromExecutor,
    KeepVolumes,
    ToExecutor,
    VolumeName,
)
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.resource_keys import (
    Reservation,
    ResourceKind,
    VolumeInfo,
    key_of_kind,
)
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import (
    CommandInfo,
    ExecutorInfo,
    ExecutorType,
    Reason,
    Source,
    TaskState,
)

S = TaskState
PROGRAM = Path(__file__).with_name("small_executor.py")


def executor(how: str = "", **more: Any) -> ExecutorInfo:
    line = f"exec {sys.executable} -S {PROGRAM} {how}"
    return ExecutorInfo(
        executor_id="e",
        type=ExecutorType.CUSTOM,
        command=CommandInfo(value=line),
        **more,
    )


def run_folder(world: Any) -> Path:
    (run,) = world.work_dir.glob("frameworks/fw/executors/e/runs/*-*")
    return Path(run)


def events(world: Any) -> list[dict[str, Any]]:
    text = (run_folder(world) / "stdout").read_text()
    return [json.loads(line) for line in text.splitlines()]


async def test_executor_runs_tasks_and_ends_when_it_is_told(world: Any) -> None:
    leader = await world.add_leader()
    async with world.agent(http="127.0.0.1:0"):
        await leader.wait(lambda it: it.links)
        await leader.run(
            "a", None, executor=executor(), data=b"echo $MESOS_EXECUTOR_ID"
        )
        running = await leader.wait_state("a", S.RUNNING)
        finished = await leader.wait_state("a", S.FINISHED)
        await leader.run("b", None, executor=executor(), data=b"exec sleep 60")
        await leader.wait_state("b", S.RUNNING)
        await leader.kill("b")
        killed = await leader.wait_state("b", S.KILLED)
        await leader.say(
            ToExecutor(
                term=1, framework_id=FrameworkId("fw"), executor_id="e", data=b"hello"
            )
        )
        with trio.fail_after(5):
            while "MESSAGE" not in [e["type"] for e in events(world)]:  # noqa: ASYNC110
                await trio.sleep(0.01)
        await leader.shut_down("e")
        report = await leader.wait_report("e")

    assert (running.source, running.executor_id, running.agent_id) == (
        Source.EXECUTOR,
        "e",
        "a1",
    )
    assert running.timestamp_ms == 1_000
    assert running.container_id == run_folder(world).name
    assert finished.message == "rc=0"
    assert killed.message == "rc=-9"
    assert report.status == 3 << 8
    messages = [m.data for m in leader.heard if isinstance(m, FromExecutor)]
    assert messages == [b"e\n", b""]
    heard = events(world)
    first = heard[0]["subscribed"]
    assert first["executor_info"]["executor_id"] == {"value": "e"}
    assert first["framework_info"]["id"] == {"value": "fw"}
    assert first["agent_info"]["id"] == {"value": "a1"}
    assert [e["type"] for e in heard if e["type"] != "ACKNOWLEDGED"] == [
        "SUBSCRIBED",
        "LAUNCH",
        "LAUNCH",
        "KILL",
        "MESSAGE",
        "SHUTDOWN",
    ]
    assert sum(e["type"] == "ACKNOWLEDGED" for e in heard) == 4


async def test_executor_that_does_not_end_is_killed_and_its_tasks_fail(
    world: Any,
) -> None:
    leader = await world.add_leader()
    async with world.agent(http="127.0.0.1:0"):
        await leader.wait(lambda it: it.links)
        info = executor("stubborn", shutdown_grace_ms=100)
        await leader.run("a", None, executor=info, data=b"exec sleep 60")
        await leader.wait_state("a", S.RUNNING)
        await leader.shut_down("e")
        failed = await leader.wait_state("a", S.FAILED)
        report = await leader.wait_report("e")

    assert (failed.source, failed.reason) == (
        Source.AGENT,
        Reason.EXECUTOR_TERMINATED,
    )
    assert report.status == 9
    assert events(world)[-1]["type"] == "SHUTDOWN"


async def test_executor_gets_the_environment_that_mesos_gives(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIBPROCESS_IP", "127.0.0.9")
    monkeypatch.setenv("OF_THE_AGENT", "secret")
    leader = await world.add_leader()
    info = ExecutorInfo(
        executor_id="e",
        command=CommandInfo(value="env", environment=(("MINE", "1"),)),
        shutdown_grace_ms=1_500,
    )
    async with world.agent(http="127.0.0.1:0") as address:
        await leader.wait(lambda it: it.links)
        await leader.run("a", None, executor=info)
        failed = await leader.wait_state("a", S.FAILED)
        report = await leader.wait_report("e")

    assert (failed.message, report.status) == ("Executor terminated", 0)
    folder = run_folder(world)
    assert os.readlink(folder.parent / "latest") == folder.name
    lines = (folder / "stdout").read_text().splitlines()
    environment = dict(line.split("=", 1) for line in lines)
    for name in ("PATH", "PWD", "_", "SHLVL"):
        environment.pop(name, None)
    assert environment == {
        "MINE": "1",
        "LIBPROCESS_IP": "127.0.0.9",
        "LIBPROCESS_PORT": "0",
        "MESOS_FRAMEWORK_ID": "fw",
        "MESOS_EXECUTOR_ID": "e",
        "MESOS_DIRECTORY": str(folder),
        "MESOS_SANDBOX": str(folder),
        "MESOS_SLAVE_ID": "a1",
        "MESOS_SLAVE_PID": f"slave(1)@{address}",
        "MESOS_AGENT_ENDPOINT": address,
        "MESOS_CHECKPOINT": "0",
        "MESOS_HTTP_COMMAND_EXECUTOR": "0",
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "1.5secs",
        "MESOS_ALLOCATION_ROLE": "dev",
    }


async def test_task_group_runs_in_sandboxes_of_its_own_and_ends_together(
    world: Any,
) -> None:
    leader = await world.add_leader()
    info = ExecutorInfo(executor_id="e", type=ExecutorType.DEFAULT)
    line = CommandInfo(
        value="pwd; if [ $MESOS_TASK_ID = b ]; then exit 1; fi; sleep 60"
    )
    async with world.agent():
        await leader.wait(lambda it: it.links)
        await leader.run_all(("a", "b"), line, is_group=True, executor=info)
        failed = await leader.wait_state("b", S.FAILED)
        killed = await leader.wait_state("a", S.KILLED)
        report = await leader.wait_report("e")

    assert failed.message == "Command exited with status 1"
    assert "task b of its group ended as TASK_FAILED" in (killed.message or "")
    assert {failed.executor_id, killed.executor_id} == {"e"}
    assert report.status == 0
    folder = run_folder(world)
    for task in ("a", "b"):
        sandbox = folder / "tasks" / task
        assert (sandbox / "stdout").read_text().strip() == str(sandbox)


async def test_executor_left_over_is_killed_at_the_next_start(world: Any) -> None:
    leader = await world.add_leader()
    crash = trio.CancelScope()
    async with world.agent(http="127.0.0.1:0", crash=crash):
        await leader.wait(lambda it: it.links)
        await leader.run("a", None, executor=executor(), data=b"exec sleep 60")
        await leader.wait_state("a", S.RUNNING)
        task = world.work_dir / "frameworks/fw"
        assert task.exists()
        crash.cancel()
    async with world.agent(http="127.0.0.1:0"):
        await leader.wait(lambda it: it.links)
        failed = await leader.wait_state("a", S.FAILED)
        report = await leader.wait_report("e")

    assert failed.reason is Reason.AGENT_RESTARTED
    assert report.status == -1
    assert os.listdir(world.work_dir / "meta")


def on_volume(volume_id: str, path: str) -> Resources:
    kind = ResourceKind(
        name="disk",
        reservations=(Reservation("DYNAMIC", "dev"),),
        volume=VolumeInfo(volume_id, path),
    )
    return Resources.of({key_of_kind(kind): 64_000})


async def test_volume_outlives_its_tasks_and_goes_when_the_leader_says_so(
    world: Any,
) -> None:
    leader = await world.add_leader()
    async with world.agent(http="127.0.0.1:0"):
        await leader.wait(lambda it: it.links)
        names = tuple(VolumeName(role="dev", id=name) for name in ("v", "w"))
        await leader.say(KeepVolumes(term=1, volumes=names))
        await leader.run(
            "writes",
            CommandInfo(value="echo kept > data/deep/file"),
            resources=on_volume("v", "data/deep"),
        )
        await leader.wait_state("writes", S.FINISHED)
        # The program of a framework sees the volumes of its tasks in its own sandbox.
        await leader.run(
            "reads",
            None,
            executor=executor(),
            data=b"cat there/file",
            resources=on_volume("v", "there"),
        )
        await leader.wait_state("reads", S.FINISHED)
        await leader.wait(lambda it: any(isinstance(m, FromExecutor) for m in it.heard))
        await leader.run(
            "outside", CommandInfo(value="true"), resources=on_volume("w", "../w")
        )
        refused = await leader.wait_state("outside", S.FAILED)
        await leader.say(KeepVolumes(term=1, volumes=names[1:]))
        await leader.run("after", CommandInfo(value="true"))
        await leader.wait_state("after", S.FINISHED)
        await leader.shut_down("e")
        await leader.wait_report("e")

    (message,) = [m for m in leader.heard if isinstance(m, FromExecutor)]
    assert message.data == b"kept\n"
    assert "container path" in (refused.message or "")
    assert refused.reason is Reason.CONTAINER_LAUNCH_FAILED
    volumes = world.work_dir / "volumes"
    assert list(volumes.glob("roles/*/*")) == []
    assert list(volumes.glob("deleted/*")) == []
