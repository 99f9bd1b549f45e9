"""What a framework does beside launching command tasks.

It reserves and gives back, makes volumes, uses and destroys them, has executors of its
own, and sends groups. It keeps a ledger of what its operations have made of agents: at
the end the agents must be as all ledgers say.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import attrs
from msgspec.structs import replace

from chaos.sim.fast.sides import is_volume, sides
from chaos.sim.options import Work
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId
from raftleader.protocol.offers import (
    Conversion,
    Create,
    Destroy,
    Launch,
    LaunchGroup,
    Operation,
    OperationState,
    OperationStatus,
    Reserve,
    Unreserve,
)
from raftleader.protocol.resource_keys import (
    Reservation,
    ResourceKind,
    VolumeInfo,
    key_of_kind,
    kind_of_key,
    may_use,
)
from raftleader.protocol.resources import Resources, split_key
from raftleader.protocol.scheduler_api import SendMessage, ShutdownExecutor
from raftleader.protocol.tasks import (
    CommandInfo,
    ExecutorInfo,
    ExecutorType,
    TaskInfo,
    TaskState,
    TaskStatus,
)

if TYPE_CHECKING:
    from chaos.sim.fast.judge import Judge

RESERVE = Resources(scalars={"cpus": 250, "mem": 64_000})
RESERVES_MAX = 2
"""Reservations that a framework has on one agent: others need something too."""
VOLUME_MILLIS = 50_000
DISK_MILLIS = 100_000
"""Reserved with everything else, where there are to be volumes."""
OF_EXECUTOR = Resources(scalars={"cpus": 100, "mem": 32_000})
KINDS = ("tidy", "tidy", "tidy", "steady", "flaky", "dies", "deaf", "mute", "broken")
"""Of executors; see ``executors.py``."""
RESERVE_PROBABILITY, UNRESERVE_PROBABILITY = 0.5, 0.3
CREATE_PROBABILITY, DESTROY_PROBABILITY = 0.6, 0.3
IMPOSSIBLE_PROBABILITY = 0.05
"""Chance of an operation that cannot be done, to be answered."""
USE_PROBABILITY = 0.6
"""Chance to use what is reserved, or a volume, where it could be."""
EXECUTOR_PROBABILITY, SAME_EXECUTOR_PROBABILITY = 0.4, 0.6
GROUP_PROBABILITY = 0.5
MESSAGE_PROBABILITY, SHUTDOWN_PROBABILITY = 0.4, 0.15


@attrs.define(eq=False)
class _Asked:
    framework_id: FrameworkId
    agent_id: AgentId
    operation: Conversion
    is_answered: bool = False
    end: OperationState | None = None


class FrameworkWork:
    """That of one framework over all its lives; its memory is durable.

    Attributes:
        ledger: Changes of what agents' resources are, by agent and key.
        is_ledger_complete: Of every operation it knows how it ended, or will.
    """

    def __init__(
        self,
        name: str,
        role: str,
        work: Collection[Work],
        rng: random.Random,
        counts: Counter[str],
        judge: Judge,
    ) -> None:
        self.role = role
        self.ledger: dict[AgentId, Counter[str]] = {}
        self.is_ledger_complete = True
        self._name = name
        self._work = work
        self._rng = rng
        self._counts = counts
        self._judge = judge
        self._number = 0
        self._asked: dict[str, _Asked] = {}
        self._executors: dict[AgentId, list[ExecutorInfo]] = {}
        self._executor_of: dict[TaskId, str] = {}
        self._reserves: Counter[AgentId] = Counter()

    @property
    def has_operations(self) -> bool:
        return Work.RESERVATIONS in self._work or Work.VOLUMES in self._work

    # --- operations -----------------------------------------------------------------

    def convert(
        self,
        framework_id: FrameworkId,
        agent_id: AgentId,
        rest: Resources,
        operations: list[Operation],
    ) -> Resources:
        """Add operations on this agent; what is left for tasks after them."""
        if not self.has_operations:
            return rest
        for make in (self._destroy, self._unreserve, self._reserve, self._create):
            operation = make(agent_id, rest)
            if operation is None:
                continue
            self._number += 1
            operation_id = f"{self._name}-o{self._number}"
            operation = replace(operation, id=operation_id)
            self._asked[operation_id] = _Asked(framework_id, agent_id, operation)
            operations.append(operation)
            taken, made = sides(operation)
            if rest.contains(taken):
                rest = rest - taken + made
        return rest

    def _reserve(self, agent_id: AgentId, rest: Resources) -> Reserve | None:
        rng = self._rng
        if (
            self._reserves[agent_id] >= RESERVES_MAX
            or rng.random() >= RESERVE_PROBABILITY
        ):
            return None
        wanted = RESERVE
        if Work.VOLUMES in self._work:
            wanted = wanted + Resources(scalars={"disk": DISK_MILLIS})
        if rng.random() < IMPOSSIBLE_PROBABILITY:
            wanted = wanted + Resources(scalars={"cpus": 100_000})
        elif not rest.contains(wanted):
            return None
        self._reserves[agent_id] += 1
        kinds = {name: ResourceKind(name=name) for name in wanted.scalars}
        return Reserve(
            resources=Resources.of(
                {
                    key_of_kind(self._reserved(kind)): wanted.scalars[name]
                    for name, kind in kinds.items()
                }
            )
        )

    def _reserved(self, kind: ResourceKind) -> ResourceKind:
        return replace(kind, reservations=(Reservation("DYNAMIC", self.role),))

    def _unreserve(self, agent_id: AgentId, rest: Resources) -> Unreserve | None:
        keys = [
            key
            for key in rest.scalars
            if "|" in key and kind_of_key(key).is_dynamic and not is_volume(key)
        ]
        if not keys or self._rng.random() >= UNRESERVE_PROBABILITY:
            return None
        self._reserves[agent_id] = max(0, self._reserves[agent_id] - 1)
        return Unreserve(resources=Resources.of({k: rest.scalars[k] for k in keys}))

    def _create(self, agent_id: AgentId, rest: Resources) -> Create | None:
        if Work.VOLUMES not in self._work:
            return None
        source = ResourceKind(name="disk")
        key = key_of_kind(self._reserved(source))
        if rest.scalars.get(key, 0) < VOLUME_MILLIS or (
            self._rng.random() >= CREATE_PROBABILITY
        ):
            return None
        volume = VolumeInfo(f"{self._name}-v{self._number}", "data")
        kind = replace(kind_of_key(key), volume=volume)
        return Create(volumes=Resources.of({key_of_kind(kind): VOLUME_MILLIS}))

    def _destroy(self, agent_id: AgentId, rest: Resources) -> Destroy | None:
        keys = [key for key in rest.scalars if is_volume(key)]
        if not keys or self._rng.random() >= DESTROY_PROBABILITY:
            return None
        return Destroy(volumes=Resources.of({keys[0]: rest.scalars[keys[0]]}))

    def answered(self, operations: Sequence[Operation]) -> None:
        """Their ACCEPT was answered."""
        for operation in operations:
            asked = self._asked.get(operation.id or "")
            if asked is not None:
                asked.is_answered = True

    def told(self, framework_id: FrameworkId, status: OperationStatus) -> None:
        """How an operation ended, or what is known of it."""
        if status.uuid is None:
            return
        self._judge.operation_told(framework_id, status)
        asked = self._asked.get(status.operation_id or "")
        if asked is None or asked.framework_id != framework_id:
            self._judge.failed(f"{self._name} never asked for {status.operation_id}")
        elif asked.end is None:
            asked.end = status.state
            if status.state is OperationState.FINISHED:
                self._counts[type(asked.operation).__name__.upper()] += 1
                changes = self.ledger.setdefault(asked.agent_id, Counter())
                taken, made = sides(asked.operation)
                changes.subtract(taken.scalars)
                changes.update(made.scalars)
            else:
                self._counts["operations refused"] += 1
        elif asked.end is not status.state:
            self._judge.failed(
                f"{self._name}: operation {status.operation_id} was"
                f" {asked.end.value}, now {status.state.value}"
            )

    def removed(self) -> None:
        """Its id is void: what it has not heard it never will."""
        if any(one.end is None for one in self._asked.values()):
            self.is_ledger_complete = False
        for operation_id, one in list(self._asked.items()):
            if one.end is None:
                del self._asked[operation_id]

    def unheard(self, framework_id: FrameworkId | None) -> list[str]:
        """Operations whose ACCEPT was answered, and of whose end nothing came."""
        return [
            f"{operation_id} of {one.framework_id}"
            for operation_id, one in self._asked.items()
            if one.is_answered and one.end is None and one.framework_id == framework_id
        ]

    def appetite(self) -> int:
        """How many more tasks it wants now: several at once, if it has groups."""
        has_groups = Work.GROUPS in self._work
        return 3 if has_groups and self._rng.random() < GROUP_PROBABILITY else 1

    def wants_group(self, count: int) -> bool:
        """Whether so many tasks are to be a group."""
        has_groups = Work.GROUPS in self._work and count > 1
        return has_groups and self._rng.random() < GROUP_PROBABILITY

    # --- launches -------------------------------------------------------------------

    def dress(
        self,
        framework_id: FrameworkId,
        task: TaskInfo,
        rest: Resources,
        *,
        is_group: bool,
    ) -> TaskInfo:
        """The task, perhaps with resources of another kind, or with an executor."""
        rng = self._rng
        if rng.random() < USE_PROBABILITY:
            resources = self._reserved_part(task.resources, rest)
            task = replace(task, resources=resources)
        if (
            is_group
            or Work.EXECUTORS not in self._work
            or rng.random() >= EXECUTOR_PROBABILITY
        ):
            return task
        executor = self._executor(framework_id, task.agent_id)
        if not rest.contains(task.resources + executor.resources):
            return task
        assert task.command is not None and task.command.value is not None
        self._executor_of[task.task_id] = executor.executor_id
        data = task.command.value.encode()
        return replace(task, command=None, data=data, executor=executor)

    def _reserved_part(self, wanted: Resources, rest: Resources) -> Resources:
        scalars: dict[str, int] = {}
        for name, millis in wanted.scalars.items():
            found = name
            for key, there in rest.scalars.items():
                owner = split_key(key)
                if owner[0] == name and there >= millis and owner[1] != "*":
                    found = key
            scalars[found] = millis
        for key, millis in rest.scalars.items():
            if is_volume(key) and may_use(self.role, split_key(key)[1]):
                scalars[key] = millis
                break
        return Resources.of(scalars)

    def _executor(self, framework_id: FrameworkId, agent_id: AgentId) -> ExecutorInfo:
        rng = self._rng
        known = [
            one
            for one in self._executors.get(agent_id, ())
            if one.framework_id == framework_id
        ]
        if known and rng.random() < SAME_EXECUTOR_PROBABILITY:
            return rng.choice(known[-3:])
        self._number += 1
        info = ExecutorInfo(
            executor_id=f"{self._name}-x{self._number}",
            framework_id=framework_id,
            command=CommandInfo(value=rng.choice(KINDS)),
            resources=OF_EXECUTOR,
        )
        self._executors.setdefault(agent_id, []).append(info)
        return info

    def launch(
        self,
        framework_id: FrameworkId,
        tasks: Sequence[TaskInfo],
        rest: Resources,
        *,
        is_group: bool,
    ) -> Operation:
        """These tasks, one by one or as a group."""
        names = {task.task_id for task in tasks}
        if (
            not is_group
            or len(names) < 2
            or len(names) < len(tasks)
            or not rest.contains(OF_EXECUTOR)
        ):
            return Launch(tasks=tuple(tasks))
        self._number += 1
        executor = ExecutorInfo(
            executor_id=f"{self._name}-g{self._number}",
            type=ExecutorType.DEFAULT,
            framework_id=framework_id,
            resources=OF_EXECUTOR,
        )
        self._counts["LAUNCH_GROUP"] += 1
        members = tuple(replace(task, executor=executor) for task in tasks)
        return LaunchGroup(executor=executor, tasks=members)

    def heard(
        self, framework_id: FrameworkId, status: TaskStatus, *, is_finishing: bool
    ) -> list[SendMessage | ShutdownExecutor]:
        """What to say to the executor of a task of which there is news."""
        executor_id = self._executor_of.get(status.task_id)
        agent_id = status.agent_id
        if (
            executor_id is None
            or agent_id is None
            or status.state is not TaskState.RUNNING
        ):
            return []
        calls: list[SendMessage | ShutdownExecutor] = []
        if self._rng.random() < MESSAGE_PROBABILITY:
            message = SendMessage(
                framework_id=framework_id,
                agent_id=agent_id,
                executor_id=executor_id,
                data=b"how are you?",
            )
            calls.append(message)
        if not is_finishing and self._rng.random() < SHUTDOWN_PROBABILITY:
            self._counts["SHUTDOWN"] += 1
            shutdown = ShutdownExecutor(
                framework_id=framework_id, executor_id=executor_id, agent_id=agent_id
            )
            calls.append(shutdown)
        return calls
