"""What an agent does besides running commands, from ACCEPT to the last update: task
groups, health checks, checks, and a limit of time."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import attrs
import trio

from raftleader.framework import Scheduler, SchedulerDriver
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import TaskId
from raftleader.protocol.offers import Launch, LaunchGroup, Offer
from raftleader.protocol.resources import parse_resources
from raftleader.protocol.scheduler_api import Failure
from raftleader.protocol.tasks import (
    CommandInfo,
    ExecutorInfo,
    ExecutorType,
    Reason,
    TaskInfo,
    TaskState,
    TaskStatus,
)

S = TaskState
SMALL = parse_resources("cpus:0.1;mem:16")
PROBE = {"delay_seconds": 0, "interval_seconds": 0.05, "timeout_seconds": 5}


def task(offer: Offer, name: str, line: str, **more: Any) -> TaskInfo:
    return TaskInfo(
        name=name,
        task_id=TaskId(name),
        agent_id=offer.agent_id,
        resources=SMALL,
        command=CommandInfo(value=line),
        **more,
    )


@attrs.define(eq=False)
class Kinds(Scheduler):
    """Launches one of each kind on its first offer; ends when all have ended."""

    statuses: dict[str, list[TaskStatus]] = attrs.field(
        factory=lambda: defaultdict(list)
    )
    failures: list[Failure] = attrs.field(factory=list)
    is_launched: bool = False

    async def offers(self, driver: SchedulerDriver, offers: Sequence[Offer]) -> None:
        for offer in offers:
            if self.is_launched:
                await driver.decline([offer.id])
                continue
            self.is_launched = True
            group = self.group(driver, offer)
            operations = (group, Launch(tasks=self.tasks(offer)))
            await driver.accept([offer.id], operations=operations)

    def group(self, driver: SchedulerDriver, offer: Offer) -> LaunchGroup:
        executor = ExecutorInfo(
            executor_id="pod",
            framework_id=driver.framework_id,
            type=ExecutorType.DEFAULT,
            resources=parse_resources("cpus:0.1;mem:32;disk:10"),
        )
        tasks = (
            task(offer, "works", "echo $MESOS_EXECUTOR_ID > task.result; sleep 60"),
            task(offer, "fails", "sleep 0.3; exit 4"),
        )
        return LaunchGroup(executor=executor, tasks=tasks)

    def tasks(self, offer: Offer) -> tuple[TaskInfo, ...]:
        health = PROBE | {
            "type": "COMMAND",
            "command": {"value": "test ! -e sick"},
            "consecutive_failures": 2,
            "grace_period_seconds": 0,
        }
        check = PROBE | {"type": "COMMAND", "command": {"command": {"value": "exit 7"}}}
        return (
            task(offer, "long", "sleep 60", max_completion_ms=200),
            task(
                offer,
                "sick",
                "sleep 0.4; touch sick; sleep 60",
                health_check=json.dumps(health).encode(),
            ),
            task(offer, "seven", "sleep 0.5", check=json.dumps(check).encode()),
        )

    async def update(self, driver: SchedulerDriver, status: TaskStatus) -> None:
        self.statuses[status.task_id].append(status)
        await self._end(driver)

    async def failure(self, driver: SchedulerDriver, event: Failure) -> None:
        self.failures.append(event)
        await self._end(driver)

    async def _end(self, driver: SchedulerDriver) -> None:
        ends = [s[-1].state.is_terminal for s in self.statuses.values()]
        if len(ends) == 5 and all(ends) and self.failures:
            await driver.teardown()


async def test_every_kind_of_task_ends_as_it_should(shared_up: Any) -> None:
    framework = FrameworkInfo(
        user="", name="kinds", capabilities=("TASK_KILLING_STATE", "PARTITION_AWARE")
    )
    kinds = Kinds()
    with trio.fail_after(40):
        await SchedulerDriver(shared_up.leaders, framework, kinds).run()

    ends = {name: statuses[-1] for name, statuses in kinds.statuses.items()}
    assert {name: end.state for name, end in ends.items()} == {
        "works": S.KILLED,
        "fails": S.FAILED,
        "long": S.FAILED,
        "sick": S.KILLED,
        "seven": S.FINISHED,
    }
    assert ends["works"].data == b"pod\n"
    assert [s.state for s in kinds.statuses["works"]] == [
        S.STARTING,
        S.RUNNING,
        S.KILLING,
        S.KILLED,
    ]
    (failure,) = kinds.failures
    assert (failure.executor_id, failure.status) == ("pod", 0)
    assert ends["long"].reason is Reason.MAX_COMPLETION_TIME_REACHED
    healths = [s.healthy for s in kinds.statuses["sick"] if s.healthy is not None]
    assert (healths[0], healths[-1]) == (True, False)
    found = [json.loads(s.carried or b"{}") for s in kinds.statuses["seven"]]
    assert {"type": "COMMAND", "command": {"exit_code": 7}} in [
        each.get("check_status") for each in found
    ]
