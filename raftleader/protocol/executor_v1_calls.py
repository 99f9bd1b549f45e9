"""Calls of the executor API in Mesos' messages, both ways."""

from __future__ import annotations

from msgspec.structs import replace

from raftleader.protocol.executor_api import Beat, Call, SendMessage, Subscribe, Update
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.json_v1_calls import MESSAGE_BYTES_MAX
from raftleader.protocol.json_v1_fields import Fields, JsonObject
from raftleader.protocol.json_v1_operations import UUID_BYTES
from raftleader.protocol.json_v1_statuses import read_task_status, task_status_to_json
from raftleader.protocol.json_v1_tasks import read_task_info, task_info_to_json
from raftleader.protocol.tasks import Source, TaskStatus

_SOURCES = frozenset(source.value for source in Source)


def read_call(fields: Fields) -> Call:
    """A call, complete as far as its own fields can show."""
    kind = fields.text("type")
    if kind is None:
        raise fields.invalid("type", "is required")
    executor_id = fields.required_identifier("executor_id")
    framework_id = FrameworkId(fields.required_identifier("framework_id"))
    match kind:
        case "SUBSCRIBE":
            body = fields.required_child("subscribe")
            tasks = body.children("unacknowledged_tasks")
            updates = body.children("unacknowledged_updates")
            return Subscribe(
                executor_id=executor_id,
                framework_id=framework_id,
                unacknowledged_tasks=tuple(map(read_task_info, tasks)),
                unacknowledged_updates=tuple(map(_read_update, updates)),
            )
        case "UPDATE":
            return Update(
                executor_id=executor_id,
                framework_id=framework_id,
                status=_read_sent_update(fields.required_child("update")),
            )
        case "MESSAGE":
            body = fields.required_child("message")
            return SendMessage(
                executor_id=executor_id,
                framework_id=framework_id,
                data=body.required_octets("data", bytes_max=MESSAGE_BYTES_MAX),
            )
        case "HEARTBEAT":
            return Beat(executor_id=executor_id, framework_id=framework_id)
        case _:
            raise fields.invalid("type", f"{kind[:40]!r} is not the type of a call")


def _read_sent_update(fields: Fields) -> TaskStatus:
    """An update whose source is, without a word, that of Mesos' schema."""
    read = _read_update(fields)
    if fields.required_child("status").text("source") in _SOURCES:
        return read
    return replace(read, source=Source.LEADER)


def _read_update(fields: Fields) -> TaskStatus:
    status = fields.required_child("status")
    read = read_task_status(status)
    if read.uuid is not None and len(read.uuid) != UUID_BYTES:
        length = len(read.uuid)
        raise status.invalid("uuid", f"must be {UUID_BYTES} bytes, not {length}")
    return read


def call_to_json(call: Call) -> JsonObject:
    """The call as its executor would write it."""
    message: JsonObject = {
        "executor_id": {"value": call.executor_id},
        "framework_id": {"value": call.framework_id},
    }
    match call:
        case Subscribe():
            updates = [_update_to_json(each) for each in call.unacknowledged_updates]
            tasks = [task_info_to_json(task) for task in call.unacknowledged_tasks]
            message["type"] = "SUBSCRIBE"
            message["subscribe"] = {
                "unacknowledged_tasks": tasks,
                "unacknowledged_updates": updates,
            }
        case Update():
            message["type"] = "UPDATE"
            message["update"] = _update_to_json(call.status)
        case SendMessage():
            message["type"] = "MESSAGE"
            message["message"] = {"data": call.data}
        case Beat():
            message["type"] = "HEARTBEAT"
    return message


def _update_to_json(status: TaskStatus) -> JsonObject:
    return {"status": task_status_to_json(status)}
