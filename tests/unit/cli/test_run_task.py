"""``run``: what is asked for, what is launched, what the end means."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Iterable
from typing import Any, cast

import attrs
import pytest
import trio

from raftleader.cli.run_task import OneTask, RunRequest, run_one_task
from raftleader.errors import ConfigError
from raftleader.framework import SchedulerDriver
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskId
from raftleader.protocol.offers import Offer
from raftleader.protocol.resources import Resources, parse_resources
from raftleader.protocol.tasks import Source, TaskInfo, TaskState, TaskStatus


def request(**changes: Any) -> RunRequest:
    given: dict[str, Any] = {
        "command": ("/bin/echo", "hello"),
        "cpus": 0.5,
        "mem_mb": 64.0,
        "role": "*",
        "name": None,
        "environment": ["A=1", "B=x=y"],
        "timeout_s": None,
    }
    return RunRequest.of(**given | changes)


def offer(number: int, resources: str) -> Offer:
    return Offer(
        id=OfferId(f"o-{number}"),
        framework_id=FrameworkId("f-1"),
        agent_id=AgentId(f"a-{number}"),
        role="*",
        resources=parse_resources(resources),
        agent=AgentInfo(hostname="h", ip=f"10.0.0.{number}", port=5051),
    )


@attrs.define
class FakeDriver:
    """Notes the calls."""

    calls: list[tuple[str, list[OfferId]]] = attrs.field(factory=list)
    tasks: list[TaskInfo] = attrs.field(factory=list)

    async def accept(
        self, offer_ids: Iterable[OfferId], tasks: Iterable[TaskInfo]
    ) -> None:
        self.calls.append(("accept", list(offer_ids)))
        self.tasks.extend(tasks)

    async def decline(self, offer_ids: Iterable[OfferId]) -> None:
        self.calls.append(("decline", list(offer_ids)))

    async def suppress(self) -> None:
        self.calls.append(("suppress", []))


async def test_task_goes_on_the_first_offer_that_suffices() -> None:
    fake = FakeDriver()
    scheduler = OneTask(request(), TaskId("t-1"))
    offers = [
        offer(1, "cpus:0.4;mem:1000"),
        offer(2, "cpus:4;mem:64"),
        offer(3, "cpus:4;mem:64"),
    ]
    await scheduler.offers(cast(SchedulerDriver, fake), offers)
    assert fake.calls == [
        ("decline", ["o-1"]),
        ("accept", ["o-2"]),
        ("suppress", []),
        ("decline", ["o-3"]),
    ]
    (task,) = fake.tasks
    assert task.agent_id == "a-2"
    assert task.resources == Resources.of({"cpus": 500, "mem": 64_000})
    assert task.command is not None
    assert not task.command.shell
    assert task.command.value == "/bin/echo"
    assert task.command.arguments == ("/bin/echo", "hello")
    assert task.command.environment == (("A", "1"), ("B", "x=y"))
    assert task.name == "echo"
    assert scheduler.agent == "10.0.0.2:5051"


async def test_resources_reserved_for_another_role_do_not_suffice() -> None:
    fake = FakeDriver()
    scheduler = OneTask(request(), TaskId("t-1"))
    await scheduler.offers(
        cast(SchedulerDriver, fake), [offer(1, "cpus(web):4;mem(web):64")]
    )
    assert fake.calls == [("decline", ["o-1"])]


async def test_terminal_update_ends_the_run_and_another_one_does_not() -> None:
    fake = cast(SchedulerDriver, FakeDriver())
    scheduler = OneTask(request(), TaskId("t-1"))
    await scheduler.update(fake, status(TaskState.RUNNING, None))
    assert not scheduler.ended.is_set()
    await scheduler.update(fake, status(TaskState.FINISHED, None))
    assert scheduler.ended.is_set()


def status(state: TaskState, message: str | None) -> TaskStatus:
    return TaskStatus(
        task_id=TaskId("t-1"), state=state, source=Source.AGENT, message=message
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"cpus": -1.0}, "--cpus"),
        ({"mem_mb": float("nan")}, "--mem"),
        ({"timeout_s": 0.0}, "--timeout"),
        ({"role": "a b"}, "--role: must not contain white space"),
        ({"environment": ["A"]}, "--env: 'A' is not K=V"),
        ({"environment": ["=A"]}, "--env: '=A' is not K=V"),
    ],
)
def test_flag_that_cannot_be_is_named(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        request(**changes)
    assert str(caught.value).startswith(problem)


@attrs.define
class LostDriver:
    """Subscribes, and then hears of no leader any more: every call waits."""

    scheduler: OneTask
    framework_id: FrameworkId | None = None

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        self.scheduler.agent = "127.0.0.1:1"
        self.scheduler.launched.set()
        os.kill(os.getpid(), signal.SIGINT)
        await trio.sleep_forever()

    async def kill(self, task_id: TaskId) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await trio.sleep_forever()


async def test_second_interrupt_ends_the_run_though_no_leader_hears_the_kill(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "raftleader.cli.run_task.SchedulerDriver",
        lambda leaders, framework, scheduler: LostDriver(scheduler),
    )
    began_s = time.monotonic()
    code = await run_one_task(
        request(), ["127.0.0.1:1"], 5.0, out=io.BytesIO(), err=io.BytesIO()
    )
    assert code == 130
    assert time.monotonic() - began_s < 5
    assert "the cluster ends it" in capsys.readouterr().err
