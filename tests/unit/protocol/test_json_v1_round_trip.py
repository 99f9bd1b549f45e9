"""Our values to bytes and back give the same values; bad bytes give an answer."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.mesos_messages import calls, events, executor_calls, executor_events

from raftleader.errors import InvalidInputError
from raftleader.protocol import executor_api, executor_v1
from raftleader.protocol.json_v1 import (
    decode_call,
    decode_event,
    encode_call,
    encode_event,
)
from raftleader.protocol.json_v1_frameworks import CAPABILITIES
from raftleader.protocol.scheduler_api import Call, Event
from raftleader.protocol.wire.media import Media

ALL = CAPABILITIES
PROTOBUF = Media.PROTOBUF


def compact(message: bytes) -> bytes:
    """As the standard library writes it, which also escapes DEL."""
    return json.dumps(json.loads(message), separators=(",", ":")).encode()


@given(calls)
@settings(max_examples=200)
def test_call_is_the_same_after_a_round_trip(call: Call) -> None:
    body = encode_call(call)
    assert body.isascii()
    assert body.replace(b"\x7f", b"\\u007f") == compact(body)
    assert decode_call(body) == call
    assert decode_call(encode_call(call, PROTOBUF), PROTOBUF) == call


@given(events)
@settings(max_examples=200)
def test_event_is_the_same_after_a_round_trip(event: Event) -> None:
    record = encode_event(event, capabilities=ALL)
    assert record.isascii()
    assert record.replace(b"\x7f", b"\\u007f") == compact(record)
    assert decode_event(record) == event
    record = encode_event(event, capabilities=ALL, media=PROTOBUF)
    assert decode_event(record, PROTOBUF) == event


@given(events)
def test_event_without_any_capability_can_still_be_read(event: Event) -> None:
    assert decode_event(encode_event(event, capabilities=()))
    record = encode_event(event, capabilities=(), media=PROTOBUF)
    assert decode_event(record, PROTOBUF)


@given(executor_calls)
def test_call_of_an_executor_is_the_same_after_a_round_trip(
    call: executor_api.Call,
) -> None:
    for media in Media:
        body = executor_v1.encode_call(call, media)
        assert executor_v1.decode_call(body, media) == call


@given(executor_events)
def test_event_for_an_executor_is_the_same_after_a_round_trip(
    event: executor_api.Event,
) -> None:
    for media in Media:
        record = executor_v1.encode_event(event, media=media)
        assert executor_v1.decode_event(record, media) == event


jsons = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "x", "1e9", "Infinity", "AAAA", "SCALAR", "LAUNCH"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["value", "type", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def _replace(value: Any, place: int, by: Any) -> tuple[Any, int]:
    """``value`` with its part number ``place``, in order of a walk, replaced."""
    if place == 0:
        return by, -1
    place -= 1
    if isinstance(value, dict):
        changed: dict[str, Any] = {}
        for key, part in value.items():
            changed[key], place = (
                _replace(part, place, by) if place >= 0 else (part, place)
            )
        return changed, place
    if isinstance(value, list):
        items: list[Any] = []
        for part in value:
            item, place = _replace(part, place, by) if place >= 0 else (part, place)
            items.append(item)
        return items, place
    return value, place


@given(calls, st.integers(0, 40), jsons)
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_call_with_any_part_replaced_is_taken_or_refused_by_name(
    call: Call, place: int, by: Any
) -> None:
    message, _ = _replace(json.loads(encode_call(call)), place, by)
    try:
        decoded = decode_call(json.dumps(message).encode())
    except InvalidInputError as error:
        assert error.path
    else:
        # What is taken can be written into the log and told again.
        assert decode_call(encode_call(decoded)) is not None


@given(events, st.integers(0, 40), jsons)
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_event_with_any_part_replaced_is_taken_or_refused_by_name(
    event: Event, place: int, by: Any
) -> None:
    message, _ = _replace(json.loads(encode_event(event, capabilities=ALL)), place, by)
    try:
        decode_event(json.dumps(message).encode())
    except InvalidInputError as error:
        assert error.path


DECODERS = (
    decode_call,
    decode_event,
    executor_v1.decode_call,
    executor_v1.decode_event,
)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_an_error(data: bytes) -> None:
    for decode in DECODERS:
        for media in Media:
            try:
                decode(data, media)
            except InvalidInputError as error:
                assert error.path


@given(calls, st.integers(0, 10_000), st.integers(0, 255))
@settings(max_examples=300)
def test_protobuf_call_with_any_byte_replaced_is_taken_or_refused(
    call: Call, place: int, by: int
) -> None:
    body = bytearray(encode_call(call, PROTOBUF))
    body[place % len(body)] = by
    try:
        decoded = decode_call(bytes(body), PROTOBUF)
    except InvalidInputError as error:
        assert error.path
    else:
        assert decode_call(encode_call(decoded)) is not None
