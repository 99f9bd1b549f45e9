"""A framework that ships its executor: an archive, served by the framework itself."""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import trio

from raftleader.framework import Scheduler, SchedulerDriver
from raftleader.httpd.messages import Answer, Request, Response
from raftleader.httpd.server import serve_http
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import TaskId
from raftleader.protocol.offers import Offer
from raftleader.protocol.resources import parse_resources
from raftleader.protocol.tasks import (
    CommandInfo,
    ExecutorInfo,
    ExecutorType,
    TaskInfo,
    TaskState,
    TaskStatus,
    Uri,
)

PROGRAM = Path(__file__).parents[1] / "services/agent/small_executor.py"
SMALL = parse_resources("cpus:0.1;mem:32")


def archive() -> bytes:
    """``small/executor``, as a program that can be started."""
    program = f"#!{sys.executable} -S\n{PROGRAM.read_text()}".encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as file:
        info = tarfile.TarInfo("small/executor")
        info.size, info.mode = len(program), 0o755
        file.addfile(info, io.BytesIO(program))
    return out.getvalue()


@attrs.define(eq=False)
class Shipping(Scheduler):
    """Two tasks for one executor, and one that names what is not there."""

    address: str
    ends: dict[str, TaskStatus] = attrs.field(factory=dict)
    is_launched: bool = False

    async def offers(self, driver: SchedulerDriver, offers: Sequence[Offer]) -> None:
        for offer in offers:
            tasks = () if self.is_launched else self.tasks(offer)
            self.is_launched = True
            await driver.accept([offer.id], tasks)

    def tasks(self, offer: Offer) -> tuple[TaskInfo, ...]:
        executor = ExecutorInfo(
            executor_id="shipped",
            type=ExecutorType.CUSTOM,
            resources=SMALL,
            command=CommandInfo(
                value="exec small/executor", uris=(self.uri("/small.tar.xz"),)
            ),
        )
        command = CommandInfo(value="true", uris=(self.uri("/missing"),))
        return (
            self.task(offer, "one", executor=executor, data=b"true"),
            self.task(offer, "two", executor=executor, data=b"true"),
            self.task(offer, "three", command=command),
        )

    def uri(self, path: str) -> Uri:
        return Uri(value=f"http://{self.address}{path}")

    def task(self, offer: Offer, name: str, **more: Any) -> TaskInfo:
        return TaskInfo(
            name=name,
            task_id=TaskId(name),
            agent_id=offer.agent_id,
            resources=SMALL,
            **more,
        )

    async def update(self, driver: SchedulerDriver, status: TaskStatus) -> None:
        if status.state.is_terminal:
            self.ends[status.task_id] = status
        if len(self.ends) == 3:
            await driver.teardown()


async def test_executor_is_fetched_from_its_framework_and_runs_its_tasks(
    shared_up: Any, nursery: trio.Nursery
) -> None:
    asked: list[str] = []

    def serve(request: Request) -> Answer:
        asked.append(request.path)
        if request.path == "/small.tar.xz":
            return Response(status=200, body=archive())
        return Response(status=404)

    address = await nursery.start(serve_http, serve, "127.0.0.1:0")
    shipping = Shipping(address)
    framework = FrameworkInfo(user="", name="shipping")
    with trio.fail_after(40):
        await SchedulerDriver(shared_up.leaders, framework, shipping).run()

    states = {name: end.state for name, end in shipping.ends.items()}
    assert states == {
        "one": TaskState.FINISHED,
        "two": TaskState.FINISHED,
        "three": TaskState.FAILED,
    }
    problem = shipping.ends["three"].message or ""
    assert problem.endswith("received HTTP return code 404")
    assert sorted(asked) == ["/missing", "/small.tar.xz"]
