"""The Mesos v1 scheduler API in JSON: values to bytes and back.

Both directions for both kinds of message, since the leader and the client library
share them. Nothing but InvalidInputError is ever raised on bad input; its path
names the field: ``accept.operations[0].launch.task_infos[1].task_id``.
"""

from __future__ import annotations

from raftleader.protocol.json_v1_calls import call_to_json, read_call
from raftleader.protocol.json_v1_events import event_to_json, read_event
from raftleader.protocol.json_v1_fields import read_json, write_json
from raftleader.protocol.scheduler_api import Call, Event, Heartbeat

_HEARTBEAT = write_json({"type": "HEARTBEAT"})


def decode_call(body: bytes) -> Call:
    """Read a call. Raises InvalidInputError."""
    return read_call(read_json(body, "body"))


def encode_call(call: Call) -> bytes:
    """Write a call. ``TaskInfo.unsupported`` is left out: it is found by reading."""
    return write_json(call_to_json(call))


def encode_event(event: Event, *, capabilities: tuple[str, ...]) -> bytes:
    """Write an event for a framework with these capabilities.

    Without MULTI_ROLE it is told no roles of offers, without
    RESERVATION_REFINEMENT reservations in the old form, without PARTITION_AWARE
    TASK_LOST for the states that came with it.
    """
    if isinstance(event, Heartbeat):
        return _HEARTBEAT
    return write_json(event_to_json(event, capabilities))


def decode_event(record: bytes) -> Event:
    """Read one record of the event stream. Raises InvalidInputError."""
    return read_event(read_json(record, "event"))
