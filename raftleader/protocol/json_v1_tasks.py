"""TaskInfo, CommandInfo, TaskStatus and labels in Mesos' JSON."""

from __future__ import annotations

import math

from raftleader.limits import KILL_GRACE_S_MAX, TASK_DATA_BYTES_MAX
from raftleader.protocol.ids import AgentId, TaskId
from raftleader.protocol.json_v1_fields import Fields, JsonObject, base64_text
from raftleader.protocol.json_v1_resources import read_resources, resources_to_json
from raftleader.protocol.labels import Label
from raftleader.protocol.tasks import (
    CommandInfo,
    Reason,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
)

COMMAND_CHARS_MAX = 128 * 1024
"""Longest part of a command: Linux takes no longer argument."""
MESSAGE_CHARS_MAX = 64 * 1024
"""Longest message of a status update that a reader takes."""
_MILLIS_MAX = 2**53

_STATES = {state.value: state for state in TaskState}
_SOURCES = {source.value: source for source in Source}
_REASONS = {reason.value: reason for reason in Reason}

# Settings we cannot honour yet. Without ``discovery``: it only announces.
_UNSUPPORTED_FIELDS = (
    "executor",
    "health_check",
    "check",
    "limits",
    "max_completion_time",
)

# What a framework is told that has not announced the capability.
_WITHOUT_PARTITION_AWARE = {
    TaskState.UNREACHABLE: TaskState.LOST,
    TaskState.DROPPED: TaskState.LOST,
    TaskState.GONE: TaskState.LOST,
    TaskState.GONE_BY_OPERATOR: TaskState.LOST,
    TaskState.UNKNOWN: TaskState.LOST,
}


def read_task_info(fields: Fields) -> TaskInfo:
    """A task as its framework describes it; what is odd in it is for ``apply``."""
    resources, unsupported = read_resources(fields, "resources")
    unsupported += tuple(name for name in _UNSUPPORTED_FIELDS if _is_set(fields, name))
    container = fields.child("container")
    if container is not None and not _is_plain(container):
        unsupported += ("container",)
    command = fields.child("command")
    if command is not None:
        unsupported += _unsupported_in_command(command)
    return TaskInfo(
        name=fields.required_text("name"),
        task_id=TaskId(fields.required_identifier("task_id")),
        agent_id=AgentId(fields.required_identifier("agent_id")),
        resources=resources,
        command=read_command(command) if command is not None else None,
        kill_grace_ms=read_kill_grace_ms(fields),
        data=fields.octets("data", bytes_max=TASK_DATA_BYTES_MAX),
        labels=read_labels(fields),
        unsupported=unsupported,
    )


def _is_set(fields: Fields, name: str) -> bool:
    child = fields.child(name)
    return child is not None and not (name == "limits" and child.is_empty())


def _is_plain(container: Fields) -> bool:
    """A container of type MESOS that asks for nothing is what we run anyway."""
    return container.text("type") == "MESOS" and container.is_empty(besides="type")


def _unsupported_in_command(command: Fields) -> tuple[str, ...]:
    names = []
    if command.children("uris"):
        names.append("command.uris")
    environment = command.child("environment")
    if environment is not None and any(
        variable.has("secret") or variable.text("type") == "SECRET"
        for variable in environment.children("variables")
    ):
        names.append("command.environment.secret")
    return tuple(names)


def task_info_to_json(task: TaskInfo) -> JsonObject:
    """The task without ``unsupported``, which only a reader can know."""
    message: JsonObject = {
        "name": task.name,
        "task_id": {"value": task.task_id},
        "agent_id": {"value": task.agent_id},
        "resources": resources_to_json(task.resources),
    }
    if task.command is not None:
        message["command"] = command_to_json(task.command)
    if task.kill_grace_ms is not None:
        message["kill_policy"] = kill_policy_to_json(task.kill_grace_ms)
    if task.data is not None:
        message["data"] = base64_text(task.data)
    if task.labels:
        message["labels"] = labels_to_json(task.labels)
    return message


def read_command(fields: Fields) -> CommandInfo:
    """A command. ``shell`` is true unless it says otherwise."""
    environment = fields.child("environment")
    variables = environment.children("variables") if environment else []
    shell = fields.flag("shell")
    return CommandInfo(
        value=fields.text("value", chars_max=COMMAND_CHARS_MAX),
        shell=True if shell is None else shell,
        arguments=fields.texts("arguments", chars_max=COMMAND_CHARS_MAX),
        environment=tuple(
            (
                variable.required_text("name"),
                variable.text("value", chars_max=COMMAND_CHARS_MAX) or "",
            )
            for variable in variables
        ),
        user=fields.text("user"),
    )


def command_to_json(command: CommandInfo) -> JsonObject:
    """The command, with ``shell`` always written."""
    message: JsonObject = {"shell": command.shell}
    if command.value is not None:
        message["value"] = command.value
    if command.arguments:
        message["arguments"] = list(command.arguments)
    if command.environment:
        variables = [{"name": n, "value": v} for n, v in command.environment]
        message["environment"] = {"variables": variables}
    if command.user is not None:
        message["user"] = command.user
    return message


def read_kill_grace_ms(fields: Fields) -> int | None:
    """The grace in the field ``kill_policy``, in milliseconds."""
    policy = fields.child("kill_policy")
    period = policy.child("grace_period") if policy is not None else None
    if period is None:
        return None
    nanoseconds_max = int(KILL_GRACE_S_MAX) * 10**9
    nanoseconds = period.integer("nanoseconds", least=0, most=nanoseconds_max)
    if nanoseconds is None:
        raise period.invalid("nanoseconds", "is required")
    return nanoseconds // 10**6


def kill_policy_to_json(grace_ms: int) -> JsonObject:
    """A ``KillPolicy``."""
    return {"grace_period": {"nanoseconds": grace_ms * 10**6}}


def read_labels(fields: Fields) -> tuple[Label, ...]:
    """The labels in the field ``labels``."""
    labels = fields.child("labels")
    items = labels.children("labels") if labels is not None else []
    return tuple(
        Label(
            key=item.required_text("key"),
            value=item.text("value", chars_max=MESSAGE_CHARS_MAX),
        )
        for item in items
    )


def labels_to_json(labels: tuple[Label, ...]) -> JsonObject:
    """A ``Labels``."""
    return {
        "labels": [
            {"key": label.key}
            if label.value is None
            else {"key": label.key, "value": label.value}
            for label in labels
        ]
    }


def task_state_for(state: TaskState, capabilities: tuple[str, ...]) -> TaskState:
    """The state as a framework with these capabilities may be told it."""
    if "PARTITION_AWARE" not in capabilities:
        state = _WITHOUT_PARTITION_AWARE.get(state, state)
    if state is TaskState.KILLING and "TASK_KILLING_STATE" not in capabilities:
        return TaskState.RUNNING
    return state


def task_status_to_json(
    status: TaskStatus, capabilities: tuple[str, ...]
) -> JsonObject:
    """A status, in words its framework knows."""
    message: JsonObject = {
        "task_id": {"value": status.task_id},
        "state": task_state_for(status.state, capabilities).value,
        "source": status.source.value,
    }
    if status.agent_id is not None:
        message["agent_id"] = {"value": status.agent_id}
    if status.executor_id is not None:
        message["executor_id"] = {"value": status.executor_id}
    if status.reason is not None:
        message["reason"] = status.reason.value
    if status.message is not None:
        message["message"] = status.message
    if status.data is not None:
        message["data"] = base64_text(status.data)
    if status.uuid is not None:
        message["uuid"] = base64_text(status.uuid)
    message["timestamp"] = status.timestamp_ms / 1000
    container: JsonObject = {}
    if status.container_id is not None:
        container["container_id"] = {"value": status.container_id}
    if status.executor_pid is not None:
        container["executor_pid"] = status.executor_pid
    if container:
        message["container_status"] = container
    if status.labels:
        message["labels"] = labels_to_json(status.labels)
    if status.unreachable_ms is not None:
        message["unreachable_time"] = {"nanoseconds": status.unreachable_ms * 10**6}
    return message


def read_task_status(fields: Fields) -> TaskStatus:
    """A status. A reason we do not know is unset; an unknown state is an error."""
    state = fields.required_text("state")
    if state not in _STATES:
        raise fields.invalid("state", f"{state!r} is not a task state")
    source = fields.text("source")
    reason = fields.text("reason")
    container = fields.child("container_status")
    unreachable = fields.child("unreachable_time")
    nanoseconds = unreachable.integer("nanoseconds") if unreachable else None
    agent_id = fields.identifier("agent_id")
    return TaskStatus(
        task_id=TaskId(fields.required_identifier("task_id")),
        state=_STATES[state],
        source=_SOURCES.get(source or "", Source.EXECUTOR),
        agent_id=AgentId(agent_id) if agent_id is not None else None,
        reason=_REASONS.get(reason or ""),
        message=fields.text("message", chars_max=MESSAGE_CHARS_MAX),
        data=fields.octets("data", bytes_max=TASK_DATA_BYTES_MAX),
        uuid=fields.octets("uuid", bytes_max=64),
        timestamp_ms=_read_timestamp_ms(fields),
        executor_id=fields.identifier("executor_id"),
        container_id=container.identifier("container_id") if container else None,
        executor_pid=container.integer("executor_pid", least=0, most=2**32 - 1)
        if container
        else None,
        labels=read_labels(fields),
        unreachable_ms=nanoseconds // 10**6 if nanoseconds is not None else None,
    )


def _read_timestamp_ms(fields: Fields) -> int:
    seconds = fields.number("timestamp") or 0.0
    if not math.isfinite(seconds) or abs(seconds) * 1000 > _MILLIS_MAX:
        raise fields.invalid("timestamp", "is out of range")
    return round(seconds * 1000)
