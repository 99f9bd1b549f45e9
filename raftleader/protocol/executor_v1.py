"""The Mesos v1 executor API: values to bytes and back, in JSON and in protobuf.

Both directions for both kinds of message, since the agent and the client library share
them. Nothing but InvalidInputError is ever raised on bad input; its path names the
field.
"""

from __future__ import annotations

from raftleader.protocol.executor_api import Call, Event
from raftleader.protocol.executor_v1_calls import call_to_json, read_call
from raftleader.protocol.executor_v1_events import event_to_json, read_event
from raftleader.protocol.wire.codec import read_message, write_message
from raftleader.protocol.wire.media import Media

_CALL = "executor.Call"
_EVENT = "executor.Event"


def decode_call(body: bytes, media: Media = Media.JSON) -> Call:
    """Read a call. Raises InvalidInputError."""
    return read_call(read_message(media, _CALL, body))


def encode_call(call: Call, media: Media = Media.JSON) -> bytes:
    """Write a call."""
    return write_message(media, _CALL, call_to_json(call))


def encode_event(event: Event, *, media: Media = Media.JSON) -> bytes:
    """Write an event."""
    return write_message(media, _EVENT, event_to_json(event))


def decode_event(record: bytes, media: Media = Media.JSON) -> Event:
    """Read one record of the event stream. Raises InvalidInputError."""
    return read_event(read_message(media, _EVENT, record))
