"""What an ACCEPT will do, decided before anything is done.

Operations are taken in order; each sees what the earlier ones left of the offers. One
that cannot be performed drops only itself: a task is answered with an update, an
operation that has a name with a status. A group is launched as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from msgspec.structs import replace

from raftleader.protocol.ids import TaskId
from raftleader.protocol.offers import (
    Conversion,
    Launch,
    LaunchGroup,
    OperationState,
    UnsupportedOperation,
)
from raftleader.protocol.resources import EMPTY, Resources
from raftleader.protocol.tasks import ExecutorInfo, Reason, TaskInfo, TaskState
from raftleader.state.cluster import (
    Agent,
    ClusterState,
    Framework,
    OutstandingOffer,
)
from raftleader.state.conversions import plan_conversion
from raftleader.state.offered import joined
from raftleader.state.resource_checks import is_made
from raftleader.state.shared_volumes import shared_keys_in_use
from raftleader.state.task_checks import (
    executor_problem,
    group_problem,
    is_enough,
    launch_problem,
    task_problem,
)

_ENDING = "Executor terminating"


@attrs.frozen
class RefusedTask:
    """A task that is not launched, and what its framework is told."""

    task: TaskInfo
    state: TaskState
    reason: Reason
    message: str


@attrs.frozen(kw_only=True)
class DecidedOperation:
    """An operation with a name, and how it ended."""

    operation: Conversion | UnsupportedOperation
    state: OperationState
    message: str | None = None
    converted: Resources | None = None


@attrs.define(kw_only=True)
class Plan:
    """What an ACCEPT will do.

    Attributes:
        remainder: What is left of the offers.
        total: Everything on the agent, after the operations so far.
        is_converted: Operations made something else of it.
        launched: Tasks to launch, each with the ids of its group.
        executors: New ones, by id.
        ended: How operations ended, with names or not, by Mesos' name of their type.
    """

    remainder: Resources = EMPTY
    total: Resources = EMPTY
    is_converted: bool = False
    launched: dict[TaskId, tuple[TaskInfo, tuple[TaskId, ...]]] = attrs.field(
        factory=dict
    )
    executors: dict[str, ExecutorInfo] = attrs.field(factory=dict)
    refused: list[RefusedTask] = attrs.field(factory=list)
    operations: list[DecidedOperation] = attrs.field(factory=list)
    ended: list[tuple[str, OperationState]] = attrs.field(factory=list)

    @property
    def dynamic(self) -> Resources:
        """``Agent.dynamic`` after the operations."""
        return self.total.only(is_made)

    def refuse(
        self, tasks: Sequence[TaskInfo], state: TaskState, reason: Reason, message: str
    ) -> None:
        """Launch none of these."""
        self.refused += [RefusedTask(task, state, reason, message) for task in tasks]

    def fail(self, operation: Conversion | UnsupportedOperation, message: str) -> None:
        """Do not perform this. Without a name nobody asked to be told."""
        state = OperationState.ERROR
        self.ended.append((type_name(operation), state))
        if operation.id is not None:
            self.operations.append(
                DecidedOperation(operation=operation, state=state, message=message)
            )

    def take(self, parts: Sequence[Resources]) -> None:
        """These are used now; what is shared is there for others still."""
        for part in parts:
            self.remainder -= part.exclusive()


@attrs.frozen(kw_only=True)
class _Site:
    """Where, and for whom, the operations of one ACCEPT are performed."""

    state: ClusterState
    framework: Framework
    agent: Agent
    role: str


def plan_accept(
    state: ClusterState,
    framework: Framework,
    agent: Agent,
    offers: Sequence[OutstandingOffer],
    operations: Sequence[Launch | LaunchGroup | Conversion | UnsupportedOperation],
) -> Plan:
    """Decide an ACCEPT of these offers, which are valid together."""
    site = _Site(state=state, framework=framework, agent=agent, role=offers[0].role)
    plan = Plan(
        remainder=joined(offer.resources for offer in offers), total=agent.total
    )
    for operation in operations:
        launched = len(plan.launched)
        match operation:
            case Launch():
                for task in operation.tasks:
                    _plan_task(site, plan, task, has_id=operation.id is not None)
            case LaunchGroup():
                _plan_group(site, plan, operation)
            case UnsupportedOperation():
                plan.fail(operation, unsupported_problem(operation))
            case _:
                _plan_conversion(site, plan, operation)
        if len(plan.launched) > launched:
            plan.ended.append((type_name(operation), OperationState.FINISHED))
    return plan


def type_name(
    operation: Launch | LaunchGroup | Conversion | UnsupportedOperation,
) -> str:
    """Mesos' name of the operation's type."""
    if isinstance(operation, UnsupportedOperation):
        return operation.type
    return str(operation.__struct_config__.tag)


def unsupported_problem(operation: UnsupportedOperation) -> str:
    """Why it cannot be performed."""
    return operation.problem or f"Operation {operation.type} is not supported"


def _plan_conversion(site: _Site, plan: Plan, operation: Conversion) -> None:
    used = shared_keys_in_use(site.state, site.agent.id)
    for task, _ in plan.launched.values():
        used.update(task.resources.scalars)
    converted = plan_conversion(
        plan.total,
        plan.remainder,
        operation,
        principal=site.framework.info.principal,
        framework=site.framework.info,
        role=site.role,
        in_use=used,
    )
    if isinstance(converted, str):
        plan.fail(operation, f"{converted}; on agent {site.agent.id}")
        return
    plan.total, plan.is_converted = converted.total, True
    plan.remainder = converted.applied_to(plan.remainder)
    plan.ended.append((type_name(operation), OperationState.FINISHED))
    if operation.id is not None:
        plan.operations.append(
            DecidedOperation(
                operation=operation,
                state=OperationState.FINISHED,
                converted=converted.converted,
            )
        )


def _plan_task(site: _Site, plan: Plan, task: TaskInfo, *, has_id: bool) -> None:
    task = _with_framework_id(site, task)
    executor = task.executor
    parts = [task.resources]
    problem = "The `id` field cannot be set on LAUNCH operations" if has_id else None
    problem = problem or _task_problem(site, plan, task) or launch_problem(task)
    if problem is None and executor is not None:
        problem = _executor_problem(site, plan, executor)
        if problem is None and _is_ending(site, executor):
            plan.refuse([task], TaskState.DROPPED, Reason.EXECUTOR_TERMINATED, _ENDING)
            return
        if _is_new(site, plan, executor):
            parts.append(executor.resources)
    if problem is None and not is_enough(plan.remainder, parts):
        needed = " and ".join(str(part) for part in parts)
        problem = (
            f"Total resources {needed} required by task and its executor is more than"
            f" available {plan.remainder}"
        )
    if problem is not None:
        plan.refuse([task], TaskState.ERROR, Reason.TASK_INVALID, problem)
        return
    plan.take(parts)
    plan.launched[task.task_id] = (task, ())
    if executor is not None:
        plan.executors.setdefault(executor.executor_id, executor)


def _with_framework_id(site: _Site, task: TaskInfo) -> TaskInfo:
    """The executor of a LAUNCH need not name its framework."""
    executor = task.executor
    if executor is None or executor.framework_id is not None:
        return task
    return replace(task, executor=replace(executor, framework_id=site.framework.id))


def _plan_group(site: _Site, plan: Plan, operation: LaunchGroup) -> None:
    executor = operation.executor
    tasks = [
        task if task.executor is not None else replace(task, executor=executor)
        for task in operation.tasks
    ]
    if not tasks:
        return
    problem = None
    if operation.id is not None:
        problem = "The `id` field cannot be set on LAUNCH_GROUP operations"
    problem = problem or _group_problem(site, plan, executor, tasks)
    if problem is None and _is_ending(site, executor):
        plan.refuse(tasks, TaskState.DROPPED, Reason.EXECUTOR_TERMINATED, _ENDING)
        return
    parts = [task.resources for task in tasks]
    if _is_new(site, plan, executor):
        parts.append(executor.resources)
    if problem is None and not is_enough(plan.remainder, parts):
        needed = " and ".join(str(part) for part in parts)
        problem = (
            f"Total resources {needed} required by task group and its executor are"
            f" more than available {plan.remainder}"
        )
    if problem is not None:
        plan.refuse(tasks, TaskState.ERROR, Reason.TASK_GROUP_INVALID, problem)
        return
    plan.take(parts)
    ids = tuple(task.task_id for task in tasks)
    plan.launched.update({task.task_id: (task, ids) for task in tasks})
    plan.executors.setdefault(executor.executor_id, executor)


def _group_problem(
    site: _Site, plan: Plan, executor: ExecutorInfo, tasks: Sequence[TaskInfo]
) -> str | None:
    seen: set[TaskId] = set()
    for task in tasks:
        problem = _task_problem(site, plan, task)
        if problem is None and task.task_id in seen:
            problem = f"Task has duplicate ID: {task.task_id}"
        if problem is not None:
            return f"Task '{task.task_id}' is invalid: {problem}"
        seen.add(task.task_id)
    return _executor_problem(site, plan, executor) or group_problem(executor, tasks)


def _task_problem(site: _Site, plan: Plan, task: TaskInfo) -> str | None:
    """Why the task itself cannot be launched there.

    Task ids name live tasks. An agent starts an id only once in its life: so an id may
    be used again on another agent only; on the same one the agent would answer with
    the end of the earlier task.
    """
    problem = task_problem(task, site.agent.id)
    if problem is not None:
        return problem
    key = (site.framework.id, task.task_id)
    if key in site.state.tasks or task.task_id in plan.launched:
        known = site.state.tasks.get(key)
        if known is not None and known.state is TaskState.UNREACHABLE:
            return f"Task reuses the ID of an unreachable task: {task.task_id}"
        return f"Task has duplicate ID: {task.task_id}"
    completed = site.state.completed_tasks.get(key)
    if completed is not None and completed.agent_id == site.agent.id:
        return f"Task ID {task.task_id} was used on this agent before"
    return None


def _executor_problem(site: _Site, plan: Plan, executor: ExecutorInfo) -> str | None:
    row = site.state.executors.get(
        (site.framework.id, site.agent.id, executor.executor_id)
    )
    known = plan.executors.get(executor.executor_id)
    if row is not None:
        known = row.info
        if row.role != site.role and executor.resources:
            return (
                f"Executor '{executor.executor_id}' runs with resources of role"
                f" '{row.role}', not of '{site.role}'"
            )
    return executor_problem(executor, site.framework.id, known)


def _is_new(site: _Site, plan: Plan, executor: ExecutorInfo) -> bool:
    key = (site.framework.id, site.agent.id, executor.executor_id)
    return key not in site.state.executors and (
        executor.executor_id not in plan.executors
    )


def _is_ending(site: _Site, executor: ExecutorInfo) -> bool:
    """Whether the executor is to be shut down: a task in it would end with it."""
    key = (site.framework.id, site.agent.id, executor.executor_id)
    row = site.state.executors.get(key)
    return row is not None and row.is_shutdown_wanted
