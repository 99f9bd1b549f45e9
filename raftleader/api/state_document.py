"""The cluster in the shape of Mesos' ``/state``, as tools read it.

Ids are plain text here, resources are objects, times are seconds. Keys that Mesos
always writes are always there, empty where we have nothing to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from raftleader import __version__
from raftleader.api.json_rows import encoded_rows
from raftleader.api.state_resources import resource_fields, state_resources
from raftleader.leader.interface import LeaderNode
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.json_v1_tasks import labels_to_json
from raftleader.protocol.resources import EMPTY, Resources, format_millis
from raftleader.protocol.tasks import TaskState, TaskStatus
from raftleader.state.cluster import (
    Agent,
    CompletedTask,
    Framework,
    OutstandingOffer,
    Task,
)

MESOS_VERSION = "1.11.0"
"""The version of Mesos whose API we serve. Digits and dots only."""
JsonRow = dict[str, Any]


async def state_document(node: LeaderNode) -> bytes:
    """The whole page, of one log index, written in small turns.

    Takes no barrier: ``raftleader.index`` says how far it goes.
    """
    state = node.state
    head = _head(node)
    # Rows never change, so copies of the tables are the state at this index.
    agents, frameworks = list(state.agents.values()), list(state.frameworks.values())
    offers, tasks = list(state.offers.values()), list(state.tasks.values())
    completed = list(state.completed_tasks.values())
    removed = dict(state.removed_frameworks)

    users = {framework.id: framework.info.user for framework in frameworks}

    def task_row(task: Task) -> JsonRow:
        return _task(task, users.get(task.framework_id, ""))

    live = [task for task in tasks if task.state is not TaskState.UNREACHABLE]
    lost = [task for task in tasks if task.state is TaskState.UNREACHABLE]
    tasks_of = _grouped(live, await encoded_rows(live, task_row))
    unreachable_of = _grouped(lost, await encoded_rows(lost, task_row))
    completed_of = _grouped(completed, await encoded_rows(completed, _completed_task))
    offers_of = _grouped(offers, await encoded_rows(offers, _offer))
    used = _sums(live)
    offered = _sums(offers)

    def framework_row(row: Framework) -> JsonRow:
        return _framework(row) | {
            "used_resources": state_resources(used.get(row.id, EMPTY)),
            "offered_resources": state_resources(offered.get(row.id, EMPTY)),
            "tasks": tasks_of.get(row.id, []),
            "unreachable_tasks": unreachable_of.get(row.id, []),
            "completed_tasks": completed_of.get(row.id, []),
            "offers": offers_of.get(row.id, []),
        }

    head["slaves"] = await encoded_rows(agents, _agent)
    head["frameworks"] = await encoded_rows(frameworks, framework_row)
    head["completed_frameworks"] = await encoded_rows(
        removed.items(), _completed_framework
    )
    return msgspec.json.encode(head)


def _head(node: LeaderNode) -> JsonRow:
    state, log, leadership = node.state, node.statistics(), node.leadership
    unreachable = sum(a.unreachable_ms is not None for a in state.agents.values())
    host, port = _host_and_port(node.http_address)
    leader = node.leader_address
    leader_host, leader_port = _host_and_port(leader or "")
    pid = f"master@{node.http_address}"
    return {
        "version": MESOS_VERSION,
        "git_sha": "",
        "git_branch": "",
        "git_tag": "",
        "build_date": "",
        "build_time": 0.0,
        "build_user": "",
        "id": node.node_id,
        "pid": pid,
        "hostname": host,
        "port": port,
        "capabilities": [],
        "activated_slaves": len(state.agents) - unreachable,
        "deactivated_slaves": 0,
        "unreachable_slaves": unreachable,
        "cluster": state.cluster_id,
        "leader": f"master@{leader}" if leader is not None else "",
        "leader_info": {
            "id": leadership.leader or "",
            "pid": f"master@{leader}" if leader is not None else "",
            "hostname": leader_host,
            "port": leader_port,
        },
        "flags": {},
        "recovered_slaves": [],
        "orphan_tasks": [],
        "unregistered_frameworks": [],
        "raftleader": {
            "version": __version__,
            "node_id": node.node_id,
            "term": leadership.term,
            "leader": leadership.leader,
            "leading": leadership.leading,
            "index": state.index,
            "commit_index": log.commit_index,
            "clock_ms": state.clock_ms,
            "peers": list(log.peers_connected),
        },
    }


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port) if port.isdecimal() else 0


def _grouped(
    rows: Sequence[Task | CompletedTask | OutstandingOffer],
    encoded: Sequence[msgspec.Raw],
) -> dict[FrameworkId, list[msgspec.Raw]]:
    groups: dict[FrameworkId, list[msgspec.Raw]] = {}
    for row, text in zip(rows, encoded, strict=True):
        groups.setdefault(row.framework_id, []).append(text)
    return groups


def _sums(rows: Sequence[Task | OutstandingOffer]) -> dict[FrameworkId, Resources]:
    """Scalars only: ports of different agents may be equal, and do not add up."""
    sums: dict[FrameworkId, dict[str, int]] = {}
    for row in rows:
        resources = row.info.resources if isinstance(row, Task) else row.resources
        if isinstance(row, Task) and row.state.is_terminal:
            continue
        total = sums.setdefault(row.framework_id, {})
        for key, millis in resources.scalars.items():
            total[key] = total.get(key, 0) + millis
    return {framework_id: Resources.of(total) for framework_id, total in sums.items()}


def _agent(row: Agent) -> JsonRow:
    info = row.info
    is_active = row.unreachable_ms is None
    return {
        "id": row.id,
        "hostname": info.hostname,
        "port": info.port,
        "pid": f"slave(1)@{info.ip}:{info.port}",
        "attributes": {
            attribute.name: attribute.text
            if attribute.text is not None
            else format_millis(attribute.scalar_millis)
            if attribute.scalar_millis is not None
            else ", ".join(f"{begin}-{end}" for begin, end in attribute.ranges)
            for attribute in info.attributes
        },
        "registered_time": row.registered_ms / 1000,
        "reregistered_time": row.reregistered_ms / 1000,
        "resources": state_resources(info.resources),
        "used_resources": state_resources(row.used),
        "offered_resources": state_resources(row.offered),
        **resource_fields(info.resources),
        "active": is_active,
        "deactivated": False,
        "version": MESOS_VERSION,
        "capabilities": [],
    }


def _framework(row: Framework) -> JsonRow:
    info = row.info
    roles: JsonRow = (
        {"roles": info.roles}
        if info.is_capable("MULTI_ROLE") or len(info.roles) != 1
        else {"role": info.roles[0]}
    )
    return {
        "id": row.id,
        "name": info.name,
        "user": info.user,
        "hostname": info.hostname or "",
        "principal": info.principal or "",
        "webui_url": info.webui_url or "",
        "capabilities": info.capabilities,
        "active": row.connected,
        "connected": row.connected,
        "recovered": False,
        "failover_timeout": info.failover_timeout_ms / 1000,
        "checkpoint": info.checkpoint,
        "registered_time": row.registered_ms / 1000,
        "reregistered_time": row.subscribed_ms / 1000,
        "unregistered_time": 0.0,
        "labels": labels_to_json(info.labels)["labels"],
        "executors": [],
        **roles,
    }


def _task(row: Task, user: str) -> JsonRow:
    info = row.info
    return {
        "id": info.task_id,
        "name": info.name,
        "framework_id": row.framework_id,
        "executor_id": "",
        "slave_id": info.agent_id,
        "state": row.state.value,
        "resources": state_resources(info.resources),
        "role": row.role,
        "user": (info.command.user if info.command else None) or user,
        "statuses": [_status(status) for status in row.statuses],
        "labels": labels_to_json(info.labels)["labels"],
    }


def _status(status: TaskStatus) -> JsonRow:
    row: JsonRow = {
        "state": status.state.value,
        "timestamp": status.timestamp_ms / 1000,
        "source": status.source.value,
    }
    if status.reason is not None:
        row["reason"] = status.reason.value
    if status.message is not None:
        row["message"] = status.message
    if status.container_id is not None:
        row["container_status"] = {"container_id": {"value": status.container_id}}
    return row


def _completed_task(row: CompletedTask) -> JsonRow:
    return {
        "id": row.task_id,
        "name": row.name,
        "framework_id": row.framework_id,
        "executor_id": "",
        "slave_id": row.agent_id,
        "state": row.state.value,
        "resources": state_resources(EMPTY),
        "statuses": [{"state": row.state.value, "timestamp": row.ended_ms / 1000}],
        "labels": [],
    }


def _offer(row: OutstandingOffer) -> JsonRow:
    return {
        "id": row.id,
        "framework_id": row.framework_id,
        "slave_id": row.agent_id,
        "allocation_info": {"role": row.role},
        "resources": state_resources(row.resources),
    }


def _completed_framework(item: tuple[FrameworkId, int]) -> JsonRow:
    framework_id, removed_ms = item
    return {
        "id": framework_id,
        "name": "",
        "active": False,
        "connected": False,
        "unregistered_time": removed_ms / 1000,
        "tasks": [],
        "completed_tasks": [],
    }
