"""Events in Mesos' JSON."""

from __future__ import annotations

import pytest
from support.mesos_json import OFFER, written

from raftleader.errors import InvalidInputError
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId
from raftleader.protocol.json_v1 import decode_event, encode_event
from raftleader.protocol.scheduler_api import (
    Heartbeat,
    LeaderInfo,
    Offers,
    Subscribed,
    UnknownEvent,
    Update,
)
from raftleader.protocol.tasks import Source, TaskState, TaskStatus


@pytest.mark.parametrize(
    ("state", "capabilities", "told"),
    [
        (TaskState.UNREACHABLE, (), "TASK_LOST"),
        (TaskState.DROPPED, (), "TASK_LOST"),
        (TaskState.GONE_BY_OPERATOR, ("MULTI_ROLE",), "TASK_LOST"),
        (TaskState.UNREACHABLE, ("PARTITION_AWARE",), "TASK_UNREACHABLE"),
        (TaskState.KILLING, (), "TASK_RUNNING"),
        (TaskState.KILLING, ("TASK_KILLING_STATE",), "TASK_KILLING"),
        (TaskState.FINISHED, (), "TASK_FINISHED"),
    ],
)
def test_task_state_is_told_in_words_the_framework_knows(
    state: TaskState, capabilities: tuple[str, ...], told: str
) -> None:
    status = TaskStatus(task_id=TaskId("t"), state=state, source=Source.LEADER)
    message = written(Update(status=status), *capabilities)
    assert message["update"]["status"]["state"] == told


def test_update_is_written_as_mesos_writes_it() -> None:
    status = TaskStatus(
        task_id=TaskId("t-1"),
        state=TaskState.RUNNING,
        source=Source.EXECUTOR,
        agent_id=AgentId("a"),
        executor_id="t-1",
        uuid=bytes(16),
        timestamp_ms=1_700_000_000_123,
        container_id="c",
        unreachable_ms=5,
    )
    assert written(Update(status=status)) == {
        "type": "UPDATE",
        "update": {
            "status": {
                "task_id": {"value": "t-1"},
                "state": "TASK_RUNNING",
                "source": "SOURCE_EXECUTOR",
                "agent_id": {"value": "a"},
                "executor_id": {"value": "t-1"},
                "uuid": "AAAAAAAAAAAAAAAAAAAAAA==",
                "timestamp": 1_700_000_000.123,
                "container_status": {"container_id": {"value": "c"}},
                "unreachable_time": {"nanoseconds": 5_000_000},
            }
        },
    }


def test_heartbeat_is_the_twenty_bytes_clients_expect() -> None:
    assert encode_event(Heartbeat(), capabilities=()) == b'{"type":"HEARTBEAT"}'


def test_subscribed_names_the_leader_as_mesos_does() -> None:
    leader = LeaderInfo(
        id="n1", hostname="h", ip="10.0.0.1", port=5050, version="1.11.0"
    )
    event = Subscribed(
        framework_id=FrameworkId("f"), heartbeat_interval_s=15.0, leader=leader
    )
    info = written(event)["subscribed"]["master_info"]
    assert info["ip"] == 0x0100000A
    assert info["pid"] == "master@10.0.0.1:5050"
    assert info["address"] == {"hostname": "h", "ip": "10.0.0.1", "port": 5050}


def test_subscribed_names_no_capability_that_older_schemas_lack() -> None:
    """mesos-go, in JSON, cannot read an event with the name of an enum's value that
    came after it; in Mesos, QUOTA_V2 was the last to come."""
    leader = LeaderInfo(id="n", hostname="h", ip="10.0.0.1", port=1, version="1.11.0")
    event = Subscribed(
        framework_id=FrameworkId("f"), heartbeat_interval_s=15.0, leader=leader
    )
    info = written(event)["subscribed"]["master_info"]
    assert [one["type"] for one in info["capabilities"]] == [
        "AGENT_UPDATE",
        "AGENT_DRAINING",
    ]


def test_text_outside_ascii_is_escaped() -> None:
    offer = written(Offers(offers=(OFFER,)))
    assert offer["offers"]["offers"][0]["hostname"] == "höst"
    record = encode_event(Offers(offers=(OFFER,)), capabilities=())
    assert b"h\\u00f6st" in record


def test_event_of_an_unknown_type_is_no_error() -> None:
    assert decode_event(b'{"type":"NEW","new":1}') == UnknownEvent(type="NEW")
    assert decode_event(b"{}") == UnknownEvent(type="UNKNOWN")


@pytest.mark.parametrize(
    ("record", "path"),
    [
        (b"x", "event"),
        (b'{"type":[]}', "type"),
        (b'{"type":"MESSAGE","message":{}}', "message.agent_id"),
        (
            b'{"type":"UPDATE_OPERATION_STATUS","update_operation_status":'
            b'{"status":{"state":"OPERATION_DONE"}}}',
            "update_operation_status.status.state",
        ),
        (b'{"type":"OFFERS"}', "offers"),
        (b'{"type":"UPDATE","update":{"status":{"state":"X"}}}', "update.status.state"),
        (b'{"type":"RESCIND","rescind":{}}', "rescind.offer_id"),
        (
            b'{"type":"SUBSCRIBED","subscribed":{"framework_id":{"value":"f"},'
            b'"heartbeat_interval_seconds":0}}',
            "subscribed.heartbeat_interval_seconds",
        ),
    ],
)
def test_bad_event_is_refused_by_the_path_of_its_field(
    record: bytes, path: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        decode_event(record)
    assert caught.value.path == path
