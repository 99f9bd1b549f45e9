"""A storm of reconciliations: of all tasks, of known, ended and made-up ones. Every
answer is checked for whether it can be true."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.workloads.book import Launch, OwnTask
from chaos.workloads.framework import NEEDS, FrameworkWorkload, room, sleep_for
from chaos.workloads.instance import Instance
from chaos.workloads.interface import Surroundings, wait_turn
from chaos.workloads.possible import Knowledge, problem_with
from raftleader.protocol.ids import AgentId, TaskId
from raftleader.protocol.scheduler_api import ReconcileTask
from raftleader.protocol.tasks import Reason, TaskState, TaskStatus

QUESTIONS_PER_S = 6.0
LAUNCHES_PER_S = 1.5
LIVE_MAX = 12
ASKED_MAX = 6
"""Tasks named in one question."""
TASK_S = (0.5, 6.0)
MADE_UP_MAX = 5_000
NO_AGENT = AgentId("an-agent-that-never-was")


class Reconcile(FrameworkWorkload):
    """Some tasks of seconds, and questions about them all the time."""

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)
        self._heard: dict[TaskId, TaskState] = {}
        self._made_up: dict[TaskId, bool] = {}
        """Ids that nobody uses, and whether they were asked for with an agent."""
        self.checked = 0

    async def load(self, instance: Instance) -> None:
        await instance.revive()
        instance.start_soon(self._launch, instance)
        while True:
            await wait_turn(self.rng, QUESTIONS_PER_S * self.around.pace)
            if not self.is_settling:
                await instance.reconcile(self._question())

    async def _launch(self, instance: Instance) -> None:
        while True:
            await wait_turn(self.rng, LAUNCHES_PER_S * self.around.pace)
            held = instance.offers_held
            if self.is_settling or not held:
                continue
            offer = self.rng.choice(held)
            count = room(offer, NEEDS, min(2, LIVE_MAX - len(self.book.tasks)))
            tasks = [
                self.new_task(offer, sleep_for(self.rng.uniform(*TASK_S)))
                for _ in range(count)
            ]
            instance.accept_soon([offer], tasks, refuse_s=0.0 if tasks else 1.0)

    def _question(self) -> list[ReconcileTask]:
        """What to ask; nothing is everything."""
        if self.rng.random() < 0.25:
            return []
        asked: list[ReconcileTask] = []
        for _ in range(self.rng.randint(1, ASKED_MAX)):
            choice = self.rng.random()
            known = [
                task
                for task in self.book.tasks.values()
                if task.launch is Launch.ACCEPTED
            ]
            if choice < 0.5 and known:
                task = self.rng.choice(known)
                asked.append(self._about(task.task_id, task.agent_id))
            elif choice < 0.75 and self.book.ended:
                asked.append(self._about(self.rng.choice(list(self.book.ended)), None))
            else:
                asked.append(self._about_nothing())
        return asked

    def _about(self, task_id: TaskId, agent_id: AgentId | None) -> ReconcileTask:
        is_named = self.rng.random() < 0.5
        return ReconcileTask(task_id=task_id, agent_id=agent_id if is_named else None)

    def _about_nothing(self) -> ReconcileTask:
        task_id = self.new_task_id("made-up")
        agents: Sequence[AgentId] = sorted(self.book.agents)
        agent_id: AgentId | None = None
        if self.rng.random() < 0.6:
            agent_id = self.rng.choice([*agents, NO_AGENT])
        self._made_up[task_id] = agent_id is not None
        while len(self._made_up) > MADE_UP_MAX:
            del self._made_up[next(iter(self._made_up))]
        return ReconcileTask(task_id=task_id, agent_id=agent_id)

    def updated(
        self, instance: Instance, status: TaskStatus, task: OwnTask | None
    ) -> None:
        if status.reason is Reason.RECONCILIATION:
            self._check(instance, status)
        else:
            self._heard[status.task_id] = status.state
            while len(self._heard) > MADE_UP_MAX:
                del self._heard[next(iter(self._heard))]

    def _check(self, instance: Instance, status: TaskStatus) -> None:
        heard = self._heard.get(status.task_id)
        if status.task_id in self._made_up:
            knowledge = Knowledge.NEVER_LAUNCHED
        elif heard is not None and heard.is_terminal:
            knowledge = Knowledge.ENDED
        elif status.task_id in self.book.tasks:
            # Only tasks whose launch was answered are asked for in the storm.
            knowledge = Knowledge.LAUNCHED
        else:
            return
        self.checked += 1
        problem = problem_with(
            status.state,
            knowledge=knowledge,
            heard=heard,
            has_agent=self._made_up.get(status.task_id, True),
        )
        if problem is not None:
            instance.tell_impossible(f"task {status.task_id}: {problem}")

    def figures(self) -> dict[str, object]:
        return {**super().figures(), "answers_checked": self.checked}
