"""What a framework does with offers, and what became of it, in Mesos' messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.json_v1_agents import KINDS_MAX
from raftleader.protocol.json_v1_executors import (
    executor_info_to_json,
    read_executor_info,
)
from raftleader.protocol.json_v1_fields import (
    MESSAGE_CHARS_MAX,
    Fields,
    JsonObject,
)
from raftleader.protocol.json_v1_kinds import InvalidResourceError, ReservationForm
from raftleader.protocol.json_v1_resources import (
    read_millis,
    read_resources,
    resources_to_json,
)
from raftleader.protocol.json_v1_tasks import (
    read_task_group,
    read_task_info,
    task_group_to_json,
    task_info_to_json,
)
from raftleader.protocol.offers import (
    Conversion,
    Create,
    Destroy,
    GrowVolume,
    Launch,
    LaunchGroup,
    Operation,
    OperationState,
    OperationStatus,
    Reserve,
    ShrinkVolume,
    Unreserve,
    UnsupportedOperation,
)
from raftleader.protocol.resources import Resources

UUID_BYTES = 16

_STATES = {state.value: state for state in OperationState}
_DISK_OPERATIONS = frozenset({"CREATE_DISK", "DESTROY_DISK"})


def read_operation(fields: Fields) -> Operation:
    """An operation.

    One whose resources cannot be is an UnsupportedOperation that says why: it drops
    itself, the others of its call go on.
    """
    kind = fields.text("type")
    operation_id = fields.identifier("id")
    if kind == "LAUNCH":
        tasks = fields.required_child("launch").children("task_infos")
        return Launch(tasks=tuple(map(read_task_info, tasks)), id=operation_id)
    if kind == "LAUNCH_GROUP":
        group = fields.required_child("launch_group")
        executor = read_executor_info(group.required_child("executor"))
        tasks_of = group.required_child("task_group")
        return LaunchGroup(
            executor=executor,
            tasks=read_task_group(tasks_of, executor),
            id=operation_id,
        )
    read = _CONVERSIONS.get(kind or "")
    if kind is None or read is None:
        if kind is None or kind not in _DISK_OPERATIONS:
            return UnsupportedOperation(type="UNKNOWN", id=operation_id)
        problem = f"{kind} is not supported"
        return UnsupportedOperation(type=kind, problem=problem, id=operation_id)
    body = fields.child(kind.lower())
    if body is None:
        problem = f"Expecting '{kind.lower()}' to be present"
        return UnsupportedOperation(type=kind, problem=problem, id=operation_id)
    try:
        return read(body, operation_id)
    except InvalidResourceError as error:
        return UnsupportedOperation(type=kind, problem=str(error), id=operation_id)


def _resources(body: Fields, name: str) -> Resources:
    resources, unsupported = read_resources(body, name)
    if unsupported:
        problem = f"{unsupported[0]} is not supported"
        raise InvalidResourceError(body.path(name), problem)
    return resources


def _one_resource(body: Fields, name: str) -> Resources:
    """The resource in a field that is not repeated."""
    body.required_child(name)
    resources = _resources(body, name)
    if not resources:
        raise InvalidResourceError(body.path(name), "must not be empty")
    return resources


def _read_reserve(body: Fields, operation_id: str | None) -> Conversion:
    source = _resources(body, "source") if body.children("source") else None
    resources = _resources(body, "resources")
    return Reserve(resources=resources, source=source, id=operation_id)


def _read_unreserve(body: Fields, operation_id: str | None) -> Conversion:
    return Unreserve(resources=_resources(body, "resources"), id=operation_id)


def _read_create(body: Fields, operation_id: str | None) -> Conversion:
    return Create(volumes=_resources(body, "volumes"), id=operation_id)


def _read_destroy(body: Fields, operation_id: str | None) -> Conversion:
    return Destroy(volumes=_resources(body, "volumes"), id=operation_id)


def _read_grow(body: Fields, operation_id: str | None) -> Conversion:
    return GrowVolume(
        volume=_one_resource(body, "volume"),
        addition=_one_resource(body, "addition"),
        id=operation_id,
    )


def _read_shrink(body: Fields, operation_id: str | None) -> Conversion:
    return ShrinkVolume(
        volume=_one_resource(body, "volume"),
        subtract_millis=read_millis(body.required_child("subtract"), "value"),
        id=operation_id,
    )


_CONVERSIONS: dict[str, Callable[[Fields, str | None], Conversion]] = {
    "RESERVE": _read_reserve,
    "UNRESERVE": _read_unreserve,
    "CREATE": _read_create,
    "DESTROY": _read_destroy,
    "GROW_VOLUME": _read_grow,
    "SHRINK_VOLUME": _read_shrink,
}


def operation_to_json(
    operation: Operation, *, form: ReservationForm = ReservationForm.REFINED
) -> JsonObject:
    """An ``Offer.Operation``."""
    kind, body = _body_of(operation, form)
    message: JsonObject = {"type": kind}
    if operation.id is not None:
        message["id"] = {"value": operation.id}
    if body is not None:
        message[kind.lower()] = body
    return message


def _body_of(
    operation: Operation, form: ReservationForm
) -> tuple[str, JsonObject | None]:
    def written(resources: Resources) -> list[JsonObject]:
        return resources_to_json(resources, form=form)

    def one(resources: Resources) -> JsonObject:
        nothing = {"name": "disk", "type": "SCALAR", "scalar": {"value": 0.0}}
        return next(iter(written(resources)), nothing)

    match operation:
        case Launch(tasks=tasks):
            infos = [task_info_to_json(task, form=form) for task in tasks]
            return "LAUNCH", {"task_infos": infos}
        case LaunchGroup(executor=executor, tasks=tasks):
            return "LAUNCH_GROUP", {
                "executor": executor_info_to_json(executor, form=form),
                "task_group": task_group_to_json(tasks, form=form),
            }
        case Reserve(resources=resources, source=source):
            body: JsonObject = {"resources": written(resources)}
            if source is not None:
                body["source"] = written(source)
            return "RESERVE", body
        case Unreserve(resources=resources):
            return "UNRESERVE", {"resources": written(resources)}
        case Create(volumes=volumes):
            return "CREATE", {"volumes": written(volumes)}
        case Destroy(volumes=volumes):
            return "DESTROY", {"volumes": written(volumes)}
        case GrowVolume(volume=volume, addition=addition):
            return "GROW_VOLUME", {
                "volume": one(volume),
                "addition": one(addition),
            }
        case ShrinkVolume(volume=volume, subtract_millis=millis):
            return "SHRINK_VOLUME", {
                "volume": one(volume),
                "subtract": {"value": millis / 1000},
            }
        case UnsupportedOperation(type=kind):
            return kind, None


def operation_status_to_json(
    status: OperationStatus, *, form: ReservationForm = ReservationForm.REFINED
) -> JsonObject:
    """An ``OperationStatus``. Its uuid is an object here, unlike a task's."""
    message: JsonObject = {"state": status.state.value}
    if status.operation_id is not None:
        message["operation_id"] = {"value": status.operation_id}
    if status.message is not None:
        message["message"] = status.message
    if status.converted is not None:
        message["converted_resources"] = resources_to_json(status.converted, form=form)
    if status.uuid is not None:
        message["uuid"] = {"value": status.uuid}
    if status.agent_id is not None:
        message["agent_id"] = {"value": status.agent_id}
    return message


def read_operation_status(fields: Fields) -> OperationStatus:
    """An ``OperationStatus``."""
    state = fields.required_text("state")
    if state not in _STATES:
        raise fields.invalid("state", f"{state[:40]!r} is not an operation state")
    uuid = fields.child("uuid")
    agent_id = fields.identifier("agent_id")
    converted, _ = read_resources(fields, "converted_resources", kinds_max=KINDS_MAX)
    return OperationStatus(
        operation_id=fields.identifier("operation_id"),
        state=_STATES[state],
        message=fields.text("message", chars_max=MESSAGE_CHARS_MAX),
        converted=converted if fields.children("converted_resources") else None,
        uuid=read_uuid(uuid, "value") if uuid is not None else None,
        agent_id=AgentId(agent_id) if agent_id is not None else None,
    )


def read_uuid(fields: Fields, name: str) -> bytes:
    """The 16 bytes in this field, which must be set."""
    uuid = fields.octets(name, bytes_max=UUID_BYTES)
    if uuid is None:
        raise fields.invalid(name, "is required")
    if len(uuid) != UUID_BYTES:
        raise fields.invalid(name, f"must be {UUID_BYTES} bytes, not {len(uuid)}")
    return uuid


def known_operation_to_json(
    operation: Conversion | UnsupportedOperation,
    statuses: Sequence[OperationStatus],
    *,
    uuid: bytes,
    framework_id: FrameworkId | None = None,
    agent_id: AgentId | None = None,
    form: ReservationForm = ReservationForm.BOTH,
) -> JsonObject:
    """An ``Operation`` for GET_OPERATIONS: what was asked, and each status of it,
    oldest first (there is one at least)."""
    written = [operation_status_to_json(status, form=form) for status in statuses]
    message: JsonObject = {
        "info": operation_to_json(operation, form=form),
        "latest_status": written[-1],
        "statuses": written,
        "uuid": {"value": uuid},
    }
    if framework_id is not None:
        message["framework_id"] = {"value": framework_id}
    if agent_id is not None:
        message["agent_id"] = {"value": agent_id}
    return message
