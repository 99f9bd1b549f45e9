"""TaskInfo and groups of tasks in Mesos' messages."""

from __future__ import annotations

from raftleader.limits import TASK_DATA_BYTES_MAX
from raftleader.protocol.ids import AgentId, TaskId
from raftleader.protocol.json_v1_commands import (
    command_to_json,
    kill_policy_to_json,
    read_command,
    read_kill_grace_ms,
    unsupported_in_command,
    unsupported_in_container,
)
from raftleader.protocol.json_v1_executors import (
    executor_info_to_json,
    read_executor_info,
    read_own_resources,
)
from raftleader.protocol.json_v1_fields import Fields, JsonObject
from raftleader.protocol.json_v1_kinds import ReservationForm
from raftleader.protocol.json_v1_labels import (
    labels_to_json,
    ms_to_json,
    read_labels,
    read_ms,
)
from raftleader.protocol.json_v1_resources import resources_to_json
from raftleader.protocol.tasks import ExecutorInfo, TaskInfo
from raftleader.protocol.wire.carried import (
    read_carried,
    read_whole,
    tree_of_carried,
)

UNSUPPORTED_TASK_FIELDS = ("limits",)
"""Settings of a task that no agent honours (yet); TASK_ERROR rather than to run
without them."""

_CARRIED = ("container", "discovery")
_PLAIN = frozenset({"name", "task_id", "agent_id", "resources", "command"})
"""Fields of a task besides which most have none."""


def read_task_info(fields: Fields, group: ExecutorInfo | None = None) -> TaskInfo:
    """A task as its framework describes it; what is odd in it is for ``apply``.

    ``group`` is the executor of its group: of a task that names none itself.
    """
    resources, unsupported = read_own_resources(fields)
    command = fields.child("command")
    if command is not None:
        unsupported += unsupported_in_command(command)
    name = fields.required_text("name")
    task_id = TaskId(fields.required_identifier("task_id"))
    agent_id = AgentId(fields.required_identifier("agent_id"))
    if fields.has_only(_PLAIN):
        return TaskInfo(
            name=name,
            task_id=task_id,
            agent_id=agent_id,
            resources=resources,
            command=read_command(command) if command is not None else None,
            executor=group,
            unsupported=unsupported,
        )
    unsupported += tuple(
        each for each in UNSUPPORTED_TASK_FIELDS if not fields.is_unset(each)
    )
    container = fields.child("container")
    if container is not None:
        unsupported += unsupported_in_container(container)
    executor = fields.child("executor")
    health_check = fields.child("health_check")
    check = fields.child("check")
    return TaskInfo(
        name=name,
        task_id=task_id,
        agent_id=agent_id,
        resources=resources,
        command=read_command(command) if command is not None else None,
        executor=read_executor_info(executor) if executor is not None else group,
        kill_grace_ms=read_kill_grace_ms(fields),
        max_completion_ms=read_ms(fields, "max_completion_time"),
        data=fields.octets("data", bytes_max=TASK_DATA_BYTES_MAX),
        labels=read_labels(fields),
        health_check=read_whole(health_check, "mesos.HealthCheck")
        if health_check is not None
        else None,
        check=read_whole(check, "mesos.CheckInfo") if check is not None else None,
        carried=read_carried(fields, "mesos.TaskInfo", _CARRIED),
        unsupported=unsupported,
    )


def read_task_group(
    fields: Fields, executor: ExecutorInfo | None = None
) -> tuple[TaskInfo, ...]:
    """The tasks of a ``TaskGroupInfo`` that is run by ``executor``."""
    return tuple(read_task_info(item, executor) for item in fields.children("tasks"))


def task_info_to_json(
    task: TaskInfo,
    *,
    form: ReservationForm = ReservationForm.REFINED,
    allocated_to: str | None = None,
) -> JsonObject:
    """The task without ``unsupported``, which only a reader can know."""
    message: JsonObject = tree_of_carried(task.carried) if task.carried else {}
    message["name"] = task.name
    message["task_id"] = {"value": task.task_id}
    message["agent_id"] = {"value": task.agent_id}
    message["resources"] = resources_to_json(
        task.resources, form=form, allocated_to=allocated_to
    )
    if task.executor is not None:
        message["executor"] = executor_info_to_json(
            task.executor, form=form, allocated_to=allocated_to
        )
    if task.command is not None:
        message["command"] = command_to_json(task.command)
    if task.kill_grace_ms is not None:
        message["kill_policy"] = kill_policy_to_json(task.kill_grace_ms)
    if task.max_completion_ms is not None:
        message["max_completion_time"] = ms_to_json(task.max_completion_ms)
    if task.data is not None:
        message["data"] = task.data
    if task.labels:
        message["labels"] = labels_to_json(task.labels)
    if task.health_check is not None:
        message["health_check"] = tree_of_carried(task.health_check)
    if task.check is not None:
        message["check"] = tree_of_carried(task.check)
    return message


def task_group_to_json(
    tasks: tuple[TaskInfo, ...],
    *,
    form: ReservationForm = ReservationForm.REFINED,
    allocated_to: str | None = None,
) -> JsonObject:
    """A ``TaskGroupInfo``."""
    return {
        "tasks": [
            task_info_to_json(task, form=form, allocated_to=allocated_to)
            for task in tasks
        ]
    }
