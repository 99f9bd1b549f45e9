"""Rows of the old pages: an agent, a framework, a task, an executor, an offer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from raftleader.api.v0.resources import by_reservation, state_resources
from raftleader.protocol.agents import Attribute
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.json_v1_agents import domain_to_json
from raftleader.protocol.json_v1_commands import uri_to_json
from raftleader.protocol.labels import Label
from raftleader.protocol.resources import EMPTY, Range
from raftleader.protocol.served import AGENT_CAPABILITIES, MESOS_VERSION
from raftleader.protocol.tasks import CommandInfo, TaskStatus
from raftleader.state.cluster import (
    Agent,
    CompletedTask,
    Executor,
    Framework,
    OutstandingOffer,
    Task,
)

JsonRow = dict[str, Any]

_decode = msgspec.json.Decoder().decode


def agent_row(row: Agent) -> JsonRow:
    """An agent."""
    info, total = row.info, row.total
    reserved, unreserved = by_reservation(total)
    message: JsonRow = {
        "id": row.id,
        "hostname": info.hostname,
        "port": info.port,
        "attributes": {a.name: _attribute(a) for a in info.attributes},
        "pid": agent_pid(row),
        "registered_time": row.registered_ms / 1000,
        "resources": state_resources(total),
        "used_resources": state_resources(row.used),
        "offered_resources": state_resources(row.offered),
        "reserved_resources": {r: state_resources(v) for r, v in reserved.items()},
        "unreserved_resources": state_resources(unreserved),
        "active": is_active(row),
        "deactivated": row.is_deactivated or row.drain is not None,
        "version": MESOS_VERSION,
        "capabilities": AGENT_CAPABILITIES,
    }
    if row.reregistered_ms != row.registered_ms:
        message["reregistered_time"] = row.reregistered_ms / 1000
    if info.domain is not None:
        message["domain"] = domain_to_json(info.domain)
    if row.drain is not None:
        config: JsonRow = {"mark_gone": row.drain.mark_gone}
        if row.drain.max_grace_ms is not None:
            config["max_grace_period"] = {"nanoseconds": row.drain.max_grace_ms * 10**6}
        message["drain_info"] = {"state": row.drain.state.value, "config": config}
        message["estimated_drain_start_time_seconds"] = row.drain.started_ms / 1000
    return message


def agent_pid(row: Agent) -> str:
    """How Mesos names an agent's process."""
    return f"slave(1)@{row.info.ip}:{row.info.port}"


def is_active(row: Agent) -> bool:
    """Whether anything of it may be offered."""
    return not (row.unreachable_ms or row.is_deactivated or row.drain)


def _attribute(attribute: Attribute) -> object:
    if attribute.text is not None:
        return attribute.text
    if attribute.scalar_millis is not None:
        return attribute.scalar_millis / 1000
    if attribute.items:
        return f"{{{', '.join(attribute.items)}}}"
    return _spans(attribute.ranges)


def _spans(ranges: tuple[Range, ...]) -> str:
    return f"[{', '.join(f'{begin}-{end}' for begin, end in ranges)}]"


def framework_row(row: Framework) -> JsonRow:
    """A framework without the lists of what it has."""
    info = row.info
    message: JsonRow = {
        "id": row.id,
        "name": info.name,
        "capabilities": info.capabilities,
        "hostname": info.hostname or "",
        "webui_url": info.webui_url or "",
        "active": row.connected,
        "connected": row.connected,
        "recovered": False,
    }
    return message


def framework_details(row: Framework) -> JsonRow:
    """What ``/state`` tells of a framework besides ``framework_row``."""
    info = row.info
    message: JsonRow = {
        "user": info.user,
        "failover_timeout": info.failover_timeout_ms / 1000,
        "checkpoint": info.checkpoint,
        "registered_time": row.registered_ms / 1000,
        "unregistered_time": 0.0,
        "principal": info.principal or "",
        **_roles(info),
    }
    if row.subscribed_ms != row.registered_ms:
        message["reregistered_time"] = row.subscribed_ms / 1000
    if info.labels:
        message["labels"] = labels_list(info.labels)
    return message


def _roles(info: FrameworkInfo) -> JsonRow:
    if info.is_capable("MULTI_ROLE") or len(info.roles) != 1:
        return {"roles": info.roles}
    return {"role": info.roles[0]}


def task_row(user: str) -> Callable[[Task], JsonRow]:
    """Makes the rows of tasks whose framework runs as ``user``."""

    def row_of(row: Task) -> JsonRow:
        info = row.info
        command = info.command
        message: JsonRow = {
            "id": info.task_id,
            "name": info.name,
            "framework_id": row.framework_id,
            "executor_id": "" if info.executor is None else info.executor.executor_id,
            "slave_id": info.agent_id,
            "state": row.state._value_,
            "resources": state_resources(info.resources),
            "role": row.role,
            "statuses": [_status(status) for status in row.statuses],
            "user": (command.user if command is not None else None) or user,
        }
        if info.labels:
            message["labels"] = labels_list(info.labels)
        if info.carried is not None:
            message |= _decode(info.carried)
        if info.health_check is not None:
            message["health_check"] = _decode(info.health_check)
        return message

    return row_of


def completed_task_row(row: CompletedTask) -> JsonRow:
    """A task of which only its end is remembered."""
    return {
        "id": row.task_id,
        "name": row.name,
        "framework_id": row.framework_id,
        "executor_id": "",
        "slave_id": row.agent_id,
        "state": row.state.value,
        "resources": state_resources(EMPTY),
        "role": "*",
        "statuses": [{"state": row.state.value, "timestamp": row.ended_ms / 1000}],
    }


def _status(status: TaskStatus) -> JsonRow:
    row: JsonRow = {
        "state": status.state._value_,  # the slow ``value`` would show: a page has
        "timestamp": status.timestamp_ms / 1000,  # a hundred thousand of these
        "source": status.source._value_,
    }
    if status.reason is not None:
        row["reason"] = status.reason.value
    if status.message is not None:
        row["message"] = status.message
    if status.container_id is not None:
        row["container_status"] = {"container_id": {"value": status.container_id}}
    if status.labels:
        row["labels"] = labels_list(status.labels)
    if status.healthy is not None:
        row["healthy"] = status.healthy
    if status.carried is not None:
        carried = _decode(status.carried)
        container = row.get("container_status", {}) | carried.get(
            "container_status", {}
        )
        row |= carried
        if container:
            row["container_status"] = container
    return row


def labels_list(labels: tuple[Label, ...]) -> list[JsonRow]:
    """Labels as a bare list."""
    return [
        {"key": label.key}
        if label.value is None
        else {"key": label.key, "value": label.value}
        for label in labels
    ]


def executor_row(row: Executor) -> JsonRow:
    """An executor."""
    info = row.info
    message: JsonRow = {
        "executor_id": info.executor_id,
        "name": info.name or "",
        "framework_id": row.framework_id,
        "command": _command(info.command),
        "resources": state_resources(info.resources),
        "role": row.role,
        "slave_id": row.agent_id,
        "type": info.type.value if info.type is not None else "CUSTOM",
    }
    if info.labels:
        message["labels"] = labels_list(info.labels)
    return message


def _command(command: CommandInfo | None) -> JsonRow:
    if command is None:
        return {"shell": True, "argv": [], "uris": []}
    message: JsonRow = {
        "shell": command.shell,
        "argv": command.arguments,
        "uris": [uri_to_json(uri) for uri in command.uris],
    }
    if command.value is not None:
        message["value"] = command.value
    if command.environment:
        variables = [{"name": n, "value": v} for n, v in command.environment]
        message["environment"] = {"variables": variables}
    return message


def offer_row(row: OutstandingOffer) -> JsonRow:
    """An outstanding offer."""
    return {
        "id": row.id,
        "framework_id": row.framework_id,
        "allocation_info": {"role": row.role},
        "slave_id": row.agent_id,
        "resources": state_resources(row.resources),
    }
