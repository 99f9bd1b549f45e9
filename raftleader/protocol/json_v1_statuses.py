"""TaskStatus in Mesos' messages."""

from __future__ import annotations

import math

from raftleader.limits import TASK_DATA_BYTES_MAX
from raftleader.protocol.ids import AgentId, TaskId
from raftleader.protocol.json_v1_fields import (
    MESSAGE_CHARS_MAX,
    Fields,
    JsonObject,
)
from raftleader.protocol.json_v1_labels import labels_to_json, read_labels, read_ms
from raftleader.protocol.tasks import Reason, Source, TaskState, TaskStatus
from raftleader.protocol.wire.carried import (
    canonical,
    tree_of_carried,
    write_carried,
)

_MILLIS_MAX = 2**53
_UINT32_MAX = 2**32 - 1

_STATES = {state.value: state for state in TaskState}
_SOURCES = {source.value: source for source in Source}
_REASONS = {reason.value: reason for reason in Reason}

# What of a container's status is in fields of ours.
_READ_OF_CONTAINER = frozenset({"container_id", "executor_pid"})
_CARRIED = {
    "check_status": "mesos.CheckStatusInfo",
    "limitation": "mesos.TaskResourceLimitation",
    "container_status": "mesos.ContainerStatus",
}

# What a framework is told that has not announced the capability.
_WITHOUT_PARTITION_AWARE = {
    TaskState.UNREACHABLE: TaskState.LOST,
    TaskState.DROPPED: TaskState.LOST,
    TaskState.GONE: TaskState.LOST,
    TaskState.GONE_BY_OPERATOR: TaskState.LOST,
    TaskState.UNKNOWN: TaskState.LOST,
}

ALL_STATES = ("PARTITION_AWARE", "TASK_KILLING_STATE")
"""The capabilities of whoever is told every state by its own name."""


def task_state_for(state: TaskState, capabilities: tuple[str, ...]) -> TaskState:
    """The state as a framework with these capabilities may be told it."""
    if "PARTITION_AWARE" not in capabilities:
        state = _WITHOUT_PARTITION_AWARE.get(state, state)
    if state is TaskState.KILLING and "TASK_KILLING_STATE" not in capabilities:
        return TaskState.RUNNING
    return state


def task_status_to_json(
    status: TaskStatus, capabilities: tuple[str, ...] = ALL_STATES
) -> JsonObject:
    """A status, in words its framework knows."""
    message: JsonObject = tree_of_carried(status.carried) if status.carried else {}
    message["task_id"] = {"value": status.task_id}
    message["state"] = task_state_for(status.state, capabilities).value
    message["source"] = status.source.value
    if status.agent_id is not None:
        message["agent_id"] = {"value": status.agent_id}
    if status.executor_id is not None:
        message["executor_id"] = {"value": status.executor_id}
    if status.reason is not None:
        message["reason"] = status.reason.value
    if status.message is not None:
        message["message"] = status.message
    if status.data is not None:
        message["data"] = status.data
    if status.uuid is not None:
        message["uuid"] = status.uuid
    message["timestamp"] = status.timestamp_ms / 1000
    if status.container_id is not None or status.executor_pid is not None:
        container: JsonObject = message.setdefault("container_status", {})
        if status.container_id is not None:
            named = container.setdefault("container_id", {})
            named["value"] = status.container_id
        if status.executor_pid is not None:
            container["executor_pid"] = status.executor_pid
    if status.labels:
        message["labels"] = labels_to_json(status.labels)
    if status.unreachable_ms is not None:
        message["unreachable_time"] = {"nanoseconds": status.unreachable_ms * 10**6}
    if status.healthy is not None:
        message["healthy"] = status.healthy
    return message


def read_task_status(fields: Fields) -> TaskStatus:
    """A status. A reason we do not know is unset; an unknown state is an error.

    A source that is not named is SOURCE_EXECUTOR.
    """
    state = fields.required_text("state")
    if state not in _STATES:
        raise fields.invalid("state", f"{state!r} is not a task state")
    source = fields.text("source")
    reason = fields.text("reason")
    container = fields.child("container_status")
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
        executor_pid=container.integer("executor_pid", least=0, most=_UINT32_MAX)
        if container
        else None,
        labels=read_labels(fields),
        unreachable_ms=read_ms(fields, "unreachable_time"),
        healthy=fields.flag("healthy"),
        carried=_read_carried(fields),
    )


def _read_carried(fields: Fields) -> bytes | None:
    tree: JsonObject = {}
    for name, kind in _CARRIED.items():
        child = fields.child(name)
        if child is None or (
            name == "container_status" and child.has_only(_READ_OF_CONTAINER)
        ):
            continue
        body = canonical(child, kind)
        if name == "container_status":
            body.pop("executor_pid", None)
            named = body.pop("container_id", {})
            # Only a parent is left of it: the value is a field of ours.
            if named.pop("value", "") and named:
                body["container_id"] = named
        tree[name] = body
    return write_carried(fields, tree) if tree else None


def _read_timestamp_ms(fields: Fields) -> int:
    seconds = fields.number("timestamp") or 0.0
    if not math.isfinite(seconds) or abs(seconds) * 1000 > _MILLIS_MAX:
        raise fields.invalid("timestamp", "is out of range")
    return round(seconds * 1000)
