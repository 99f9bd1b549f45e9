"""What workloads that are one framework, with one instance, have in common."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from typing import Any

import trio

from chaos.workloads.book import Launch, OwnTask, TaskBook
from chaos.workloads.instance import Instance
from chaos.workloads.interface import Surroundings
from raftleader.errors import ApiError
from raftleader.framework.errors import FrameworkEndedError
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import TaskId
from raftleader.protocol.offers import Offer
from raftleader.protocol.resources import Resources, parse_resources
from raftleader.protocol.scheduler_api import ReconcileTask, Subscribed
from raftleader.protocol.tasks import CommandInfo, TaskInfo, TaskStatus

FAILOVER_TIMEOUT_MS = 3_600_000
"""Longer than any run: a framework that comes back always finds its tasks."""
NEEDS = parse_resources("cpus:0.01;mem:8")
"""Of a task: agents of two cores and 1 GiB run a hundred."""
BEGIN_AGAIN_S = 1.0
"""After the leader ended us for good, until we come as another framework."""
REFUSE_S = 2.0
"""For offers we have no use for now."""
SETTLE_POLL_S = 0.1
SETTLE_RECONCILE_S = 1.0
"""Between two questions for what is left."""
SETTLE_KILL_S = 3.0
"""Tasks that have not ended by themselves so long after the last launch are killed."""


class FrameworkWorkload:
    """One framework. Kinds override ``load``, and what else they are interested in.

    The framework goes on over deaths of the process under its id. If the leader ends
    it for good that is recorded as ``error``, and another begins.
    """

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self.rng = around.rng
        self.recorder = around.recorder
        self.book = TaskBook()
        self.instance: Instance | None = None
        self.is_settling = False
        self._instances = 0
        self._tasks = 0

    @property
    def roles(self) -> tuple[str, ...]:
        """Of the framework: its own, so that nobody else uses up its share."""
        return (self.around.name,)

    def framework_info(self) -> FrameworkInfo:
        """Who we are, under the id we have."""
        return FrameworkInfo(
            user=getpass.getuser(),
            name=self.around.name,
            id=self.around.state.framework_id,
            roles=self.roles,
            failover_timeout_ms=FAILOVER_TIMEOUT_MS,
            checkpoint=True,
            capabilities=("MULTI_ROLE", "PARTITION_AWARE"),
        )

    def new_instance(self) -> Instance:
        """The next instance, not running yet."""
        self._instances += 1
        return Instance(self, self.around, self._instances)

    # --- Life ---------------------------------------------------------------------

    async def run(self) -> None:
        while True:
            instance = self.new_instance()
            try:
                await instance.run(self.framework_info(), self._load)
            except (FrameworkEndedError, ApiError) as error:
                self.recorder.tell(
                    "error", message=f"the framework was ended: {error}", final=True
                )
                self.around.state.set_framework_id(None)
                self.book = TaskBook()
            await trio.sleep(BEGIN_AGAIN_S)

    async def _load(self, instance: Instance) -> None:
        self.instance = instance
        if self.around.life > 1 or instance.number > 1:
            await instance.reconcile()
        await self.load(instance)
        await trio.sleep_forever()

    async def load(self, instance: Instance) -> None:
        """Keep the cluster busy, as long as ``is_settling`` is False."""
        raise NotImplementedError

    async def settle(self) -> None:
        self.is_settling = True
        began = trio.current_time()
        asked = float("-inf")
        is_confirmed = False
        while not is_confirmed:
            instance, now = self.instance, trio.current_time()
            if instance is None or instance.has_stopped:
                await trio.sleep(SETTLE_POLL_S)
                continue
            if now >= asked + SETTLE_RECONCILE_S:
                asked = now
                await self._give_up_offers(instance)
                is_quiet = not self.book.tasks
                await self._ask_for_rest(instance)
                await trio.sleep(SETTLE_POLL_S)
                # Asked for all, and nothing came: there is nothing.
                is_confirmed = is_quiet and not self.book.tasks
            for task in self.book.live:
                is_late = now >= began + SETTLE_KILL_S
                # Once: a task that lives on after its kill was answered is a finding.
                if (is_late or self.is_endless(task)) and not task.is_kill_wanted:
                    instance.start_soon(instance.kill, task.task_id, task.agent_id)
            await trio.sleep(SETTLE_POLL_S)

    async def _give_up_offers(self, instance: Instance) -> None:
        await instance.suppress()
        if held := instance.offers_held:
            await instance.decline(held, refuse_s=REFUSE_S)

    async def _ask_for_rest(self, instance: Instance) -> None:
        doubtful = self.book_lines(Launch.ACCEPTED, Launch.DOUBTFUL)
        if doubtful:
            await instance.reconcile(doubtful)
        await instance.reconcile()

    def book_lines(self, *launches: Launch) -> list[ReconcileTask]:
        """Tasks whose launch is known so well, as a reconciliation asks for them."""
        return [
            ReconcileTask(task_id=task.task_id, agent_id=task.agent_id)
            for task in self.book.tasks.values()
            if task.launch in launches
        ]

    def is_endless(self, task: OwnTask) -> bool:
        """Whether it must be killed to end; when settling."""
        return False

    def left(self) -> list[dict[str, Any]]:
        return self.book.left()

    def figures(self) -> dict[str, Any]:
        driver = self.instance.driver if self.instance else None
        if driver is None:
            return {}
        statistics = driver.statistics()
        return {
            "framework_id": driver.framework_id,
            "failovers": statistics.failovers,
            "leaderless_s": [round(gap, 3) for gap in statistics.leaderless_s],
            "offers_carried": list(statistics.offers_carried),
            "calls_repeated": statistics.calls_repeated,
        }

    async def end(self) -> None:
        """Nothing: its tasks outlive it."""

    # --- Events of instances ------------------------------------------------------

    def subscribed(self, instance: Instance, event: Subscribed) -> None:
        self.around.state.set_framework_id(event.framework_id)

    async def offered(self, instance: Instance, offers: Sequence[Offer]) -> None:
        if self.is_settling:
            instance.decline_soon(offers, refuse_s=REFUSE_S)
        else:
            self.use_offers(instance, offers)

    def use_offers(self, instance: Instance, offers: Sequence[Offer]) -> None:
        """New offers; they may also wait in ``instance.offers_held``."""

    def updated(
        self, instance: Instance, status: TaskStatus, task: OwnTask | None
    ) -> None:
        """News of a task."""

    # --- For kinds ----------------------------------------------------------------

    def new_task_id(self, note: str = "") -> TaskId:
        """Of no task of any life."""
        self._tasks += 1
        words = (self.around.name, str(self.around.life), str(self._tasks), note)
        return TaskId(".".join(filter(None, words)))

    def new_task(
        self,
        offer: Offer,
        command: CommandInfo,
        *,
        needs: Resources = NEEDS,
        note: str = "",
        task_id: TaskId | None = None,
    ) -> TaskInfo:
        """A task on the offer's agent."""
        return TaskInfo(
            name=note or "task",
            task_id=task_id or self.new_task_id(note),
            agent_id=offer.agent_id,
            resources=needs,
            command=command,
        )


def room(offer: Offer, needs: Resources, most: int) -> int:
    """How many tasks of these needs the offer has room for."""
    count, rest = 0, offer.resources
    while count < most and (less := rest.without(needs)) is not None:
        count, rest = count + 1, less
    return count


def program(path: str, *arguments: str) -> CommandInfo:
    """A program without a shell."""
    return CommandInfo(value=path, shell=False, arguments=(path, *arguments))


def sleep_for(seconds: float) -> CommandInfo:
    """A task that ends well after that time."""
    return program("/bin/sleep", f"{seconds:.2f}")


TRUE = program("/bin/true")
FALSE = program("/bin/false")
