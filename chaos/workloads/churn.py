"""Many short tasks: most end by themselves, some fail, some are killed."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from chaos.workloads.book import Launch
from chaos.workloads.framework import (
    FALSE,
    NEEDS,
    TRUE,
    FrameworkWorkload,
    room,
    sleep_for,
)
from chaos.workloads.instance import Instance
from chaos.workloads.interface import wait_turn
from raftleader.protocol.ids import TaskId
from raftleader.protocol.offers import Offer
from raftleader.protocol.resources import parse_resources
from raftleader.protocol.scheduler_api import ReconcileTask
from raftleader.protocol.tasks import TaskInfo

ACCEPTS_PER_S = 6.0
TASKS_PER_ACCEPT_MAX = 4
LIVE_MAX = 40
"""Tasks at once; with so many it waits."""
IDLE_REFUSE_S = 1.0
KILL_AFTER_S = 1.5
REVIVES_PER_S = 0.1
SUPPRESSED_S = 0.5
RECONCILES_PER_S = 0.2
OLD_S = 10.0
"""A task that lives so long is asked about."""
TOO_MUCH = parse_resources("cpus:1000;mem:8")

TO_KILL, ENDLESS_S = "kill", 600.0
PURPOSES = (("true", 45), ("sleep", 25), ("false", 10), (TO_KILL, 17), ("large", 3))


class Churn(FrameworkWorkload):
    """Uses an offer several times a second, for a few tasks of different fates."""

    async def load(self, instance: Instance) -> None:
        await instance.revive()
        instance.start_soon(self._change_mood, instance)
        instance.start_soon(self._ask_for_old, instance)
        while True:
            await wait_turn(self.rng, ACCEPTS_PER_S * self.around.pace)
            held = instance.offers_held
            if self.is_settling or not held:
                continue
            wanted = min(
                self.rng.randint(1, TASKS_PER_ACCEPT_MAX),
                LIVE_MAX - len(self.book.tasks),
            )
            if wanted <= 0:
                instance.decline_soon(held, refuse_s=IDLE_REFUSE_S)
                continue
            offer = self.rng.choice(held)
            tasks = self._tasks_for(offer, wanted)
            if tasks:
                self._launch(instance, offer, tasks)
            else:
                instance.decline_soon([offer], refuse_s=IDLE_REFUSE_S)

    def _tasks_for(self, offer: Offer, most: int) -> list[TaskInfo]:
        purposes = self.rng.choices(
            [name for name, _ in PURPOSES],
            [weight for _, weight in PURPOSES],
            k=room(offer, NEEDS, most),
        )
        return [self._task(offer, purpose) for purpose in purposes]

    def _task(self, offer: Offer, purpose: str) -> TaskInfo:
        if purpose == "large":
            return self.new_task(offer, TRUE, needs=TOO_MUCH, note=purpose)
        command = {
            "true": TRUE,
            "false": FALSE,
            TO_KILL: sleep_for(ENDLESS_S),
            "sleep": sleep_for(self.rng.uniform(0.1, 2.0)),
        }[purpose]
        return self.new_task(offer, command, note=purpose)

    def _launch(
        self, instance: Instance, offer: Offer, tasks: Sequence[TaskInfo]
    ) -> None:
        instance.accept_soon([offer], tasks)
        for task in tasks:
            if task.name == TO_KILL:
                instance.start_soon(self._kill_later, instance, task)

    async def _kill_later(self, instance: Instance, task: TaskInfo) -> None:
        """At any moment from right behind the ACCEPT on."""
        is_early = self.rng.random() < 0.25
        await trio.sleep(0 if is_early else self.rng.uniform(0, KILL_AFTER_S))
        while self._is_to_kill(task.task_id):
            agent_id = task.agent_id if self.rng.random() < 0.5 else None
            await instance.kill(task.task_id, agent_id)
            # Of a task it does not know yet the leader says so, and forgets the kill.
            await trio.sleep(KILL_AFTER_S)

    def _is_to_kill(self, task_id: TaskId) -> bool:
        task = self.book.tasks.get(task_id)
        return task is not None and not task.is_ended

    async def _change_mood(self, instance: Instance) -> None:
        while True:
            await wait_turn(self.rng, REVIVES_PER_S * self.around.pace)
            if self.is_settling:
                return
            await instance.suppress()
            await trio.sleep(self.rng.uniform(0, SUPPRESSED_S))
            if self.is_settling:
                return
            await instance.revive()

    async def _ask_for_old(self, instance: Instance) -> None:
        """What an earlier life launched to be killed is killed here."""
        while True:
            await wait_turn(self.rng, RECONCILES_PER_S * self.around.pace)
            oldest_ns = self.recorder.now_ns() - round(OLD_S * 1e9)
            old = [
                task
                for task in self.book.live
                if task.since_ns < oldest_ns and task.launch is not Launch.ASKED
            ]
            if old and not self.is_settling:
                asked = [
                    ReconcileTask(task_id=task.task_id, agent_id=task.agent_id)
                    for task in old
                ]
                await instance.reconcile(asked)
                for task in old:
                    if not task.is_ended:
                        await instance.kill(task.task_id, task.agent_id)
