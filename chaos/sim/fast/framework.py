"""A framework of the fast level over all its lives: what it wants, and remembers.

Its memory is durable, as that of a framework with a database: its id, the updates it
has dealt with, the tasks it asked for. Its lives are in ``framework_life.py``.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from chaos.sim.fast.framework_life import FrameworkLife
from chaos.sim.fast.framework_work import FrameworkWork
from chaos.sim.fast.network import Network
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId
from raftleader.protocol.offers import Launch, LaunchGroup, Offer, Operation
from raftleader.protocol.resources import Resources
from raftleader.protocol.scheduler_api import Accept, Kill, Update
from raftleader.protocol.tasks import CommandInfo, TaskInfo, TaskState, TaskStatus

if TYPE_CHECKING:
    from chaos.sim.fast.agenda import Agenda
    from chaos.sim.fast.judge import Judge

APPETITE_S = 7.0
"""Mean time between two tasks that a framework wants to start."""
TASK_S = (0.05, 3.0)
HOWS = ("ok", "ok", "ok", "ok", "ok", "fail", "stubborn", "broken")
KILL_PROBABILITY = 0.12
SAME_ID_PROBABILITY = 0.03
"""Chance to use a task id again: an error of the framework's, to be answered."""


@attrs.define(eq=False, kw_only=True)
class SimFramework:
    """One framework.

    Attributes:
        id: As the first SUBSCRIBED gave it; None again after it was removed.
        wanted: Tasks it still wants to start.
        is_growing: It goes on to want more.
        is_finishing: The faults are over: it gives back what it does not need.
        asked: Tasks it sent an ACCEPT for, with the framework id it had then.
        acked: Those of them whose ACCEPT was answered.
        seen: Updates it has dealt with.
        heard_of: Tasks that it had news of.
        offers_received: Offers, also those that came again on a new stream.
        lost_answers: So many answers to ACCEPTs are lost from now on.
        work: What it does beside command tasks; None if nothing.
    """

    name: str
    nodes: Sequence[str]
    agenda: Agenda
    network: Network
    judge: Judge
    rng: random.Random
    counts: Counter[str]
    failover_timeout_ms: int
    role: str = "*"
    work: FrameworkWork | None = None
    id: FrameworkId | None = None
    wanted: int = 0
    is_growing: bool = True
    is_finishing: bool = False
    asked: dict[TaskId, FrameworkId] = attrs.field(factory=dict)
    acked: set[TaskId] = attrs.field(factory=set)
    seen: set[bytes] = attrs.field(factory=set)
    heard_of: set[tuple[FrameworkId, TaskId]] = attrs.field(factory=set)
    offers_received: int = 0
    lost_answers: int = 0
    life: FrameworkLife = attrs.field(init=False)
    older: list[FrameworkLife] = attrs.field(factory=list)
    _tasks: int = 0

    def __attrs_post_init__(self) -> None:
        self.life = FrameworkLife(self)

    @property
    def is_up(self) -> bool:
        return self.life.is_alive

    @property
    def info(self) -> FrameworkInfo:
        return FrameworkInfo(
            user="user",
            name=self.name,
            id=self.id,
            roles=(self.role,),
            failover_timeout_ms=self.failover_timeout_ms,
        )

    def start(self) -> None:
        """Nothing happens if it runs."""
        if not self.life.is_alive:
            self.life = FrameworkLife(self)
            self.life.begin()

    def crash(self) -> None:
        """All its instances die; calls without an answer are forgotten."""
        for life in (*self.older, self.life):
            life.die()
        self.older.clear()

    def fail_over(self) -> None:
        """Another instance begins under the same id; the present one does not know."""
        if self.life.is_alive and self.id is not None:
            self.older = [life for life in self.older if life.is_alive]
            self.older.append(self.life)
            self.life = FrameworkLife(self)
            self.life.begin()

    def grow(self) -> None:
        """Want a task now and then."""
        if self.is_growing:
            self.wanted += 1 if self.work is None else self.work.appetite()
            self.life.consider()
            self.agenda.after(self.rng.expovariate(1 / APPETITE_S), self.grow)

    def removed(self) -> None:
        """Its id is refused for ever: all its instances give up, and one registers
        anew."""
        self.id = None
        if self.work is not None:
            self.work.removed()
        self.crash()
        self.agenda.after(0.1, self.start)

    # --- decisions ------------------------------------------------------------------

    def accept(self, framework_id: FrameworkId, offers: list[Offer]) -> Accept:
        """Use these offers, of one agent, for a task or several."""
        rest = offers[0].resources
        for offer in offers[1:]:
            rest += offer.resources
        work = self.work
        operations: list[Operation] = []
        if work is not None:
            rest = work.convert(framework_id, offers[0].agent_id, rest, operations)
        tasks: list[TaskInfo] = []
        count = min(self.wanted, self.rng.randint(1, 3))
        is_group = work is not None and work.wants_group(count)
        for _ in range(count):
            task = self._task(offers[0].agent_id, rest)
            if task is None:
                break
            if work is not None:
                task = work.dress(framework_id, task, rest, is_group=is_group)
            rest -= task.resources
            if task.executor is not None:
                rest -= task.executor.resources
            tasks.append(task)
        self.wanted -= len(tasks)
        for task in tasks:
            self.asked[task.task_id] = framework_id
        if work is not None:
            operation = work.launch(framework_id, tasks, rest, is_group=is_group)
            operations.append(operation)
        else:
            operations.append(Launch(tasks=tuple(tasks)))
        return Accept(
            framework_id=framework_id,
            offer_ids=tuple(offer.id for offer in offers),
            operations=tuple(operations),
            refuse_ms=self.rng.choice((0, 5_000, 20_000)),
        )

    def _task(self, agent_id: AgentId, rest: Resources) -> TaskInfo | None:
        rng = self.rng
        resources = Resources(
            scalars={
                "cpus": rng.choice((250, 500, 1_000)),
                "mem": rng.choice((64_000, 256_000)),
            }
        )
        if not rest.contains(resources):
            return None
        self._tasks += 1
        number = self._tasks
        if number > 3 and rng.random() < SAME_ID_PROBABILITY:
            number = rng.randrange(1, number)
        duration_s = rng.uniform(*TASK_S)
        return TaskInfo(
            name="task",
            task_id=TaskId(f"{self.name}-{number}"),
            agent_id=agent_id,
            resources=resources,
            command=CommandInfo(value=f"{rng.choice(HOWS)} {duration_s:.3f}"),
            kill_grace_ms=rng.choice((None, 100, 1_000)),
        )

    def answered(self, call: Accept) -> None:
        """An ACCEPT was answered: its tasks will be heard of."""
        if self.work is not None:
            self.work.answered(call.operations)
        for operation in call.operations:
            if not isinstance(operation, Launch | LaunchGroup):
                continue
            for task in operation.tasks:
                self.acked.add(task.task_id)
                self.judge.accepted(call.framework_id, task.task_id)

    def take(self, framework_id: FrameworkId, update: Update) -> Kill | None:
        """Deal with an update; perhaps a kill follows."""
        status: TaskStatus = update.status
        if status.uuid is None:
            return None
        self.judge.delivered(framework_id, status)
        if status.uuid in self.seen:
            return None
        self.seen.add(status.uuid)
        self.heard_of.add((framework_id, status.task_id))
        if (
            status.state is TaskState.RUNNING
            and not self.is_finishing
            and self.rng.random() < KILL_PROBABILITY
        ):
            return Kill(framework_id=framework_id, task_id=status.task_id)
        return None
