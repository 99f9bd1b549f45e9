"""A framework of the simulated cluster: the real client library, with habits."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import attrs
import trio

from chaos.sim.whole.history import History
from chaos.sim.whole.http import HttpNetwork
from chaos.sim.whole.instance import Instance
from chaos.sim.whole.lives import Lives
from chaos.sim.whole.processes import Process
from raftleader.errors import ApiError, RaftLeaderError
from raftleader.framework.driver import SchedulerDriver
from raftleader.framework.handlers import Scheduler
from raftleader.protocol.ids import FrameworkId, OfferId, TaskId
from raftleader.protocol.offers import Launch, LaunchGroup, Offer
from raftleader.protocol.resources import Resources
from raftleader.protocol.scheduler_api import Subscribed
from raftleader.protocol.tasks import (
    CommandInfo,
    ExecutorInfo,
    ExecutorType,
    TaskInfo,
    TaskState,
    TaskStatus,
)

APPETITE_S = 7.0
"""Mean time between two moments at which a framework wants to start more tasks..."""
APPETITE_MAX = 4
"""... so many, at most."""
TASK_S_MAX = 5.0
SHORT_S_MAX = 0.2
SHORT_PROBABILITY = 0.3
"""Of a task to be over before its launch is confirmed, where the network is bad."""
HOWS = ("ok", "ok", "ok", "ok", "fail", "stubborn", "broken")
WANTED_MAX = 10
"""More it never wants at once: it would only wait longer for the offers."""
REFUSE_S = (1.0, 2.0, 4.0, 90.0)
GROUP_PROBABILITY = 0.25
"""Chance for several tasks to be started as a group, in a default executor..."""
POD_REUSED_PROBABILITY = 0.3
"""... and for that to be one of an id that was used before, perhaps still is."""
OF_POD = Resources.of({"cpus": 100, "mem": 32_000, "disk": 10_000})
RAN = (TaskState.FINISHED, TaskState.FAILED, TaskState.KILLED)


@attrs.frozen(kw_only=True)
class Habits:
    """What a framework does beside launching tasks.

    Attributes:
        is_accepting_twice: It repeats every ACCEPT, as if its answer had been lost.
        is_returning: It comes back after a crash, under its id.
        hold_probability: Chance to leave an offer unanswered.
        kill_probability: Chance to kill a task that it hears is running.
    """

    is_accepting_twice: bool = False
    is_returning: bool = True
    failover_timeout_s: float = 3600.0
    hold_probability: float = 0.15
    kill_probability: float = 0.1


@attrs.define(eq=False, kw_only=True)
class SimulatedFramework(Scheduler):
    """One framework over all its lives; it remembers what it was told.

    Attributes:
        id: As the first SUBSCRIBED gave it.
        wanted: Tasks it still wants to start.
        ended: Newest terminal state by task id.
    """

    name: str
    leaders: Sequence[str]
    http: HttpNetwork
    history: History
    habits: Habits
    rng: random.Random
    make_process: Callable[[str], Process]
    on_subscribed: Callable[[SimulatedFramework], None]
    id: FrameworkId | None = None
    wanted: int = 0
    is_growing: bool = True
    ended: dict[str, TaskState] = attrs.field(factory=dict)
    subscriptions: int = 0
    instances: list[Instance] = attrs.field(factory=list, init=False)
    _nursery: trio.Nursery = attrs.field(init=False)
    _tasks_named: int = attrs.field(default=0, init=False)
    _pods_named: int = attrs.field(default=0, init=False)
    _launched: dict[str, None] = attrs.field(factory=dict, init=False)

    def begin(self, nursery: trio.Nursery) -> None:
        """Its lives go on in ``nursery``."""
        self._nursery = nursery
        self._add_instance()

    def _add_instance(self) -> None:
        count = len(self.instances)
        host = f"{self.name}.{count}" if count else self.name
        self.instances.append(
            Instance(self, host, self.make_process(host), self._nursery)
        )

    @property
    def lives(self) -> Lives:
        """Of the newest instance."""
        return self.instances[-1].lives

    @property
    def driver(self) -> SchedulerDriver | None:
        """Of the newest instance."""
        return self.instances[-1].driver

    async def crash(self) -> None:
        """Its process dies; its tasks go on."""
        await self.instances[-1].crash()

    async def fail_over(self) -> None:
        """A second instance, elsewhere, takes its place; the first finds out."""
        self._add_instance()
        await self.lives.start()

    def hang(self, seconds: float) -> None:
        """It does nothing for so long, and reads nothing."""
        until_s = self.history.clock.now_s + seconds
        self.instances[-1].process.stop_until(until_s)

    @property
    def unfinished(self) -> list[str]:
        """What it still waits for, in words."""
        found = [f"{self.name} wants {self.wanted} more tasks"] if self.wanted else []
        return found + [
            f"task {task} has not ended"
            for task in sorted(self._launched.keys() - self.ended.keys())
        ]

    async def finish(self, more: int) -> None:
        """Start so many more tasks, and no others; forget all filters."""
        self.is_growing = False
        self.wanted = more
        while self.lives.is_up:
            try:
                if self.driver is not None:
                    await self.driver.revive()
                    return
            except RaftLeaderError as error:
                self.history.note(f"{self.name} cannot REVIVE: {error}")
            await trio.sleep(0.2)

    async def suppress(self) -> None:
        """Want no offers any more."""
        assert self.driver is not None
        await self.driver.suppress()

    async def grow(self) -> None:
        """Want more tasks, now and then."""
        while self.is_growing:
            await trio.sleep(self.rng.expovariate(1 / APPETITE_S))
            if self.is_growing and self.wanted < WANTED_MAX:
                self.wanted += self.rng.randint(1, APPETITE_MAX)

    # --- Scheduler ------------------------------------------------------------------

    async def subscribed(self, driver: SchedulerDriver, event: Subscribed) -> None:
        self.history.note(f"{self.name} is {event.framework_id}", counted="subscribed")
        if self.id is not None and self.id != event.framework_id:
            self.history.fail(f"{self.name} was {self.id}, now {event.framework_id}")
        self.id = event.framework_id
        self._note_subscription(driver)

    async def resubscribed(self, driver: SchedulerDriver, event: Subscribed) -> None:
        self.history.note(f"{self.name} is back", counted="resubscribed")
        self._note_subscription(driver)

    def _note_subscription(self, driver: SchedulerDriver) -> None:
        self.subscriptions += 1
        if driver is self.driver:  # and not that of an instance that was replaced
            self.on_subscribed(self)

    async def offers(self, driver: SchedulerDriver, offers: Sequence[Offer]) -> None:
        self.history.counts["offers"] += len(offers)
        unwanted: list[OfferId] = []
        for offer in offers:
            if offer.id not in driver.outstanding_offers:
                continue  # rescinded while we answered another
            tasks = self._tasks_for(offer)
            if tasks:
                operation = self._operation(offer, tasks)
                await self._launch(driver, offer, operation)
            elif self.rng.random() >= self.habits.hold_probability:
                unwanted.append(offer.id)
        if unwanted:
            await self._decline(driver, unwanted)

    async def update(self, driver: SchedulerDriver, status: TaskStatus) -> None:
        if status.uuid is None:
            return
        task, state = status.task_id, status.state
        self.history.note(f"{self.name}: {task} {state.value}", counted=state.value)
        assert self.id is not None, "it is subscribed"
        self.history.delivered(self.id, status)
        if state.is_terminal:
            if task in self._launched and task not in self.ended:
                self.wanted += state not in RAN and self.is_growing
            self.ended[task] = state
        elif (
            state is TaskState.RUNNING
            and self.rng.random() < self.habits.kill_probability
        ):
            await self._kill(driver, status)

    async def rescinded(self, driver: SchedulerDriver, offer_id: OfferId) -> None:
        self.history.note(f"{self.name}: {offer_id} is gone", counted="rescinded")

    # --- Calls ----------------------------------------------------------------------

    async def _decline(self, driver: SchedulerDriver, offers: list[OfferId]) -> None:
        names = ", ".join(offers)
        self._used().update(offers)
        try:
            await driver.decline(offers, refuse_s=self.rng.choice(REFUSE_S))
        except RaftLeaderError as error:
            self._failed(error, names)
            if error.definite:
                self._used().difference_update(offers)
        else:
            self.history.note(f"{self.name} declines {names}", counted="acked")

    async def _launch(
        self, driver: SchedulerDriver, offer: Offer, operation: Launch | LaunchGroup
    ) -> None:
        self._used().add(offer.id)
        try:
            await self._accept(driver, offer, operation)
        except RaftLeaderError as error:
            self._failed(error, offer.id)
            if error.definite:
                self._used().discard(offer.id)
                self.wanted += len(operation.tasks)

    def _failed(self, error: RaftLeaderError, what: str) -> None:
        self.history.note(f"{self.name}: {what}: {error}", counted="calls failed")

    async def _accept(
        self, driver: SchedulerDriver, offer: Offer, operation: Launch | LaunchGroup
    ) -> None:
        refuse_s = self.rng.choice(REFUSE_S)
        operations = (operation,)
        await driver.accept([offer.id], operations=operations, refuse_s=refuse_s)
        names = [task.task_id for task in operation.tasks]
        self.history.note(f"{self.name}: {offer.id} starts {', '.join(names)}")
        self.history.counts["launched"] += len(names)
        self.history.accepted(self.id, list(names))
        self._launched.update(dict.fromkeys(names))
        if self.habits.is_accepting_twice:
            try:
                await driver.accept(
                    [offer.id], operations=operations, refuse_s=refuse_s
                )
            except ApiError as error:
                self.history.fail(f"{self.name}: ACCEPT repeated for {names}: {error}")
            except RaftLeaderError as error:
                self.history.note(f"{self.name}: repeated ACCEPT: {error}")
            else:
                self.history.counts["accepted twice"] += 1

    async def _kill(self, driver: SchedulerDriver, status: TaskStatus) -> None:
        try:
            await driver.kill(status.task_id, status.agent_id, grace_s=1.0)
        except RaftLeaderError as error:
            self.history.note(f"{self.name}: KILL: {error}", counted="calls failed")
        else:
            self.history.counts["killed"] += 1

    def _tasks_for(self, offer: Offer) -> list[TaskInfo]:
        free_cpus = offer.resources.total("cpus") // 500
        count = min(self.wanted, self.rng.randint(1, 4), free_cpus)
        self.wanted -= count
        return [self._task(offer) for _ in range(count)]

    def _task(self, offer: Offer) -> TaskInfo:
        self._tasks_named += 1
        is_short = self.rng.random() < SHORT_PROBABILITY
        seconds = self.rng.uniform(0.02, SHORT_S_MAX if is_short else TASK_S_MAX)
        return TaskInfo(
            name=f"{self.name} {self._tasks_named}",
            task_id=TaskId(f"{self.name}-{self._tasks_named}"),
            agent_id=offer.agent_id,
            resources=Resources.of({"cpus": 500, "mem": 64_000}),
            command=CommandInfo(value=f"run {seconds:.3f} {self.rng.choice(HOWS)}"),
        )

    def _operation(self, offer: Offer, tasks: list[TaskInfo]) -> Launch | LaunchGroup:
        needed = OF_POD
        for task in tasks:
            needed += task.resources
        if (
            len(tasks) < 2
            or self.rng.random() >= GROUP_PROBABILITY
            or not offer.resources.contains(needed)
        ):
            return Launch(tasks=tuple(tasks))
        if self.rng.random() >= POD_REUSED_PROBABILITY:
            self._pods_named += 1
        executor = ExecutorInfo(
            executor_id=f"{self.name}-pod-{self._pods_named}",
            type=ExecutorType.DEFAULT,
            framework_id=self.id,
            resources=OF_POD,
        )
        self.history.counts["groups"] += 1
        return LaunchGroup(executor=executor, tasks=tuple(tasks))

    def _used(self) -> set[str]:
        return self.history.offers_used.setdefault(self.name, set())
