"""Calls of the scheduler API in Mesos' JSON, both ways."""

from __future__ import annotations

from collections.abc import Callable

from raftleader.limits import TASKS_PER_ACCEPT_MAX
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskId
from raftleader.protocol.json_v1_fields import Fields, JsonObject, base64_text
from raftleader.protocol.json_v1_frameworks import (
    framework_info_to_json,
    read_framework_info,
)
from raftleader.protocol.json_v1_tasks import (
    kill_policy_to_json,
    read_kill_grace_ms,
    read_task_info,
    task_info_to_json,
)
from raftleader.protocol.offers import (
    Launch,
    Operation,
    UnsupportedOperation,
    refuse_ms_of,
)
from raftleader.protocol.scheduler_api import (
    Accept,
    Acknowledge,
    Call,
    Decline,
    Kill,
    Reconcile,
    ReconcileTask,
    Revive,
    Subscribe,
    Suppress,
    Teardown,
    UnknownCall,
)
from raftleader.protocol.tasks import TaskInfo

UUID_BYTES = 16

# Types that Mesos knows and this version does not serve.
_NOT_SERVED = frozenset(
    {
        "UNKNOWN",
        "ACCEPT_INVERSE_OFFERS",
        "DECLINE_INVERSE_OFFERS",
        "SHUTDOWN",
        "ACKNOWLEDGE_OPERATION_STATUS",
        "RECONCILE_OPERATIONS",
        "MESSAGE",
        "REQUEST",
        "UPDATE_FRAMEWORK",
    }
)
_OPERATIONS = frozenset(
    {
        "RESERVE",
        "UNRESERVE",
        "CREATE",
        "DESTROY",
        "GROW_VOLUME",
        "SHRINK_VOLUME",
        "CREATE_DISK",
        "DESTROY_DISK",
    }
)


def read_call(fields: Fields) -> Call:
    """A call, complete as far as its own fields can show."""
    kind = fields.text("type")
    if kind is None:
        raise fields.invalid("type", "is required")
    framework_id = fields.identifier("framework_id")
    if kind in _NOT_SERVED:
        known = FrameworkId(framework_id) if framework_id is not None else None
        return UnknownCall(type=kind, framework_id=known)
    if kind == "SUBSCRIBE":
        return _read_subscribe(fields, framework_id)
    reader = _READERS.get(kind)
    if reader is None:
        raise fields.invalid("type", f"{kind[:40]!r} is not the type of a call")
    if framework_id is None:
        raise fields.invalid("framework_id", "is required")
    return reader(fields, FrameworkId(framework_id))


def _read_subscribe(fields: Fields, framework_id: str | None) -> Subscribe:
    body = fields.required_child("subscribe")
    info = read_framework_info(body.required_child("framework_info"))
    if framework_id != info.id:
        raise body.invalid(
            "framework_info.id", "must equal framework_id, or both must be unset"
        )
    return Subscribe(
        framework_info=info,
        framework_id=info.id,
        suppressed_roles=body.texts("suppressed_roles"),
    )


def _read_teardown(fields: Fields, framework_id: FrameworkId) -> Call:
    return Teardown(framework_id=framework_id)


def _read_accept(fields: Fields, framework_id: FrameworkId) -> Call:
    body = fields.required_child("accept")
    operations = tuple(_read_operation(item) for item in body.children("operations"))
    count = sum(len(each.tasks) for each in operations if isinstance(each, Launch))
    if count > TASKS_PER_ACCEPT_MAX:
        raise body.invalid("operations", f"launch more than {TASKS_PER_ACCEPT_MAX}")
    return Accept(
        framework_id=framework_id,
        offer_ids=_read_offer_ids(body),
        operations=operations,
        refuse_ms=_read_refuse_ms(body),
    )


def _read_offer_ids(body: Fields) -> tuple[OfferId, ...]:
    return tuple(OfferId(value) for value in body.identifiers("offer_ids"))


def _read_refuse_ms(body: Fields) -> int:
    filters = body.child("filters")
    return refuse_ms_of(filters.number("refuse_seconds") if filters else None)


def _read_operation(fields: Fields) -> Operation:
    kind = fields.text("type")
    if kind == "LAUNCH":
        tasks = fields.required_child("launch").children("task_infos")
        return Launch(tasks=tuple(read_task_info(task) for task in tasks))
    if kind == "LAUNCH_GROUP":
        # As a launch of tasks we cannot honour, so that each is answered.
        group = fields.required_child("launch_group").required_child("task_group")
        return Launch(tasks=tuple(map(_read_grouped_task, group.children("tasks"))))
    known = kind if kind in _OPERATIONS else None
    return UnsupportedOperation(type=known or "UNKNOWN")


def _read_grouped_task(fields: Fields) -> TaskInfo:
    task = read_task_info(fields)
    return TaskInfo(
        name=task.name,
        task_id=task.task_id,
        agent_id=task.agent_id,
        resources=task.resources,
        command=task.command,
        unsupported=("launch_group", *task.unsupported),
    )


def _read_decline(fields: Fields, framework_id: FrameworkId) -> Call:
    body = fields.required_child("decline")
    return Decline(
        framework_id=framework_id,
        offer_ids=_read_offer_ids(body),
        refuse_ms=_read_refuse_ms(body),
    )


def _read_revive(fields: Fields, framework_id: FrameworkId) -> Call:
    body = fields.child("revive")
    return Revive(framework_id=framework_id, roles=body.texts("roles") if body else ())


def _read_suppress(fields: Fields, framework_id: FrameworkId) -> Call:
    body = fields.child("suppress")
    roles = body.texts("roles") if body else ()
    return Suppress(framework_id=framework_id, roles=roles)


def _read_kill(fields: Fields, framework_id: FrameworkId) -> Call:
    body = fields.required_child("kill")
    return Kill(
        framework_id=framework_id,
        task_id=TaskId(body.required_identifier("task_id")),
        agent_id=_read_agent_id(body),
        grace_ms=read_kill_grace_ms(body),
    )


def _read_agent_id(body: Fields) -> AgentId | None:
    agent_id = body.identifier("agent_id")
    return AgentId(agent_id) if agent_id is not None else None


def _read_acknowledge(fields: Fields, framework_id: FrameworkId) -> Call:
    body = fields.required_child("acknowledge")
    uuid = body.octets("uuid", bytes_max=UUID_BYTES)
    if uuid is None:
        raise body.invalid("uuid", "is required")
    if len(uuid) != UUID_BYTES:
        raise body.invalid("uuid", f"must be {UUID_BYTES} bytes, not {len(uuid)}")
    return Acknowledge(
        framework_id=framework_id,
        agent_id=AgentId(body.required_identifier("agent_id")),
        task_id=TaskId(body.required_identifier("task_id")),
        uuid=uuid,
    )


def _read_reconcile(fields: Fields, framework_id: FrameworkId) -> Call:
    body = fields.required_child("reconcile")
    return Reconcile(
        framework_id=framework_id,
        tasks=tuple(
            ReconcileTask(
                task_id=TaskId(item.required_identifier("task_id")),
                agent_id=_read_agent_id(item),
            )
            for item in body.children("tasks")
        ),
    )


_READERS: dict[str, Callable[[Fields, FrameworkId], Call]] = {
    "TEARDOWN": _read_teardown,
    "ACCEPT": _read_accept,
    "DECLINE": _read_decline,
    "REVIVE": _read_revive,
    "SUPPRESS": _read_suppress,
    "KILL": _read_kill,
    "ACKNOWLEDGE": _read_acknowledge,
    "RECONCILE": _read_reconcile,
}


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
            info = framework_info_to_json(call.framework_info)
            if call.framework_id is not None:
                info["id"] = {"value": call.framework_id}
            body: JsonObject = {"framework_info": info}
            if call.suppressed_roles:
                body["suppressed_roles"] = list(call.suppressed_roles)
            return "SUBSCRIBE", body
        case Teardown():
            return "TEARDOWN", None
        case Accept():
            body = _offers_to_json(call.offer_ids, call.refuse_ms)
            body["operations"] = [_operation_to_json(each) for each in call.operations]
            return "ACCEPT", body
        case Decline():
            return "DECLINE", _offers_to_json(call.offer_ids, call.refuse_ms)
        case Revive():
            return "REVIVE", {"roles": list(call.roles)} if call.roles else None
        case Suppress():
            return "SUPPRESS", {"roles": list(call.roles)} if call.roles else None
        case Kill():
            body = _task_to_json(call.task_id, call.agent_id)
            if call.grace_ms is not None:
                body["kill_policy"] = kill_policy_to_json(call.grace_ms)
            return "KILL", body
        case Acknowledge():
            body = _task_to_json(call.task_id, call.agent_id)
            body["uuid"] = base64_text(call.uuid)
            return "ACKNOWLEDGE", body
        case Reconcile():
            tasks = [_task_to_json(task.task_id, task.agent_id) for task in call.tasks]
            return "RECONCILE", {"tasks": tasks}
        case UnknownCall():
            return call.type, None


def _offers_to_json(offer_ids: tuple[OfferId, ...], refuse_ms: int) -> JsonObject:
    return {
        "offer_ids": [{"value": offer_id} for offer_id in offer_ids],
        "filters": {"refuse_seconds": refuse_ms / 1000},
    }


def _operation_to_json(operation: Operation) -> JsonObject:
    if isinstance(operation, UnsupportedOperation):
        return {"type": operation.type}
    tasks = [task_info_to_json(task) for task in operation.tasks]
    return {"type": "LAUNCH", "launch": {"task_infos": tasks}}


def _task_to_json(task_id: TaskId, agent_id: AgentId | None) -> JsonObject:
    message: JsonObject = {"task_id": {"value": task_id}}
    if agent_id is not None:
        message["agent_id"] = {"value": agent_id}
    return message
