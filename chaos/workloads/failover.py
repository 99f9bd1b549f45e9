"""A framework whose scheduler is replaced again and again, in the middle of ACCEPTs.

The next instance subscribes under the same framework id, either while the last one is
there still, which the leader then ends, or after that one has gone without a word. It
repeats some of the calls that were on their way, as they were: a task may be launched
once at most, whoever was answered.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import trio

from chaos.workloads.book import Launch
from chaos.workloads.framework import (
    BEGIN_AGAIN_S,
    NEEDS,
    TRUE,
    FrameworkWorkload,
    room,
    sleep_for,
)
from chaos.workloads.instance import Instance, is_taken_over
from chaos.workloads.interface import Surroundings, wait_turn
from raftleader.errors import ApiError, RaftLeaderError
from raftleader.framework.errors import FrameworkEndedError
from raftleader.protocol.offers import Offer
from raftleader.protocol.scheduler_api import ReconcileTask
from raftleader.protocol.tasks import TaskInfo

LIFE_S = (1.5, 5.0)
"""Of an instance, shortest and longest."""
OVERLAP_S = 2.0
"""An instance that the leader has not ended by then leaves by itself."""
ACCEPTS_PER_S = 5.0
LIVE_MAX = 16
BURST = 3
"""ACCEPTs sent right before an instance is replaced."""
BURST_S_MAX = 0.02
REPEATS = 0.7


@attrs.frozen
class SentAccept:
    """An ACCEPT whose answer its instance did not live to hear."""

    offers: Sequence[Offer]
    tasks: Sequence[TaskInfo]


class Failover(FrameworkWorkload):
    """Short tasks, by instances that live for seconds."""

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)
        self._sent: list[SentAccept] = []
        self._failures: list[RaftLeaderError] = []

    async def run(self) -> None:
        while True:
            async with trio.open_nursery() as nursery:
                await self._succeed_each_other(nursery)
                nursery.cancel_scope.cancel()
            await trio.sleep(BEGIN_AGAIN_S)

    async def _succeed_each_other(self, nursery: trio.Nursery) -> None:
        """Until the framework is ended for good."""
        last: Instance | None = None
        while True:
            instance = self.new_instance()
            if last is not None:
                await self._prepare_end(last)
            nursery.start_soon(self._run_instance, instance)
            await instance.begun.wait()
            if self.around.state.framework_id is None:
                return
            if last is not None:
                nursery.start_soon(self._see_off, last)
            self.instance = last = instance
            with trio.move_on_after(self.rng.uniform(*LIFE_S) / self.around.pace):
                await instance.ended.wait()
            if self.is_settling:
                await instance.ended.wait()

    async def _prepare_end(self, last: Instance) -> None:
        """Send a burst; every second time the sender is gone with it."""
        if last.has_stopped or self.is_settling:
            return
        for offer in last.offers_held[:BURST]:
            self._launch(last, offer)
        await trio.sleep(self.rng.uniform(0, BURST_S_MAX))
        if self.rng.random() < 0.5:
            last.stop()

    async def _see_off(self, last: Instance) -> None:
        with trio.move_on_after(OVERLAP_S):
            await last.ended.wait()
        if not last.has_stopped:
            last.stop()

    async def _run_instance(self, instance: Instance) -> None:
        try:
            await instance.run(self.framework_info(), self._load)
        except (FrameworkEndedError, ApiError) as error:
            if not is_taken_over(error):
                self.recorder.tell(
                    "error", message=f"the framework was ended: {error}", final=True
                )
                self.around.state.set_framework_id(None)

    async def _load(self, instance: Instance) -> None:
        """Begin with what the last one left, and launch."""
        await instance.reconcile()
        await self._repeat(instance)
        await instance.revive()
        while True:
            await wait_turn(self.rng, ACCEPTS_PER_S * self.around.pace)
            held = instance.offers_held
            if held and not self.is_settling:
                self._launch(instance, self.rng.choice(held))

    async def _repeat(self, instance: Instance) -> None:
        sent, self._sent = self._sent, []
        unasked: list[ReconcileTask] = []
        for accept in sent:
            if self.rng.random() < REPEATS:
                await instance.accept(accept.offers, accept.tasks)
                continue
            self.book.doubted(task.task_id for task in accept.tasks)
            unasked += [
                ReconcileTask(task_id=task.task_id, agent_id=task.agent_id)
                for task in accept.tasks
            ]
        if unasked:
            await instance.reconcile(unasked)

    def _launch(self, instance: Instance, offer: Offer) -> None:
        count = room(offer, NEEDS, min(2, LIVE_MAX - len(self.book.tasks)))
        if not count:
            instance.decline_soon([offer], refuse_s=0.5)
            return
        commands = [TRUE, sleep_for(self.rng.uniform(0.1, 1.0))]
        tasks = [self.new_task(offer, self.rng.choice(commands)) for _ in range(count)]
        instance.accept_soon([offer], tasks, and_then=self._note_unanswered)

    def _note_unanswered(
        self, offers: Sequence[Offer], tasks: Sequence[TaskInfo]
    ) -> None:
        known = [self.book.tasks.get(task.task_id) for task in tasks]
        if any(task and task.launch is not Launch.ACCEPTED for task in known):
            self._sent.append(SentAccept(offers, tasks))
