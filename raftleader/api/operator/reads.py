"""The calls that read the cluster: GET_STATE and its parts.

Each is a document made of copies of the tables at one log index.
"""

from __future__ import annotations

from itertools import chain

from raftleader.api.holdings import Holdings, Tables
from raftleader.api.operator.maintenance import schedule_message, status_message
from raftleader.api.operator.messages import (
    agent_message,
    completed_task_message,
    executor_message,
    framework_message,
    operation_message,
    removed_framework_message,
    task_message,
)
from raftleader.api.operator.roles import RoleRow, Roles
from raftleader.api.rendering import Pieces, Rows, message_pieces
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.json_v1_agents import agent_info_to_json
from raftleader.protocol.json_v1_fields import JsonObject
from raftleader.protocol.json_v1_kinds import ReservationForm
from raftleader.protocol.json_v1_resources import resources_to_json
from raftleader.protocol.operator_values import Quota
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import TaskState
from raftleader.protocol.wire.media import Media
from raftleader.state.cluster import Agent, ClusterState, Framework, Task

RESPONSE = "master.Response"
_ROLE_SCALARS = ("cpus", "disk", "gpus", "mem")

TABLE_READS = frozenset(
    {"GET_STATE", "GET_AGENTS", "GET_FRAMEWORKS", "GET_EXECUTORS", "GET_TASKS"}
)
"""Calls answered from the big tables."""
SMALL_READS = frozenset(
    {
        "GET_OPERATIONS",
        "GET_WEIGHTS",
        "GET_QUOTA",
        "GET_MAINTENANCE_STATUS",
        "GET_MAINTENANCE_SCHEDULE",
    }
)
"""Calls answered from tables that are small."""


def read_pieces(media: Media, kind: str, state: ClusterState) -> Pieces:
    """The answer to a call of ``TABLE_READS``, ``SMALL_READS`` or GET_ROLES."""
    if kind == "GET_ROLES":
        roles = Roles()
        yield from roles.fill(state)
        body: JsonObject = {"roles": Rows(roles.rows, _role)}
    elif kind in TABLE_READS:
        tables = Tables.copied(state)
        holdings = Holdings()
        yield from holdings.fill(tables)
        body = table_message(kind, tables, holdings)
    else:
        body = _small_message(kind, state)
    yield from message_pieces(media, RESPONSE, {"type": kind, kind.lower(): body})


def table_message(kind: str, tables: Tables, holdings: Holdings) -> JsonObject:
    """The body of the answer to a call of ``TABLE_READS``."""
    match kind:
        case "GET_AGENTS":
            return _agents(tables)
        case "GET_FRAMEWORKS":
            return _frameworks(tables, holdings)
        case "GET_EXECUTORS":
            return {"executors": Rows(tables.executors, executor_message)}
        case "GET_TASKS":
            return _tasks(tables, holdings)
        case _:
            assert kind == "GET_STATE", kind
            return {
                part.lower(): table_message(part, tables, holdings)
                for part in (
                    "GET_TASKS",
                    "GET_EXECUTORS",
                    "GET_FRAMEWORKS",
                    "GET_AGENTS",
                )
            }


def _agents(tables: Tables) -> JsonObject:
    """An unreachable agent is one that may come back: Mesos tells of those apart."""
    reachable: list[Agent] = []
    away: list[Agent] = []
    for row in tables.agents.values():
        (reachable if row.unreachable_ms is None else away).append(row)
    return {
        "agents": Rows(reachable, agent_message),
        "recovered_agents": Rows(
            away, lambda row: agent_info_to_json(row.id, row.info)
        ),
    }


def _frameworks(tables: Tables, holdings: Holdings) -> JsonObject:
    def to_tree(row: Framework) -> JsonObject:
        return framework_message(row, holdings, tables.agents)

    return {
        "frameworks": Rows(tables.frameworks, to_tree, has_rows=True),
        "completed_frameworks": Rows(tables.removed, removed_framework_message),
    }


def _tasks(tables: Tables, holdings: Holdings) -> JsonObject:
    users: dict[FrameworkId, str] = {f.id: f.info.user for f in tables.frameworks}
    live: list[Task] = []
    unreachable: list[Task] = []
    for row in tables.tasks:
        (unreachable if row.state is TaskState.UNREACHABLE else live).append(row)

    def to_tree(row: Task) -> JsonObject:
        return task_message(row, users.get(row.framework_id))

    return {
        "tasks": Rows(live, to_tree),
        "unreachable_tasks": Rows(unreachable, to_tree),
        "completed_tasks": Rows(
            list(chain.from_iterable(holdings.completed.values())),
            completed_task_message,
        ),
    }


def _small_message(kind: str, state: ClusterState) -> JsonObject:
    match kind:
        case "GET_OPERATIONS":
            rows = list(state.operations.values())
            return {"operations": Rows(rows, operation_message)}
        case "GET_WEIGHTS":
            infos = [
                {"weight": millis / 1000, "role": role}
                for role, millis in sorted(state.weights.items())
            ]
            return {"weight_infos": infos}
        case "GET_QUOTA":
            return {"status": quota_status(state)}
        case "GET_MAINTENANCE_STATUS":
            return {"status": status_message(state)}
        case _:
            assert kind == "GET_MAINTENANCE_SCHEDULE", kind
            return {"schedule": schedule_message(state)}


def quota_status(state: ClusterState) -> JsonObject:
    """A ``QuotaStatus``: the same in v0 and v1."""
    quotas = sorted(state.quotas.items())
    return {
        "infos": [_quota_info(role, quota) for role, quota in quotas],
        "configs": [_quota_config(role, quota) for role, quota in quotas],
    }


def _quota_info(role: str, quota: Quota) -> JsonObject:
    guarantee = resources_to_json(
        Resources.of(quota.guarantees), form=ReservationForm.OLD
    )
    return {"role": role, "guarantee": guarantee}


def _quota_config(role: str, quota: Quota) -> JsonObject:
    return {
        "role": role,
        "guarantees": _amounts(quota.guarantees),
        "limits": _amounts(quota.limits),
    }


def _amounts(amounts: dict[str, int]) -> JsonObject:
    return {name: {"value": value / 1000} for name, value in sorted(amounts.items())}


def _role(row: RoleRow) -> JsonObject:
    held = dict(row.allocated)
    for name, millis in row.offered.items():
        held[name] = held.get(name, 0) + millis
    return {
        "name": row.name,
        "weight": row.weight_millis / 1000,
        "frameworks": [{"value": framework_id} for framework_id in row.frameworks],
        "resources": [
            {"name": name, "type": "SCALAR", "scalar": {"value": held[name] / 1000}}
            for name in _ROLE_SCALARS
            if name in held
        ],
    }
