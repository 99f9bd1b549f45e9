"""Protobuf against bytes and classes that were not made of our schema."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from raftleader.errors import InvalidInputError
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskId
from raftleader.protocol.json_v1 import (
    decode_call,
    decode_event,
    encode_call,
    encode_event,
)
from raftleader.protocol.offers import Launch
from raftleader.protocol.resources import Resources
from raftleader.protocol.scheduler_api import (
    Accept,
    Acknowledge,
    Heartbeat,
    Rescind,
    UnknownEvent,
    Update,
)
from raftleader.protocol.tasks import (
    CommandInfo,
    Reason,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from raftleader.protocol.wire.codec import read_message, write_message
from raftleader.protocol.wire.media import Media
from raftleader.protocol.wire.schema import Field, fields_of, labels_of, schema

PROTOBUF = Media.PROTOBUF

# Numbers of types in descriptors: 1 double, 5 int32, 8 bool, 9 string, 11 message,
# 12 bytes; enums are written as int32 (5), which is the same on the wire.
MESSAGES: dict[str, list[tuple[str, int, int | str]]] = {
    "Id": [("value", 1, 9)],
    "Scalar": [("value", 1, 1)],
    "Range": [("begin", 1, 4), ("end", 2, 4)],
    "Ranges": [("range*", 1, "Range")],
    "Resource": [
        ("name", 1, 9),
        ("type", 2, 5),
        ("scalar", 3, "Scalar"),
        ("ranges", 4, "Ranges"),
        ("role", 6, 9),
    ],
    "Command": [("value", 3, 9), ("shell", 6, 8), ("arguments*", 7, 9)],
    "TaskInfo": [
        ("name", 1, 9),
        ("task_id", 2, "Id"),
        ("agent_id", 3, "Id"),
        ("resources*", 4, "Resource"),
        ("data", 6, 12),
        ("command", 7, "Command"),
    ],
    "Launch": [("task_infos*", 1, "TaskInfo")],
    "Operation": [("type", 1, 5), ("launch", 2, "Launch"), ("id", 12, "Id")],
    "Filters": [("refuse_seconds", 1, 1)],
    "Accept": [
        ("offer_ids*", 1, "Id"),
        ("operations*", 2, "Operation"),
        ("filters", 3, "Filters"),
    ],
    "Call": [("framework_id", 1, "Id"), ("type", 2, 5), ("accept", 4, "Accept")],
    "Status": [
        ("task_id", 1, "Id"),
        ("state", 2, 5),
        ("data", 3, 12),
        ("message", 4, 9),
        ("agent_id", 5, "Id"),
        ("timestamp", 6, 1),
        ("source", 9, 5),
        ("reason", 10, 5),
        ("uuid", 11, 12),
    ],
    "Update": [("status", 1, "Status")],
    "Event": [("type", 1, 5), ("update", 5, "Update")],
}


def _independent() -> Callable[[str], Callable[..., Message]]:
    file = FileDescriptorProto(name="golden.proto", package="golden", syntax="proto2")
    for name, fields in MESSAGES.items():
        message: DescriptorProto = file.message_type.add(name=name)
        for field, number, type_ in fields:
            new = message.field.add(name=field.rstrip("*"), number=number)
            new.label = 3 if field.endswith("*") else 1
            new.type = 11 if isinstance(type_, str) else type_
            if isinstance(type_, str):
                new.type_name = f".golden.{type_}"
    pool = DescriptorPool()
    pool.Add(file)

    def class_of(name: str) -> Callable[..., Message]:
        return message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"golden.{name}")
        )

    return class_of


golden = _independent()

ACCEPT = Accept(
    framework_id=FrameworkId("f"),
    offer_ids=(OfferId("o1"), OfferId("o2")),
    operations=(
        Launch(
            id="op",
            tasks=(
                TaskInfo(
                    name="t",
                    task_id=TaskId("t-1"),
                    agent_id=AgentId("a"),
                    resources=Resources.of({"cpus": 1500}, {"ports": [(31000, 31009)]}),
                    command=CommandInfo(value="x", shell=False, arguments=("ö", "")),
                    data=b"\xff\x00",
                ),
            ),
        ),
    ),
    refuse_ms=2500,
)
ACCEPT_GOLDEN = golden("Call")(
    framework_id={"value": "f"},
    type=3,
    accept={
        "offer_ids": [{"value": "o1"}, {"value": "o2"}],
        "operations": [
            {
                "type": 1,
                "id": {"value": "op"},
                "launch": {
                    "task_infos": [
                        {
                            "name": "t",
                            "task_id": {"value": "t-1"},
                            "agent_id": {"value": "a"},
                            "resources": [
                                {"name": "cpus", "type": 0, "scalar": {"value": 1.5}},
                                {
                                    "name": "ports",
                                    "type": 1,
                                    "ranges": {
                                        "range": [{"begin": 31000, "end": 31009}]
                                    },
                                },
                            ],
                            "data": b"\xff\x00",
                            "command": {
                                "value": "x",
                                "shell": False,
                                "arguments": ["ö", ""],
                            },
                        }
                    ]
                },
            }
        ],
        "filters": {"refuse_seconds": 2.5},
    },
)


def test_accept_is_the_bytes_that_other_classes_write() -> None:
    body = ACCEPT_GOLDEN.SerializeToString()
    assert decode_call(body, PROTOBUF) == ACCEPT
    assert encode_call(ACCEPT, PROTOBUF) == body


def test_update_is_the_bytes_that_other_classes_write() -> None:
    status = TaskStatus(
        task_id=TaskId("t"),
        state=TaskState.UNREACHABLE,
        source=Source.AGENT,
        agent_id=AgentId("a"),
        reason=Reason.AGENT_REMOVED,
        message="gone",
        data=b"\x80",
        uuid=bytes(range(16)),
        timestamp_ms=1_700_000_000_123,
    )
    message = golden("Event")(
        type=4,
        update={
            "status": {
                "task_id": {"value": "t"},
                "state": 10,
                "data": b"\x80",
                "message": "gone",
                "agent_id": {"value": "a"},
                "timestamp": 1_700_000_000.123,
                "source": 1,
                "reason": 11,
                "uuid": bytes(range(16)),
            }
        },
    )
    event = Update(status=status)
    record = encode_event(event, capabilities=("PARTITION_AWARE",), media=PROTOBUF)
    assert record == message.SerializeToString()
    assert decode_event(record, PROTOBUF) == event


def test_short_messages_are_the_bytes_written_by_hand() -> None:
    call = Acknowledge(
        framework_id=FrameworkId("f"),
        agent_id=AgentId("a"),
        task_id=TaskId("t"),
        uuid=bytes(16),
    )
    body = (
        b"\x0a\x03\x0a\x01f"  # framework_id
        b"\x10\x08"  # type ACKNOWLEDGE
        b"\x42\x1c\x0a\x03\x0a\x01a\x12\x03\x0a\x01t\x1a\x10" + bytes(16)
    )
    assert encode_call(call, PROTOBUF) == body
    assert decode_call(body, PROTOBUF) == call
    heartbeat = encode_event(Heartbeat(), capabilities=(), media=PROTOBUF)
    assert heartbeat == b"\x08\x08"
    assert decode_event(b"\x08\x03\x22\x05\x0a\x03\x0a\x01o", PROTOBUF) == Rescind(
        offer_id=OfferId("o")
    )


def test_number_of_an_enum_and_field_we_do_not_know_are_unset() -> None:
    assert decode_event(b"\x08\x63", PROTOBUF) == UnknownEvent(type="UNKNOWN")
    assert decode_event(b"\x08\x08\xfa\x3e\x01x", PROTOBUF) == Heartbeat()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"\xff", "body"),
        (b"\x22\x05", "body"),
        (b"", "type"),
        (b"\x10\x63", "type"),
        (b"\x10\x02", "framework_id"),
        (b"\x0a\x00\x10\x02", "framework_id.value"),
        (b"\x0a\x03\x0a\x01\xff\x10\x02", "framework_id.value"),
        (b"\x0a\x03\x0a\x01f\x10\x03", "accept"),
        (
            b"\x0a\x03\x0a\x01f\x10\x03\x22\x08\x12\x06\x08\x01\x12\x02\x0a\x00",
            "accept.operations[0].launch.task_infos[0].name",
        ),
        (b"\x0b" * 200, "body"),
    ],
)
def test_bad_protobuf_is_refused_by_the_path_of_its_field(
    body: bytes, path: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        decode_call(body, PROTOBUF)
    assert caught.value.path == path


def test_double_that_is_no_number_is_refused() -> None:
    info = {"user": "u", "name": "n", "failover_timeout": math.nan}
    tree = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
    body = write_message(PROTOBUF, "scheduler.Call", tree)
    with pytest.raises(InvalidInputError, match="failover_timeout: is not a number"):
        decode_call(body, PROTOBUF)


@pytest.mark.parametrize(
    "tree",
    [
        {"type": "NO_SUCH_CALL"},
        {"type": "KILL", "kill": {}},
        {"unheard_of": 1},
        {"framework_id": {"value": 5}},
        {"framework_id": "f", "accept": {"offer_ids": 5}},
        {"type": "MESSAGE", "message": {"data": "no base64"}},
    ],
)
def test_tree_that_is_no_message_is_not_written(tree: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="cannot be written"):
        write_message(PROTOBUF, "scheduler.Call", tree)


def _sample(kind: str, depth: int) -> dict[str, Any]:
    """A message with every field set, as deep as ``depth`` (then what must be)."""
    return {
        name: _sample_field(field, depth)
        for name, field in fields_of(kind).items()
        if depth > 0 or field.is_required
    }


def _sample_field(field: Field, depth: int) -> Any:
    values = _samples(field, depth)
    if field.is_map:
        return {"k": next(values), "": next(values)}
    return list(values)[:2] if field.is_repeated else next(values)


def _samples(field: Field, depth: int) -> Iterator[Any]:
    if field.type in schema().messages:
        yield from (_sample(field.type, depth - 1), _sample(field.type, 0))
    elif field.type in schema().enums:
        labels = list(labels_of(field.type))
        yield from (labels[-1], labels[0])
    else:
        yield from {
            "bool": (True, False),
            "bytes": (b"\x00\xff", b""),
            "double": (-0.1, math.inf),
            "int32": (-(2**31), 2**31 - 1),
            "int64": (-(2**63), 2**63 - 1),
            "string": ("ö\x00", ""),
            "uint32": (2**32 - 1, 0),
            "uint64": (2**64 - 1, 0),
        }[field.type]


@pytest.mark.parametrize("kind", sorted(schema().messages))
def test_every_message_is_the_same_tree_after_a_round_trip(kind: str) -> None:
    tree = _sample(kind, 1 if kind.count(".") == 1 else 2)
    body = write_message(PROTOBUF, kind, tree)
    assert read_message(PROTOBUF, kind, body).tree == tree


def test_bytes_that_were_carried_as_base64_are_bytes_again() -> None:
    text = base64.b64encode(b"\xff").decode()
    tree: dict[str, Any] = {"type": "MESSAGE", "message": {"data": text}}
    ids = {"agent_id": {"value": "a"}, "executor_id": {"value": "e"}}
    tree["message"] |= ids
    read = read_message(
        PROTOBUF, "scheduler.Call", write_message(PROTOBUF, "scheduler.Call", tree)
    )
    assert read.tree["message"] == ids | {"data": b"\xff"}


def test_infinite_limits_are_carried_as_text_in_json() -> None:
    tree = {"limits": {"cpus": {"value": "Infinity"}, "mem": {"value": 1.5}}}
    tree |= {"role": "r"}
    body = write_message(PROTOBUF, "quota.QuotaConfig", tree)
    read = read_message(PROTOBUF, "quota.QuotaConfig", body).tree
    assert read["limits"] == {"cpus": {"value": math.inf}, "mem": {"value": 1.5}}
