"""Events of the executor API in Mesos' messages, both ways."""

from __future__ import annotations

from raftleader.protocol.executor_api import (
    Acknowledged,
    Error,
    Event,
    Heartbeat,
    KillTask,
    LaunchTask,
    LaunchTaskGroup,
    Message,
    Shutdown,
    Subscribed,
    UnknownEvent,
)
from raftleader.protocol.ids import AgentId, TaskId
from raftleader.protocol.json_v1_agents import agent_info_to_json, read_agent_info
from raftleader.protocol.json_v1_calls import MESSAGE_BYTES_MAX
from raftleader.protocol.json_v1_commands import (
    kill_policy_to_json,
    read_kill_grace_ms,
)
from raftleader.protocol.json_v1_executors import (
    executor_info_to_json,
    read_executor_info,
)
from raftleader.protocol.json_v1_fields import (
    MESSAGE_CHARS_MAX,
    Fields,
    JsonObject,
)
from raftleader.protocol.json_v1_frameworks import (
    framework_info_to_json,
    read_framework_info,
)
from raftleader.protocol.json_v1_operations import read_uuid
from raftleader.protocol.json_v1_tasks import (
    read_task_group,
    read_task_info,
    task_group_to_json,
    task_info_to_json,
)


def event_to_json(event: Event) -> JsonObject:
    """The event."""
    match event:
        case Heartbeat():
            return {"type": "HEARTBEAT"}
        case Subscribed():
            return {"type": "SUBSCRIBED", "subscribed": _subscribed_to_json(event)}
        case LaunchTask():
            task = task_info_to_json(event.task, allocated_to=event.role)
            return {"type": "LAUNCH", "launch": {"task": task}}
        case LaunchTaskGroup():
            group = task_group_to_json(event.tasks, allocated_to=event.role)
            return {"type": "LAUNCH_GROUP", "launch_group": {"task_group": group}}
        case KillTask():
            body: JsonObject = {"task_id": {"value": event.task_id}}
            if event.grace_ms is not None:
                body["kill_policy"] = kill_policy_to_json(event.grace_ms)
            return {"type": "KILL", "kill": body}
        case Acknowledged():
            body = {"task_id": {"value": event.task_id}, "uuid": event.uuid}
            return {"type": "ACKNOWLEDGED", "acknowledged": body}
        case Message():
            return {"type": "MESSAGE", "message": {"data": event.data}}
        case Shutdown():
            return {"type": "SHUTDOWN"}
        case Error():
            return {"type": "ERROR", "error": {"message": event.message}}
        case UnknownEvent():
            return {"type": event.type}


def _subscribed_to_json(event: Subscribed) -> JsonObject:
    body: JsonObject = {
        "executor_info": executor_info_to_json(
            event.executor_info, allocated_to=event.role
        ),
        "framework_info": framework_info_to_json(event.framework_info),
        "agent_info": agent_info_to_json(event.agent_id, event.agent_info),
    }
    if event.container_id is not None:
        body["container_id"] = {"value": event.container_id}
    return body


def read_event(fields: Fields) -> Event:
    """An event. A type we do not know is no error: clients ignore it."""
    kind = fields.text("type") or "UNKNOWN"
    match kind:
        case "HEARTBEAT":
            return Heartbeat()
        case "SUBSCRIBED":
            return _read_subscribed(fields.required_child("subscribed"))
        case "LAUNCH":
            body = fields.required_child("launch")
            return LaunchTask(task=read_task_info(body.required_child("task")))
        case "LAUNCH_GROUP":
            body = fields.required_child("launch_group")
            tasks = read_task_group(body.required_child("task_group"))
            return LaunchTaskGroup(tasks=tasks)
        case "KILL":
            body = fields.required_child("kill")
            return KillTask(
                task_id=TaskId(body.required_identifier("task_id")),
                grace_ms=read_kill_grace_ms(body, is_order=True),
            )
        case "ACKNOWLEDGED":
            body = fields.required_child("acknowledged")
            return Acknowledged(
                task_id=TaskId(body.required_identifier("task_id")),
                uuid=read_uuid(body, "uuid"),
            )
        case "MESSAGE":
            body = fields.required_child("message")
            data = body.required_octets("data", bytes_max=MESSAGE_BYTES_MAX)
            return Message(data=data)
        case "SHUTDOWN":
            return Shutdown()
        case "ERROR":
            body = fields.required_child("error")
            text = body.text("message", chars_max=MESSAGE_CHARS_MAX)
            return Error(message=text or "")
        case _:
            return UnknownEvent(type=kind)


def _read_subscribed(body: Fields) -> Subscribed:
    agent = body.required_child("agent_info")
    agent_id, info = read_agent_info(agent)
    return Subscribed(
        executor_info=read_executor_info(body.required_child("executor_info")),
        framework_info=read_framework_info(body.required_child("framework_info")),
        agent_id=agent_id if agent_id is not None else AgentId(""),
        agent_info=info,
        container_id=body.identifier("container_id"),
    )
