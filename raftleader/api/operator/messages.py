"""Rows of the state as messages of the operator API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from raftleader.api.holdings import Holdings, scalars_of
from raftleader.api.rendering import Rows
from raftleader.api.v0.rows import agent_pid, is_active
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.json_v1_agents import agent_info_to_json
from raftleader.protocol.json_v1_commands import kill_policy_to_json
from raftleader.protocol.json_v1_constraints import offer_constraints_to_json
from raftleader.protocol.json_v1_executors import executor_info_to_json
from raftleader.protocol.json_v1_fields import JsonObject
from raftleader.protocol.json_v1_frameworks import framework_info_to_json
from raftleader.protocol.json_v1_kinds import ReservationForm
from raftleader.protocol.json_v1_labels import labels_to_json, ms_to_json
from raftleader.protocol.json_v1_offers import inverse_offer_to_json, offer_to_json
from raftleader.protocol.json_v1_operations import known_operation_to_json
from raftleader.protocol.json_v1_resources import resources_to_json
from raftleader.protocol.json_v1_statuses import task_status_to_json
from raftleader.protocol.offers import InverseOffer, Offer
from raftleader.protocol.operator_values import Drain
from raftleader.protocol.resources import Resources
from raftleader.protocol.served import AGENT_CAPABILITIES, MESOS_VERSION
from raftleader.protocol.tasks import TaskStatus
from raftleader.state.cluster import (
    Agent,
    CompletedTask,
    Executor,
    Framework,
    InverseOfferRow,
    OperationRow,
    OutstandingOffer,
    Task,
)

EVERYTHING = ("MULTI_ROLE",)
"""Operators are told whose an offer is."""

BOTH = ReservationForm.BOTH
"""A tool does not say which form it reads."""

_decode = msgspec.json.Decoder().decode


def identifier(value: str) -> JsonObject:
    """An id of any kind."""
    return {"value": value}


def agent_message(row: Agent) -> JsonObject:
    """A ``GetAgents.Agent``."""
    message: JsonObject = {
        "agent_info": agent_info_to_json(row.id, row.info, form=BOTH),
        "active": is_active(row),
        "deactivated": row.is_deactivated or row.drain is not None,
        "version": MESOS_VERSION,
        "pid": agent_pid(row),
        "registered_time": ms_to_json(row.registered_ms),
        "total_resources": resources_to_json(row.total, form=BOTH),
        "allocated_resources": resources_to_json(row.used, form=BOTH),
        "offered_resources": resources_to_json(row.offered, form=BOTH),
        "capabilities": [{"type": name} for name in AGENT_CAPABILITIES],
    }
    if row.reregistered_ms != row.registered_ms:
        message["reregistered_time"] = ms_to_json(row.reregistered_ms)
    if row.drain is not None:
        message["drain_info"] = drain_info(row.drain)
        message["estimated_drain_start_time"] = ms_to_json(row.drain.started_ms)
    return message


def drain_info(drain: Drain) -> JsonObject:
    """A ``DrainInfo``."""
    config: JsonObject = {"mark_gone": drain.mark_gone}
    if drain.max_grace_ms is not None:
        config["max_grace_period"] = ms_to_json(drain.max_grace_ms)
    return {"state": drain.state.value, "config": config}


def framework_message(
    row: Framework, holdings: Holdings, agents: Mapping[AgentId, Agent]
) -> JsonObject:
    """A ``GetFrameworks.Framework``, with ``Rows`` in it.

    ``agents`` are those its offers are of; looked at when the message is written.
    """
    used, offered = (
        scalars_of(sums, row.id) for sums in (holdings.used, holdings.offered)
    )
    message: JsonObject = {
        "framework_info": framework_info(row),
        "active": row.connected,
        "connected": row.connected,
        "recovered": False,
        "registered_time": ms_to_json(row.registered_ms),
        "offers": Rows(
            holdings.offers.get(row.id, ()), lambda offer: offer_message(agents, offer)
        ),
        "inverse_offers": Rows(
            holdings.inverse_offers.get(row.id, ()),
            lambda inverse: inverse_offer_message(agents, inverse),
        ),
        "allocated_resources": resources_to_json(used, form=BOTH),
        "offered_resources": resources_to_json(offered, form=BOTH),
    }
    if row.subscribed_ms != row.registered_ms:
        message["reregistered_time"] = ms_to_json(row.subscribed_ms)
    if row.offer_constraints:
        message["offer_constraints"] = offer_constraints_to_json(row.offer_constraints)
    return message


def framework_info(row: Framework) -> JsonObject:
    """The framework as it described itself, under its id."""
    return framework_info_to_json(msgspec.structs.replace(row.info, id=row.id))


def removed_framework_message(item: tuple[FrameworkId, int]) -> JsonObject:
    """A ``GetFrameworks.Framework`` of which we remember the id alone."""
    framework_id, removed_ms = item
    return {
        "framework_info": framework_info_to_json(
            FrameworkInfo(user="", name="", id=framework_id)
        ),
        "active": False,
        "connected": False,
        "recovered": False,
        "unregistered_time": ms_to_json(removed_ms),
    }


def offer_message(agents: Mapping[AgentId, Agent], row: OutstandingOffer) -> JsonObject:
    """An ``Offer``."""
    offer = Offer(
        id=row.id,
        framework_id=row.framework_id,
        agent_id=row.agent_id,
        role=row.role,
        resources=row.resources,
        agent=agents[row.agent_id].info,
    )
    message = offer_to_json(offer, EVERYTHING)
    message["resources"] = _allocated(row.resources, row.role)
    return message


def inverse_offer_message(
    agents: Mapping[AgentId, Agent], row: InverseOfferRow
) -> JsonObject:
    """An ``InverseOffer``."""
    agent = agents[row.agent_id]
    return inverse_offer_to_json(
        InverseOffer(
            id=row.id,
            framework_id=row.framework_id,
            agent_id=row.agent_id,
            unavailability=row.unavailability,
            agent=agent.info,
            resources=agent.used,
        ),
        EVERYTHING,
    )


def _allocated(resources: Resources, role: str) -> list[JsonObject]:
    return resources_to_json(resources, allocated_to=role, form=BOTH)


def task_message(row: Task, user: str | None = None) -> JsonObject:
    """A ``Task``."""
    info = row.info
    message: JsonObject = {
        "name": info.name,
        "task_id": {"value": info.task_id},
        "framework_id": {"value": row.framework_id},
        "agent_id": {"value": info.agent_id},
        "state": row.state.value,
        "resources": _allocated(info.resources, row.role),
        "statuses": [task_status_message(status) for status in row.statuses],
    }
    if info.executor is not None:
        message["executor_id"] = {"value": info.executor.executor_id}
    for newest in row.pending[:1] or row.statuses[-1:]:
        message["status_update_state"] = newest.state.value
        if newest.uuid is not None:
            message["status_update_uuid"] = newest.uuid
    if info.labels:
        message["labels"] = labels_to_json(info.labels)
    if info.kill_grace_ms is not None:
        message["kill_policy"] = kill_policy_to_json(info.kill_grace_ms)
    if info.health_check is not None:
        message["health_check"] = _decode(info.health_check)
    if info.carried is not None:
        carried: dict[str, Any] = _decode(info.carried)
        message |= {
            name: carried[name]
            for name in ("container", "discovery", "limits")
            if name in carried
        }
    user = (info.command.user if info.command is not None else None) or user
    if user:
        message["user"] = user
    return message


def task_status_message(status: TaskStatus) -> JsonObject:
    """A ``TaskStatus`` without ``data``, which is the framework's alone."""
    message = task_status_to_json(status)
    message.pop("data", None)
    return message


def completed_task_message(row: CompletedTask) -> JsonObject:
    """A ``Task`` of which only its end is remembered."""
    status = {
        "task_id": {"value": row.task_id},
        "state": row.state.value,
        "timestamp": row.ended_ms / 1000,
    }
    return {
        "name": row.name,
        "task_id": {"value": row.task_id},
        "framework_id": {"value": row.framework_id},
        "agent_id": {"value": row.agent_id},
        "state": row.state.value,
        "statuses": [status],
    }


def executor_message(row: Executor) -> JsonObject:
    """A ``GetExecutors.Executor``."""
    info = msgspec.structs.replace(row.info, framework_id=row.framework_id)
    return {
        "executor_info": executor_info_to_json(info, form=BOTH),
        "agent_id": {"value": row.agent_id},
    }


def operation_message(row: OperationRow) -> JsonObject:
    """An ``Operation``."""
    return known_operation_to_json(
        row.operation,
        (row.status,),
        uuid=row.status.uuid or b"",
        framework_id=row.framework_id,
        agent_id=row.agent_id,
    )
