"""What is wrong with a task, an executor or a group that is to be launched.

Each function answers None if nothing is. The words are Mesos' own where it has them;
frameworks' authors search for them.
"""

from __future__ import annotations

from collections.abc import Sequence

from raftleader.limits import (
    CPUS_MILLIS_MIN,
    KILL_GRACE_S_MAX,
    MEM_MILLIS_MIN,
    TASK_DATA_BYTES_MAX,
)
from raftleader.protocol.ids import AgentId, FrameworkId, id_problem
from raftleader.protocol.resources import (
    EMPTY,
    Resources,
    format_millis,
    subtract_ranges,
)
from raftleader.protocol.tasks import ExecutorInfo, ExecutorType, TaskInfo
from raftleader.state.check_problems import check_problem
from raftleader.state.resource_checks import (
    divided_part,
    is_plain,
    keys_of,
    resources_problem,
    revocable_twice,
    twin_volume,
    volumes,
)

_GRACE_MS_MAX = round(KILL_GRACE_S_MAX * 1000)


def task_problem(task: TaskInfo, agent_id: AgentId) -> str | None:
    """Why a task cannot be launched, whatever its executor and what is left."""
    problem = id_problem(task.task_id)
    if problem is not None:
        return f"Task ID {problem}"
    if task.agent_id != agent_id:
        return (
            f"Task uses invalid agent {task.agent_id} while agent {agent_id} is"
            " expected"
        )
    if (task.kill_grace_ms or 0) < 0:
        return "Task's 'kill_policy.grace_period' must be non-negative"
    if (task.kill_grace_ms or 0) > _GRACE_MS_MAX:
        return f"Task's 'kill_policy.grace_period' is longer than {KILL_GRACE_S_MAX} s"
    if (task.max_completion_ms or 0) < 0:
        return "Task's `max_completion_time` must be non-negative"
    if task.check is not None:
        problem = check_problem(task.check, "check")
        if problem is not None:
            return f"Task uses invalid check: {problem}"
    if task.health_check is not None:
        problem = check_problem(task.health_check, "health check")
        if problem is not None:
            return f"Task uses invalid health check: {problem}"
    if not task.resources:
        return "Task uses no resources"
    problem = _resources_problem(task.resources, "Task")
    if problem is not None:
        return problem
    if task.unsupported:
        return f"Task uses what is not supported: {', '.join(task.unsupported)}"
    if len(task.data or b"") > TASK_DATA_BYTES_MAX:
        return f"Task's data is larger than {TASK_DATA_BYTES_MAX} bytes"
    return None


def executor_problem(
    executor: ExecutorInfo, framework_id: FrameworkId, known: ExecutorInfo | None
) -> str | None:
    """Why an executor cannot be launched, or shared if it is ``known``."""
    problem = id_problem(executor.executor_id)
    if problem is not None:
        return f"Executor ID {problem}"
    if executor.type is ExecutorType.DEFAULT:
        if executor.command is not None:
            return "'ExecutorInfo.command' must not be set for 'DEFAULT' executor"
    elif executor.command is None:
        return "'ExecutorInfo.command' must be set for 'CUSTOM' executor"
    if (executor.shutdown_grace_ms or 0) < 0:
        return "ExecutorInfo's 'shutdown_grace_period' must be non-negative"
    if (executor.shutdown_grace_ms or 0) > _GRACE_MS_MAX:
        return f"ExecutorInfo's 'shutdown_grace_period' is over {KILL_GRACE_S_MAX} s"
    if executor.framework_id is None:
        return "'ExecutorInfo.framework_id' must be set"
    if executor.framework_id != framework_id:
        return (
            f"ExecutorInfo has an invalid FrameworkID (Actual: {executor.framework_id}"
            f" vs Expected: {framework_id})"
        )
    problem = _resources_problem(executor.resources, "Executor")
    if problem is not None:
        return problem
    if executor.resources.exclusive() != executor.resources:
        return (
            f"Executor resources {executor.resources} should not contain any shared"
            " resources"
        )
    if executor.unsupported:
        return f"Executor uses what is not supported: {', '.join(executor.unsupported)}"
    if len(executor.data or b"") > TASK_DATA_BYTES_MAX:
        return f"Executor's data is larger than {TASK_DATA_BYTES_MAX} bytes"
    if known is not None and known != executor:
        return (
            "ExecutorInfo is not compatible with existing ExecutorInfo with same"
            f" ExecutorID.\nExisting ExecutorInfo:\n{known}\nExecutorInfo:\n{executor}"
        )
    return None


def _resources_problem(resources: Resources, who: str) -> str | None:
    problem = resources_problem(resources)
    if problem is not None:
        return f"{who} uses invalid resources: {problem}"
    has_gpus = any(key.startswith("gpus") for key in resources.scalars)
    if has_gpus and resources.total("gpus") % 1000:
        return (
            f"{who} uses invalid resources: Invalid 'gpus' resource: The 'gpus'"
            " resource must be an unsigned integer"
        )
    if is_plain(resources):
        return None
    twin = twin_volume(resources)
    if twin is not None:
        return (
            f"{who} uses duplicate persistence ID: Persistence ID '{twin}' is not"
            " unique"
        )
    name = revocable_twice(keys_of(resources))
    if name is not None:
        return f"{who} mixes revocable and non-revocable resources: {_both(name)}"
    return None


def _both(name: str) -> str:
    return f"Cannot use both revocable and non-revocable '{name}' at the same time"


def launch_problem(task: TaskInfo) -> str | None:
    """Why LAUNCH cannot start it; of groups other things are asked."""
    executor = task.executor
    if (executor is None) == (task.command is None):
        return (
            "Task should have at least one (but not both) of CommandInfo or"
            " ExecutorInfo present"
        )
    if executor is None:
        return None
    if executor.type is ExecutorType.DEFAULT:
        return "'ExecutorInfo.type' must be 'CUSTOM'"
    return shares_problem(
        [task.resources, executor.resources],
        mixed="Task and its executor mix revocable and non-revocable resources",
        twice="Task and its executor use duplicate persistence ID",
        overlap=(
            f"There are overlapping resources in the task resources {task.resources}"
            f" and executor resources {executor.resources}"
        ),
    )


def group_problem(executor: ExecutorInfo, tasks: Sequence[TaskInfo]) -> str | None:
    """Why tasks cannot be a group of this executor, besides what is wrong with each
    and with the executor itself."""
    if executor.type is None:
        return "'ExecutorInfo.type' must be set"
    for task in tasks:
        if task.executor != executor:
            return (
                f"The `ExecutorInfo` of task '{task.task_id}' is different from"
                f" executor '{executor.executor_id}'"
            )
        if executor.type is ExecutorType.DEFAULT and task.command is None:
            return f"Task '{task.task_id}' is invalid: 'TaskInfo.command' must be set"
    name = f"Executor '{executor.executor_id}'"
    for what, resource, least in (
        ("CPUs", "cpus", CPUS_MILLIS_MIN),
        ("memory", "mem", MEM_MILLIS_MIN),
    ):
        millis = executor.resources.total(resource)
        if millis < least:
            return (
                f"{name} uses less {what} ({format_millis(millis) if millis else None})"
                f" than the minimum required ({format_millis(least)})"
            )
    if not executor.resources.total("disk"):
        return f"{name} uses no disk"
    return shares_problem(
        [*(task.resources for task in tasks), executor.resources],
        mixed="Task group and executor mix revocable and non-revocable resources",
        twice="Task group and executor use duplicate persistence ID",
        overlap=(
            "There are overlapping resources in the task group's task resources and/or"
            f" executor resources {executor.resources}"
        ),
    )


def shares_problem(
    parts: Sequence[Resources], *, mixed: str, twice: str, overlap: str
) -> str | None:
    """Why these cannot be used together."""
    taken = EMPTY
    seen: set[tuple[str, str]] = set()
    for part in parts:
        if part.ranges or part.sets:
            divided = Resources(ranges=part.ranges, sets=part.sets)
            if _overlap(taken, divided):
                return overlap
            taken += divided
        for _, kind in volumes(part.exclusive()):
            assert kind.volume is not None
            name = (kind.role, kind.volume.id)
            if name in seen:
                return f"{twice}: Persistence ID '{kind.volume.id}' is not unique"
            seen.add(name)
    both = revocable_twice([key for part in parts for key in keys_of(part)])
    return None if both is None else f"{mixed}: {_both(both)}"


def _overlap(taken: Resources, part: Resources) -> bool:
    """Whether a value of a range or set is in both."""
    return any(
        subtract_ranges(spans, taken.ranges.get(key, ())) != spans
        for key, spans in part.ranges.items()
    ) or any(
        not set(items).isdisjoint(taken.sets.get(key, ()))
        for key, items in part.sets.items()
    )


def is_enough(remainder: Resources, parts: Sequence[Resources]) -> bool:
    """Whether all parts fit into what is left at once. What is shared can be in many
    parts; a volume is taken as a whole."""
    needed = EMPTY
    for part in parts:
        needed += part.exclusive()
    return remainder.contains(needed) and all(
        remainder.contains(part) and divided_part(part, remainder) is None
        for part in parts
        if not is_plain(part)
    )
