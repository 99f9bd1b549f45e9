"""Promise P1 on real processes: what was answered outlives a kill right after it."""

from __future__ import annotations

import random
from pathlib import Path

import attrs
import trio

from raftleader.cli.local_cluster import LocalCluster, local_cluster
from raftleader.cli.local_plan import LocalClusterOptions
from raftleader.framework import Scheduler, SchedulerDriver
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import TaskId
from raftleader.protocol.offers import Offer
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import CommandInfo, TaskInfo, TaskState, TaskStatus

ROUNDS, ACCEPTS = 10, 20
NEEDS = Resources.of({"cpus": 10})


@attrs.define
class Notes(Scheduler):
    """Notes how each task ended, and wakes whoever waits."""

    ends: dict[TaskId, list[TaskState]] = attrs.field(factory=dict)
    changed: trio.Event = attrs.field(factory=trio.Event)

    async def offers(self, driver: SchedulerDriver, offers: object) -> None:
        self._change()

    async def resubscribed(self, driver: SchedulerDriver, event: object) -> None:
        self._change()

    async def update(self, driver: SchedulerDriver, status: TaskStatus) -> None:
        if status.state.is_terminal:
            self.ends.setdefault(status.task_id, []).append(status.state)
            self._change()

    def _change(self) -> None:
        self.changed.set()
        self.changed = trio.Event()


async def take_offer(driver: SchedulerDriver, notes: Notes) -> Offer:
    with trio.fail_after(20):
        while True:
            for offer in driver.outstanding_offers.values():
                if offer.resources.contains(NEEDS):
                    return offer
            await notes.changed.wait()


def task_on(offer: Offer, name: str) -> TaskInfo:
    return TaskInfo(
        name="true",
        task_id=TaskId(name),
        agent_id=offer.agent_id,
        resources=NEEDS,
        command=CommandInfo(value="/bin/true", shell=False, arguments=("true",)),
    )


async def accept_and_kill(
    cluster: LocalCluster, driver: SchedulerDriver, notes: Notes, number: int
) -> list[TaskId]:
    """One round: ACCEPTs that are answered, then SIGKILL of the leader at once."""
    leader = await cluster.wait_ready()
    answered: list[TaskId] = []
    for index in range(ACCEPTS):
        offer = await take_offer(driver, notes)
        task = task_on(offer, f"round-{number}-{index}")
        await driver.accept([offer.id], [task], refuse_s=0)
        answered.append(task.task_id)
    cluster.kill(leader)
    await cluster.wait_dead(leader)
    cluster.restart(leader)
    return answered


async def test_every_answered_accept_survives_the_kill_after_it(
    tmp_path: Path,
) -> None:
    options = LocalClusterOptions(
        folder=tmp_path,
        leaders=3,
        agents=2,
        agent_resources="cpus:4;mem:256",
        log_level="warning",
    )
    notes = Notes()
    answered: list[TaskId] = []
    framework = FrameworkInfo(user="test", name="test", failover_timeout_ms=60_000)
    async with local_cluster(options, rng=random.Random()) as cluster:
        await cluster.wait_ready()
        async with SchedulerDriver(
            cluster.leader_addresses, framework, notes
        ) as driver:
            for number in range(ROUNDS):
                answered += await accept_and_kill(cluster, driver, notes, number)
            with trio.move_on_after(30):
                while len(notes.ends) < len(answered):
                    await notes.changed.wait()
            await driver.teardown()

    assert len(answered) == ROUNDS * ACCEPTS
    assert {task_id: notes.ends.get(task_id) for task_id in answered} == {
        task_id: [TaskState.FINISHED] for task_id in answered
    }
