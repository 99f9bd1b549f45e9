"""The Mesos v1 scheduler API: values to bytes and back, in JSON and in protobuf.

Both directions for both kinds of message, since the leader and the client library
share them. Nothing but InvalidInputError is ever raised on bad input; its path
names the field: ``accept.operations[0].launch.task_infos[1].task_id``.
"""

from __future__ import annotations

from raftleader.protocol.json_v1_call_writers import call_to_json
from raftleader.protocol.json_v1_calls import read_call
from raftleader.protocol.json_v1_events import event_to_json, read_event
from raftleader.protocol.json_v1_fields import write_json
from raftleader.protocol.scheduler_api import Call, Event, Heartbeat
from raftleader.protocol.wire.codec import read_message, write_message
from raftleader.protocol.wire.media import Media

_CALL = "scheduler.Call"
_EVENT = "scheduler.Event"
_HEARTBEAT = write_json({"type": "HEARTBEAT"})


def decode_call(body: bytes, media: Media = Media.JSON) -> Call:
    """Read a call. Raises InvalidInputError."""
    return read_call(read_message(media, _CALL, body))


def encode_call(call: Call, media: Media = Media.JSON) -> bytes:
    """Write a call. ``TaskInfo.unsupported`` is left out: it is found by reading."""
    return write_message(media, _CALL, call_to_json(call))


def encode_event(
    event: Event, *, capabilities: tuple[str, ...], media: Media = Media.JSON
) -> bytes:
    """Write an event for a framework with these capabilities.

    Without MULTI_ROLE it is told no roles of offers, without
    RESERVATION_REFINEMENT reservations in the old form, without PARTITION_AWARE
    TASK_LOST for the states that came with it.
    """
    if media is Media.JSON and isinstance(event, Heartbeat):
        return _HEARTBEAT
    return write_message(media, _EVENT, event_to_json(event, capabilities))


def decode_event(record: bytes, media: Media = Media.JSON) -> Event:
    """Read one record of the event stream. Raises InvalidInputError."""
    return read_event(read_message(media, _EVENT, record))
