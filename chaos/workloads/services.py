"""Long tasks that must stay alive: N copies, and another for each that is lost."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from chaos.workloads.book import OwnTask
from chaos.workloads.framework import (
    NEEDS,
    REFUSE_S,
    FrameworkWorkload,
    room,
    sleep_for,
)
from chaos.workloads.instance import Instance
from chaos.workloads.interface import wait_turn
from raftleader.protocol.offers import Offer
from raftleader.protocol.tasks import TaskState, TaskStatus

COPIES = 6
FOREVER_S = 86_400.0
ROLLS_PER_S = 1.0
"""Every so often a copy is replaced by choice, as in a rolling upgrade."""
ADOPTION_S = 1.0
"""After a restart: until the copies that run have been reported."""
REPORT_S = 1.0
MIND_S = 0.1


class Services(FrameworkWorkload):
    """Keeps COPIES tasks running. Copies on an unreachable agent are replaced; what
    comes back is one too many then, and killed."""

    async def load(self, instance: Instance) -> None:
        await trio.sleep(ADOPTION_S if self.around.life > 1 else 0)
        instance.start_soon(self._report)
        instance.start_soon(self._mind_offers, instance)
        self._fill_up(instance)
        while True:
            await wait_turn(self.rng, ROLLS_PER_S * self.around.pace)
            if self.is_settling:
                continue
            self._fill_up(instance)
            alive = self._alive
            surplus = alive[COPIES:]
            if len(alive) >= COPIES and not surplus:
                surplus = [self.rng.choice(alive)]
            for task in surplus:
                await instance.kill(task.task_id, task.agent_id)

    @property
    def _alive(self) -> list[OwnTask]:
        """Copies that run, or are about to; those on lost agents do not count."""
        return [
            task
            for task in self.book.live
            if not task.is_kill_wanted and task.state is not TaskState.UNREACHABLE
        ]

    def use_offers(self, instance: Instance, offers: Sequence[Offer]) -> None:
        self._fill_up(instance)

    def updated(
        self, instance: Instance, status: TaskStatus, task: OwnTask | None
    ) -> None:
        if status.state.is_terminal and not self.is_settling:
            self._fill_up(instance)

    def is_endless(self, task: OwnTask) -> bool:
        return True

    def _fill_up(self, instance: Instance) -> None:
        if self.is_settling:
            return
        for offer in instance.offers_held:
            wanted = COPIES - len(self._alive)
            count = room(offer, NEEDS, min(wanted, 2)) if wanted > 0 else 0
            if not count:
                instance.decline_soon([offer], refuse_s=REFUSE_S)
                continue
            tasks = [
                self.new_task(offer, sleep_for(FOREVER_S), note="copy")
                for _ in range(count)
            ]
            instance.accept_soon([offer], tasks)

    async def _mind_offers(self, instance: Instance) -> None:
        """Hear of offers while copies are missing, and only then."""
        is_offered: bool | None = None
        while not self.is_settling:
            is_missing = len(self._alive) < COPIES
            if is_missing is not is_offered:
                is_offered = is_missing
                await (instance.revive() if is_missing else instance.suppress())
            await trio.sleep(MIND_S)

    async def _report(self) -> None:
        """How many run, to show in a report how long some were missing."""
        while True:
            running = [t for t in self._alive if t.state is TaskState.RUNNING]
            self.recorder.tell("copies", running=len(running), wanted=COPIES)
            await trio.sleep(REPORT_S)
