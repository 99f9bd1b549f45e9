"""Calls of the scheduler API in Mesos' messages: how they are read."""

from __future__ import annotations

from collections.abc import Callable

from raftleader.limits import TASKS_PER_ACCEPT_MAX
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskId
from raftleader.protocol.json_v1_commands import read_kill_grace_ms
from raftleader.protocol.json_v1_constraints import read_offer_constraints
from raftleader.protocol.json_v1_fields import Fields
from raftleader.protocol.json_v1_frameworks import read_framework_info, roles_unfit
from raftleader.protocol.json_v1_operations import read_operation, read_uuid
from raftleader.protocol.offers import Launch, LaunchGroup, refuse_ms_of
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
    ReconcileOperation,
    ReconcileOperations,
    ReconcileTask,
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

MESSAGE_BYTES_MAX = 1024 * 1024
"""Largest message between a scheduler and an executor."""
DIFFERING_ID = "must equal framework_id, or both must be unset"


def read_call(fields: Fields) -> Call:
    """A call, complete as far as its own fields can show."""
    kind = fields.text("type")
    if kind is None:
        raise fields.invalid("type", "is required")
    framework_id = fields.identifier("framework_id")
    if kind == "UNKNOWN":
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
    described = body.required_child("framework_info")
    info = read_framework_info(described)
    if framework_id != info.id:
        raise body.invalid("framework_info.id", DIFFERING_ID)
    return Subscribe(
        framework_info=info,
        framework_id=info.id,
        suppressed_roles=body.texts("suppressed_roles"),
        offer_constraints=read_offer_constraints(body),
        problem=roles_unfit(described),
    )


def _read_update_framework(fields: Fields, framework_id: FrameworkId) -> Call:
    body = fields.required_child("update_framework")
    described = body.required_child("framework_info")
    info = read_framework_info(described)
    if framework_id != info.id:
        raise body.invalid("framework_info.id", DIFFERING_ID)
    return UpdateFramework(
        framework_id=framework_id,
        framework_info=info,
        suppressed_roles=body.texts("suppressed_roles"),
        offer_constraints=read_offer_constraints(body),
        problem=roles_unfit(described),
    )


def _read_teardown(fields: Fields, framework_id: FrameworkId) -> Call:
    return Teardown(framework_id=framework_id)


def _read_accept(fields: Fields, framework_id: FrameworkId) -> Call:
    body = fields.required_child("accept")
    operations = tuple(map(read_operation, body.children("operations")))
    count = sum(
        len(each.tasks) for each in operations if isinstance(each, Launch | LaunchGroup)
    )
    if count > TASKS_PER_ACCEPT_MAX:
        raise body.invalid("operations", f"launch more than {TASKS_PER_ACCEPT_MAX}")
    return Accept(
        framework_id=framework_id,
        offer_ids=_read_offer_ids(body),
        operations=operations,
        refuse_ms=_read_refuse_ms(body),
    )


def _read_offer_ids(body: Fields, name: str = "offer_ids") -> tuple[OfferId, ...]:
    return tuple(OfferId(value) for value in body.identifiers(name))


def _read_refuse_ms(body: Fields) -> int:
    filters = body.child("filters")
    return refuse_ms_of(filters.number("refuse_seconds") if filters else None)


def _read_decline(fields: Fields, framework_id: FrameworkId) -> Call:
    body = fields.required_child("decline")
    return Decline(
        framework_id=framework_id,
        offer_ids=_read_offer_ids(body),
        refuse_ms=_read_refuse_ms(body),
    )


def _read_accept_inverse(fields: Fields, framework_id: FrameworkId) -> Call:
    body = fields.required_child("accept_inverse_offers")
    return AcceptInverseOffers(
        framework_id=framework_id,
        inverse_offer_ids=_read_offer_ids(body, "inverse_offer_ids"),
        refuse_ms=_read_refuse_ms(body),
    )


def _read_decline_inverse(fields: Fields, framework_id: FrameworkId) -> Call:
    body = fields.required_child("decline_inverse_offers")
    return DeclineInverseOffers(
        framework_id=framework_id,
        inverse_offer_ids=_read_offer_ids(body, "inverse_offer_ids"),
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
        grace_ms=read_kill_grace_ms(body, is_order=True),
    )


def _read_agent_id(body: Fields) -> AgentId | None:
    agent_id = body.identifier("agent_id")
    return AgentId(agent_id) if agent_id is not None else None


def _read_shutdown(fields: Fields, framework_id: FrameworkId) -> Call:
    body = fields.required_child("shutdown")
    return ShutdownExecutor(
        framework_id=framework_id,
        executor_id=body.required_identifier("executor_id"),
        agent_id=AgentId(body.required_identifier("agent_id")),
    )


def _read_acknowledge(fields: Fields, framework_id: FrameworkId) -> Call:
    body = fields.required_child("acknowledge")
    return Acknowledge(
        framework_id=framework_id,
        uuid=read_uuid(body, "uuid"),
        agent_id=AgentId(body.required_identifier("agent_id")),
        task_id=TaskId(body.required_identifier("task_id")),
    )


def _read_acknowledge_operation(fields: Fields, framework_id: FrameworkId) -> Call:
    body = fields.required_child("acknowledge_operation_status")
    return AcknowledgeOperation(
        framework_id=framework_id,
        uuid=read_uuid(body, "uuid"),
        operation_id=body.required_identifier("operation_id"),
        agent_id=_read_agent_id(body),
        resource_provider_id=body.identifier("resource_provider_id"),
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


def _read_reconcile_operations(fields: Fields, framework_id: FrameworkId) -> Call:
    body = fields.required_child("reconcile_operations")
    return ReconcileOperations(
        framework_id=framework_id,
        operations=tuple(
            ReconcileOperation(
                operation_id=item.required_identifier("operation_id"),
                agent_id=_read_agent_id(item),
                resource_provider_id=item.identifier("resource_provider_id"),
            )
            for item in body.children("operations")
        ),
    )


def _read_message(fields: Fields, framework_id: FrameworkId) -> Call:
    body = fields.required_child("message")
    return SendMessage(
        framework_id=framework_id,
        agent_id=AgentId(body.required_identifier("agent_id")),
        executor_id=body.required_identifier("executor_id"),
        data=body.required_octets("data", bytes_max=MESSAGE_BYTES_MAX),
    )


def _read_request(fields: Fields, framework_id: FrameworkId) -> Call:
    fields.required_child("request")
    return RequestResources(framework_id=framework_id)


_READERS: dict[str, Callable[[Fields, FrameworkId], Call]] = {
    "TEARDOWN": _read_teardown,
    "ACCEPT": _read_accept,
    "DECLINE": _read_decline,
    "ACCEPT_INVERSE_OFFERS": _read_accept_inverse,
    "DECLINE_INVERSE_OFFERS": _read_decline_inverse,
    "REVIVE": _read_revive,
    "SUPPRESS": _read_suppress,
    "KILL": _read_kill,
    "SHUTDOWN": _read_shutdown,
    "ACKNOWLEDGE": _read_acknowledge,
    "ACKNOWLEDGE_OPERATION_STATUS": _read_acknowledge_operation,
    "RECONCILE": _read_reconcile,
    "RECONCILE_OPERATIONS": _read_reconcile_operations,
    "MESSAGE": _read_message,
    "REQUEST": _read_request,
    "UPDATE_FRAMEWORK": _read_update_framework,
}
