"""``/state`` of the agent, in the shape of Mesos': ids are plain text, resources one
object with the four usual scalars always in it."""

from __future__ import annotations

from typing import Any

from agent.operator_api.statistics import sums_by_name
from agent.operator_api.views import roles_of, status_to_json
from agent.view import AgentView, ExecutorState, ExecutorView, FrameworkView, TaskView
from raftleader.protocol.agents import Attribute
from raftleader.protocol.json_v1_executors import executor_info_to_json
from raftleader.protocol.json_v1_fields import JsonObject
from raftleader.protocol.json_v1_kinds import ReservationForm
from raftleader.protocol.json_v1_labels import labels_to_json
from raftleader.protocol.json_v1_resources import resources_to_json
from raftleader.protocol.json_v1_tasks import task_info_to_json
from raftleader.protocol.resources import (
    EMPTY,
    Range,
    Resources,
    format_millis,
    split_key,
)
from raftleader.protocol.served import AGENT_CAPABILITIES, MESOS_VERSION
from raftleader.protocol.tasks import TaskStatus

_ALWAYS = ("cpus", "disk", "gpus", "mem")
_OF_STATUS = ("healthy", "check_status", "container_status", "labels")


def state_document(view: AgentView, flags: dict[str, str]) -> JsonObject:
    """Everything but what is only ours."""
    info = view.info
    total = info.resources
    frameworks = view.frameworks()
    charged = [e.resources for f in frameworks for e in f.executors]
    used = sum(charged[1:], charged[0]) if charged else EMPTY
    document: JsonObject = {
        "version": MESOS_VERSION,
        "build_date": "",
        "build_time": 0.0,
        "build_user": "",
        "start_time": view.start_time_s,
        "id": view.agent_id or "",
        "pid": f"slave(1)@{info.ip}:{info.port}",
        "hostname": info.hostname,
        "capabilities": list(AGENT_CAPABILITIES),
        "resources": v0_resources(total),
        "reserved_resources": {
            role: v0_resources(part) for role, part in _by_role(total).items()
        },
        "unreserved_resources": v0_resources(_of_role(total, "*")),
        "reserved_resources_full": {
            role: resources_to_json(part, form=ReservationForm.BOTH)
            for role, part in _by_role(total).items()
        },
        "unreserved_resources_full": resources_to_json(_of_role(total, "*")),
        "reserved_resources_allocated": {
            role: v0_resources(part) for role, part in _by_role(used).items()
        },
        "unreserved_resources_allocated": v0_resources(_of_role(used, "*")),
        "resource_providers": [],
        "attributes": {a.name: attribute_value(a) for a in info.attributes},
        "flags": flags,
        "frameworks": [_framework(view, f) for f in frameworks if f.executors],
        "completed_frameworks": [
            _framework(view, f) for f in frameworks if not f.executors
        ],
    }
    if info.domain is not None:
        document["domain"] = {
            "fault_domain": {
                "region": {"name": info.domain.region},
                "zone": {"name": info.domain.zone},
            }
        }
    return document


def v0_resources(resources: Resources) -> JsonObject:
    """Scalars as numbers, ranges and sets in Mesos' text form."""
    shown: JsonObject = dict.fromkeys(_ALWAYS, 0.0)
    shown |= {name: sum_ / 1000 for name, sum_ in sums_by_name(resources).items()}
    spans: dict[str, list[Range]] = {}
    for key, ranges in resources.ranges.items():
        spans.setdefault(split_key(key)[0], []).extend(ranges)
    for name, found in spans.items():
        shown[name] = f"[{', '.join(f'{b}-{e}' for b, e in sorted(found))}]"
    members: dict[str, list[str]] = {}
    for key, items in resources.sets.items():
        members.setdefault(split_key(key)[0], []).extend(items)
    for name, items_found in members.items():
        shown[name] = f"{{{', '.join(sorted(items_found))}}}"
    return shown


def attribute_value(attribute: Attribute) -> Any:
    """A number, or text."""
    if attribute.scalar_millis is not None:
        return float(format_millis(attribute.scalar_millis))
    if attribute.ranges:
        return f"[{', '.join(f'{b}-{e}' for b, e in attribute.ranges)}]"
    if attribute.items:
        return f"{{{', '.join(attribute.items)}}}"
    return attribute.text or ""


def _by_role(resources: Resources) -> dict[str, Resources]:
    keys = (*resources.scalars, *resources.ranges, *resources.sets)
    roles = sorted({split_key(key)[1] for key in keys} - {"*"})
    return {role: _of_role(resources, role) for role in roles}


def _of_role(resources: Resources, role: str) -> Resources:
    return resources.only(lambda key: split_key(key)[1] == role)


def _framework(view: AgentView, framework: FrameworkView) -> JsonObject:
    info = framework.info
    element: JsonObject = {
        "id": framework.framework_id,
        "name": info.name,
        "user": info.user,
        "failover_timeout": info.failover_timeout_ms / 1000,
        "checkpoint": info.checkpoint,
        "hostname": info.hostname or "",
    }
    if info.principal is not None:
        element["principal"] = info.principal
    element |= roles_of(info)
    running = [
        e for e in framework.executors if e.state is not ExecutorState.TERMINATED
    ]
    over = [e for e in framework.executors if e.state is ExecutorState.TERMINATED]
    element["executors"] = [_executor(view, each) for each in running]
    element["completed_executors"] = [
        _executor(view, each) for each in (*over, *framework.completed_executors)
    ]
    return element


def _executor(view: AgentView, executor: ExecutorView) -> JsonObject:
    info = executor.info
    element: JsonObject = {
        "id": info.executor_id,
        "name": info.name or "",
        "source": executor_info_to_json(info).get("source", ""),
        "container": executor.container_id,
        "directory": executor.sandbox,
        "resources": v0_resources(executor.resources),
        "tasks": [_task(view, task) for task in executor.launched],
        "queued_tasks": [_task(view, task) for task in executor.queued],
        "completed_tasks": [
            _task(view, task) for task in (*executor.completed, *executor.terminated)
        ],
    }
    if info.labels:
        element["labels"] = labels_to_json(info.labels)["labels"]
    if info.type is not None:
        element["type"] = info.type.value
    return element


def _task(view: AgentView, task: TaskView) -> JsonObject:
    info = task_info_to_json(task.info)
    element: JsonObject = {
        "id": task.info.task_id,
        "name": task.info.name,
        "framework_id": task.framework_id,
        "executor_id": task.executor_id,
        "slave_id": task.info.agent_id,
        "state": task.state.value,
        "resources": v0_resources(task.info.resources),
        "role": task.role,
        "statuses": [_status(view, status) for status in task.statuses],
    }
    if task.info.command is not None and task.info.command.user:
        element["user"] = task.info.command.user
    if task.info.labels:
        element["labels"] = info["labels"]["labels"]
    for name in ("discovery", "container", "health_check"):
        if name in info:
            element[name] = info[name]
    return element


def _status(view: AgentView, status: TaskStatus) -> JsonObject:
    message = status_to_json(view, status)
    element: JsonObject = {
        "state": message["state"],
        "timestamp": message["timestamp"],
    }
    element |= {name: message[name] for name in _OF_STATUS if name in message}
    if "labels" in element:
        element["labels"] = element["labels"]["labels"]
    return element
