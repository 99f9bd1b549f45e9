"""Calls of the scheduler API in Mesos' messages: how they are written."""

from __future__ import annotations

from raftleader.protocol.ids import AgentId, OfferId, TaskId
from raftleader.protocol.json_v1_commands import kill_policy_to_json
from raftleader.protocol.json_v1_constraints import offer_constraints_to_json
from raftleader.protocol.json_v1_fields import JsonObject
from raftleader.protocol.json_v1_frameworks import framework_info_to_json
from raftleader.protocol.json_v1_labels import ids_to_json
from raftleader.protocol.json_v1_operations import operation_to_json
from raftleader.protocol.scheduler_api import (
    Accept,
    AcceptInverseOffers,
    Acknowledge,
    AcknowledgeOperation,
    Call,
    Decline,
    DeclineInverseOffers,
    Kill,
    Reconcile,
    ReconcileOperations,
    RequestResources,
    Revive,
    SendMessage,
    ShutdownExecutor,
    Subscribe,
    Suppress,
    Teardown,
    UnknownCall,
    UpdateFramework,
)


def call_to_json(call: Call) -> JsonObject:
    """The call as its framework would write it."""
    kind, body = _body_of(call)
    message: JsonObject = {"type": kind}
    if call.framework_id is not None:
        message["framework_id"] = {"value": call.framework_id}
    if body is not None:
        message[kind.lower()] = body
    return message


def _body_of(call: Call) -> tuple[str, JsonObject | None]:
    match call:
        case Subscribe():
            return "SUBSCRIBE", _framework_to_json(call)
        case UpdateFramework():
            return "UPDATE_FRAMEWORK", _framework_to_json(call)
        case Teardown():
            return "TEARDOWN", None
        case Accept():
            body = _offers_to_json("offer_ids", call.offer_ids, call.refuse_ms)
            body["operations"] = [operation_to_json(each) for each in call.operations]
            return "ACCEPT", body
        case Decline():
            body = _offers_to_json("offer_ids", call.offer_ids, call.refuse_ms)
            return "DECLINE", body
        case AcceptInverseOffers() | DeclineInverseOffers():
            is_accepted = isinstance(call, AcceptInverseOffers)
            kind = "ACCEPT_INVERSE_OFFERS" if is_accepted else "DECLINE_INVERSE_OFFERS"
            ids = call.inverse_offer_ids
            return kind, _offers_to_json("inverse_offer_ids", ids, call.refuse_ms)
        case Revive():
            return "REVIVE", {"roles": list(call.roles)} if call.roles else None
        case Suppress():
            return "SUPPRESS", {"roles": list(call.roles)} if call.roles else None
        case Kill():
            body = _task_to_json(call.task_id, call.agent_id)
            if call.grace_ms is not None:
                body["kill_policy"] = kill_policy_to_json(call.grace_ms)
            return "KILL", body
        case ShutdownExecutor():
            return "SHUTDOWN", _executor_to_json(call.executor_id, call.agent_id)
        case Acknowledge():
            body = _task_to_json(call.task_id, call.agent_id)
            body["uuid"] = call.uuid
            return "ACKNOWLEDGE", body
        case AcknowledgeOperation():
            body = _operation_to_json(
                call.operation_id, call.agent_id, call.resource_provider_id
            )
            body["uuid"] = call.uuid
            return "ACKNOWLEDGE_OPERATION_STATUS", body
        case Reconcile():
            tasks = [_task_to_json(task.task_id, task.agent_id) for task in call.tasks]
            return "RECONCILE", {"tasks": tasks}
        case ReconcileOperations():
            operations = [
                _operation_to_json(
                    each.operation_id, each.agent_id, each.resource_provider_id
                )
                for each in call.operations
            ]
            return "RECONCILE_OPERATIONS", {"operations": operations}
        case SendMessage():
            body = _executor_to_json(call.executor_id, call.agent_id)
            body["data"] = call.data
            return "MESSAGE", body
        case RequestResources():
            return "REQUEST", {"requests": []}
        case UnknownCall():
            return call.type, None


def _framework_to_json(call: Subscribe | UpdateFramework) -> JsonObject:
    info = framework_info_to_json(call.framework_info)
    if call.framework_id is not None:
        info["id"] = {"value": call.framework_id}
    body: JsonObject = {"framework_info": info}
    if call.suppressed_roles:
        body["suppressed_roles"] = list(call.suppressed_roles)
    if call.offer_constraints:
        body["offer_constraints"] = offer_constraints_to_json(call.offer_constraints)
    return body


def _offers_to_json(
    name: str, offer_ids: tuple[OfferId, ...], refuse_ms: int
) -> JsonObject:
    return {
        name: ids_to_json(offer_ids),
        "filters": {"refuse_seconds": refuse_ms / 1000},
    }


def _task_to_json(task_id: TaskId, agent_id: AgentId | None) -> JsonObject:
    message: JsonObject = {"task_id": {"value": task_id}}
    if agent_id is not None:
        message["agent_id"] = {"value": agent_id}
    return message


def _executor_to_json(executor_id: str, agent_id: AgentId) -> JsonObject:
    return {"executor_id": {"value": executor_id}, "agent_id": {"value": agent_id}}


def _operation_to_json(
    operation_id: str, agent_id: AgentId | None, resource_provider_id: str | None
) -> JsonObject:
    message: JsonObject = {"operation_id": {"value": operation_id}}
    if agent_id is not None:
        message["agent_id"] = {"value": agent_id}
    if resource_provider_id is not None:
        message["resource_provider_id"] = {"value": resource_provider_id}
    return message
