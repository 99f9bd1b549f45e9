"""The Mesos v1 JSON contract, field by field."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from raftleader.errors import InvalidInputError
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskId
from raftleader.protocol.json_v1 import decode_call, decode_event, encode_event
from raftleader.protocol.offers import Launch, Offer, UnsupportedOperation
from raftleader.protocol.resources import Resources
from raftleader.protocol.scheduler_api import (
    Accept,
    Call,
    Decline,
    Event,
    Heartbeat,
    Kill,
    LeaderInfo,
    Offers,
    Reconcile,
    ReconcileTask,
    Revive,
    Subscribe,
    Subscribed,
    Suppress,
    UnknownCall,
    UnknownEvent,
    Update,
)
from raftleader.protocol.tasks import Source, TaskInfo, TaskState, TaskStatus

UUID = base64.b64encode(bytes(16)).decode()


def call(**message: Any) -> bytes:
    return json.dumps(message).encode()


def framework_call(kind: str, **body: Any) -> bytes:
    return call(type=kind, framework_id={"value": "f"}, **body)


def accept_of(*tasks: dict[str, Any], **body: Any) -> bytes:
    launch = {"type": "LAUNCH", "launch": {"task_infos": list(tasks)}}
    return framework_call(
        "ACCEPT", accept={"offer_ids": [{"value": "o"}], "operations": [launch]} | body
    )


def task_of(**fields: Any) -> dict[str, Any]:
    return {
        "name": "t",
        "task_id": {"value": "t-1"},
        "agent_id": {"value": "a"},
    } | fields


def task_from(**fields: Any) -> TaskInfo:
    decoded = decode_call(accept_of(task_of(**fields)))
    assert isinstance(decoded, Accept)
    (launch,) = decoded.operations
    assert isinstance(launch, Launch)
    return launch.tasks[0]


def subscribe_of(**info: Any) -> bytes:
    return call(
        type="SUBSCRIBE",
        subscribe={"framework_info": {"user": "u", "name": "n"} | info},
    )


def info_from(**info: Any) -> FrameworkInfo:
    decoded = decode_call(subscribe_of(**info))
    assert isinstance(decoded, Subscribe)
    return decoded.framework_info


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (framework_call("REVIVE"), Revive(framework_id=FrameworkId("f"))),
        (framework_call("REVIVE", revive=None), Revive(framework_id=FrameworkId("f"))),
        (
            framework_call("SUPPRESS", suppress={"roles": "web"}),
            Suppress(framework_id=FrameworkId("f"), roles=("web",)),
        ),
        (
            framework_call("DECLINE", decline={"offer_ids": {"value": "o"}}),
            Decline(framework_id=FrameworkId("f"), offer_ids=(OfferId("o"),)),
        ),
        (
            framework_call(
                "DECLINE", decline={"filters": {"refuse_seconds": "Infinity"}}
            ),
            Decline(
                framework_id=FrameworkId("f"),
                offer_ids=(),
                refuse_ms=365 * 86_400_000,
            ),
        ),
        (
            framework_call(
                "KILL",
                kill={
                    "task_id": {"value": 17},
                    "agent_id": {"value": ""},
                    "kill_policy": {"grace_period": {"nanoseconds": "2500000000"}},
                },
            ),
            Kill(framework_id=FrameworkId("f"), task_id=TaskId("17"), grace_ms=2500),
        ),
        (
            framework_call(
                "RECONCILE",
                reconcile={"tasks": {"task_id": {"value": "t"}, "unknown": [1]}},
            ),
            Reconcile(
                framework_id=FrameworkId("f"),
                tasks=(ReconcileTask(task_id=TaskId("t")),),
            ),
        ),
        (call(type="MESSAGE"), UnknownCall(type="MESSAGE")),
    ],
)
def test_call_is_read_as_mesos_reads_it(body: bytes, expected: Call) -> None:
    assert decode_call(body) == expected


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b"null", "body"),
        (b'{"type":"\xff"}', "body"),
        (b'{"a":NaN}', "body"),
        (b'{"a":1e999}', "body"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "body"),
        (b"[" * 1_000_000, "body"),
        (call(), "type"),
        (call(type="LAUNCH"), "type"),
        (call(type=[]), "type"),
        (call(type="TEARDOWN"), "framework_id"),
        (call(type="TEARDOWN", framework_id={"value": ""}), "framework_id"),
        (call(type="TEARDOWN", framework_id="f"), "framework_id"),
        (call(type="TEARDOWN", framework_id={"value": {}}), "framework_id.value"),
        (
            call(type="TEARDOWN", framework_id={"value": "x" * 5000}),
            "framework_id.value",
        ),
        (call(type="SUBSCRIBE"), "subscribe"),
        (call(type="SUBSCRIBE", subscribe={}), "subscribe.framework_info"),
        (
            call(type="SUBSCRIBE", subscribe={"framework_info": {"name": "n"}}),
            "subscribe.framework_info.user",
        ),
        (subscribe_of(name=None), "subscribe.framework_info.name"),
        (subscribe_of(id={"value": "f"}), "subscribe.framework_info.id"),
        (subscribe_of(checkpoint=1), "subscribe.framework_info.checkpoint"),
        (
            subscribe_of(failover_timeout="NaN"),
            "subscribe.framework_info.failover_timeout",
        ),
        (subscribe_of(roles=[[]]), "subscribe.framework_info.roles[0]"),
        (
            subscribe_of(capabilities=["MULTI_ROLE"]),
            "subscribe.framework_info.capabilities[0]",
        ),
        (framework_call("ACCEPT"), "accept"),
        (framework_call("ACCEPT", accept={"offer_ids": ["o"]}), "accept.offer_ids[0]"),
        (
            framework_call("ACCEPT", accept={"operations": [{"type": "LAUNCH"}]}),
            "accept.operations[0].launch",
        ),
        (
            accept_of(task_of(), task_of(task_id=None)),
            "accept.operations[0].launch.task_infos[1].task_id",
        ),
        (
            accept_of(task_of(data="=?=")),
            "accept.operations[0].launch.task_infos[0].data",
        ),
        (
            accept_of(task_of(data="A" * 1_400_000)),
            "accept.operations[0].launch.task_infos[0].data",
        ),
        (
            accept_of(*[task_of()] * 10_001),
            "accept.operations",
        ),
        (
            framework_call("DECLINE", decline={"filters": {"refuse_seconds": [1]}}),
            "decline.filters.refuse_seconds",
        ),
        (framework_call("KILL", kill={}), "kill.task_id"),
        (framework_call("KILL", kill={"task_id": {}}), "kill.task_id.value"),
        (
            framework_call(
                "KILL",
                kill={
                    "task_id": {"value": "t"},
                    "kill_policy": {"grace_period": {"nanoseconds": -1}},
                },
            ),
            "kill.kill_policy.grace_period.nanoseconds",
        ),
        (
            framework_call("RECONCILE", reconcile={"tasks": [{}, {}]}),
            "reconcile.tasks[0].task_id",
        ),
    ],
)
def test_bad_call_is_refused_by_the_path_of_its_field(body: bytes, path: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        decode_call(body)
    assert caught.value.path == path
    assert caught.value.problem


@pytest.mark.parametrize(
    ("uuid", "problem"),
    [
        (None, "is required"),
        ("", "must be 16 bytes, not 0"),
        ("AAAA", "must be 16 bytes, not 3"),
        (base64.b64encode(bytes(17)).decode(), "is larger than 16 bytes"),
        ("not base64!", "is not base64"),
        (UUID[:-2], "is not base64"),
        (16, "expected base64, got a number"),
        ("ü" * 8, "is not base64"),
    ],
)
def test_acknowledge_with_a_malformed_uuid_is_refused(uuid: Any, problem: str) -> None:
    body = {"agent_id": {"value": "a"}, "task_id": {"value": "t"}, "uuid": uuid}
    with pytest.raises(InvalidInputError) as caught:
        decode_call(framework_call("ACKNOWLEDGE", acknowledge=body))
    assert caught.value.path == "acknowledge.uuid"
    assert caught.value.problem.startswith(problem)


@pytest.mark.parametrize(
    ("value", "millis"),
    [
        (0.1, 100),
        (1, 1000),
        ("2.5", 2500),
        ("1e3", 1_000_000),
        (0.1 + 0.2, 300),
        (1.0005, 1001),
        (0.0004, None),
        (10**12, 10**15),
    ],
)
def test_scalar_is_rounded_to_three_decimals(value: Any, millis: int | None) -> None:
    item = {"name": "cpus", "type": "SCALAR", "scalar": {"value": value}}
    scalars = {} if millis is None else {"cpus": millis}
    assert task_from(resources=[item]).resources == Resources.of(scalars)


@pytest.mark.parametrize(
    "value", [-1, 10**13, "Infinity", "nan", "1,5", True, [], 10**400, "1e999", ""]
)
def test_scalar_that_is_no_amount_is_refused(value: Any) -> None:
    item = {"name": "cpus", "type": "SCALAR", "scalar": {"value": value}}
    with pytest.raises(InvalidInputError) as caught:
        task_from(resources=[item])
    assert caught.value.path in (
        "accept.operations[0].launch.task_infos[0].resources[0].scalar.value",
        "body",
    )


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"type": "SCALAR", "scalar": {"value": 1}}, "[0].name"),
        ({"name": "c(x)", "type": "SCALAR", "scalar": {"value": 1}}, "[0].name"),
        ({"name": "c", "scalar": {"value": 1}}, "[0].type"),
        ({"name": "c", "type": "TEXT", "text": {"value": "x"}}, "[0].type"),
        ({"name": "c", "type": "SCALAR"}, "[0].scalar"),
        ({"name": "c", "type": "SCALAR", "scalar": {}}, "[0].scalar.value"),
        (
            {"name": "p", "type": "RANGES", "ranges": {"range": {"begin": 1}}},
            "[0].ranges.range.end",
        ),
        (
            {
                "name": "p",
                "type": "RANGES",
                "ranges": {"range": {"begin": 2, "end": 1}},
            },
            "[0].ranges.range.end",
        ),
        (
            {
                "name": "p",
                "type": "RANGES",
                "ranges": {"range": {"begin": -1, "end": 1}},
            },
            "[0].ranges.range.begin",
        ),
        (
            {
                "name": "p",
                "type": "RANGES",
                "ranges": {
                    "range": [{"begin": 2 * i, "end": 2 * i} for i in range(10001)]
                },
            },
            "",
        ),
        (
            {
                "name": "c",
                "type": "SCALAR",
                "scalar": {"value": 1},
                "role": "a b",
            },
            "[0].role",
        ),
    ],
)
def test_bad_resource_is_refused_by_the_path_of_its_field(
    item: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        task_from(resources=[item])
    task = "accept.operations[0].launch.task_infos[0]"
    assert caught.value.path == f"{task}.resources{field}"


@pytest.mark.parametrize(
    "reserved",
    [
        {"role": "prod"},
        {"role": "prod", "reservation": {"principal": "p"}},
        {"reservation": {"role": "prod", "type": "DYNAMIC"}},
        {"reservations": [{"type": "STATIC", "role": "prod"}]},
        {"reservations": [{"role": "x"}, {"type": "DYNAMIC", "role": "prod"}]},
    ],
)
def test_reservation_is_read_in_each_of_its_forms(reserved: dict[str, Any]) -> None:
    item = {"name": "cpus", "type": "SCALAR", "scalar": {"value": 2}} | reserved
    free = {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.5}, "role": "*"}
    expected = Resources.of({"cpus": 1000, "cpus(prod)": 2000})
    assert task_from(resources=[item, free, free]).resources == expected


@pytest.mark.parametrize(
    ("fields", "unsupported"),
    [
        ({"executor": {"executor_id": {"value": "e"}}}, ("executor",)),
        ({"container": {"type": "DOCKER", "docker": {"image": "i"}}}, ("container",)),
        ({"container": {"type": "MESOS", "volumes": [{"mode": "RW"}]}}, ("container",)),
        ({"container": {"type": "MESOS", "hostname": "h"}}, ("container",)),
        ({"container": {"type": "MESOS", "volumes": [], "mesos": {}}}, ()),
        ({"health_check": {"type": "HTTP"}}, ("health_check",)),
        ({"check": {"type": "TCP"}}, ("check",)),
        ({"limits": {"cpus": {"value": 1}}}, ("limits",)),
        ({"limits": {}}, ()),
        ({"max_completion_time": {"nanoseconds": 1}}, ("max_completion_time",)),
        ({"command": {"uris": [{"value": "http://x"}]}}, ("command.uris",)),
        ({"command": {"uris": []}}, ()),
        (
            {
                "command": {
                    "environment": {"variables": [{"name": "A", "type": "SECRET"}]}
                }
            },
            ("command.environment.secret",),
        ),
        (
            {
                "resources": {
                    "name": "disk",
                    "type": "SCALAR",
                    "scalar": {"value": 1},
                    "disk": {"persistence": {"id": "x"}},
                }
            },
            ("resources.disk",),
        ),
        ({"discovery": {"visibility": "CLUSTER"}}, ()),
        ({"container": None, "executor": None}, ()),
    ],
)
def test_task_names_what_we_cannot_honour(
    fields: dict[str, Any], unsupported: tuple[str, ...]
) -> None:
    assert task_from(**fields).unsupported == unsupported


def test_operations_we_cannot_perform_keep_their_place() -> None:
    group = {
        "type": "LAUNCH_GROUP",
        "launch_group": {"executor": {}, "task_group": {"tasks": [task_of()]}},
    }
    body = {"operations": [{"type": "RESERVE"}, group, {"type": "NEW"}, {}]}
    decoded = decode_call(framework_call("ACCEPT", accept=body))
    assert isinstance(decoded, Accept)
    task = TaskInfo(
        name="t",
        task_id=TaskId("t-1"),
        agent_id=AgentId("a"),
        unsupported=("launch_group",),
    )
    assert decoded.operations == (
        UnsupportedOperation(type="RESERVE"),
        Launch(tasks=(task,)),
        UnsupportedOperation(type="UNKNOWN"),
        UnsupportedOperation(type="UNKNOWN"),
    )


@pytest.mark.parametrize(
    ("info", "roles"),
    [
        ({}, ("*",)),
        ({"role": "web"}, ("web",)),
        ({"roles": ["web"]}, ("web",)),
        ({"role": "web", "roles": ["db"]}, ("web", "db")),
        ({"roles": ["a", "b"], "capabilities": [{"type": "MULTI_ROLE"}]}, ("a", "b")),
        ({"role": "x", "roles": "a", "capabilities": {"type": "MULTI_ROLE"}}, ("a",)),
    ],
)
def test_roles_follow_the_capability_multi_role(
    info: dict[str, Any], roles: tuple[str, ...]
) -> None:
    assert info_from(**info).roles == roles


@pytest.mark.parametrize(
    ("seconds", "millis"),
    [
        (0, 0),
        (3600, 3_600_000),
        (0.0015, 2),
        (-1, -1000),
        ("Infinity", 10**15),
        (-1e300, -(10**15)),
        (10**30, 10**15),
    ],
)
def test_failover_timeout_out_of_bounds_is_left_for_the_state_to_refuse(
    seconds: Any, millis: int
) -> None:
    assert info_from(failover_timeout=seconds).failover_timeout_ms == millis


def test_unknown_capabilities_are_ignored() -> None:
    capabilities = [{"type": "FROM_THE_FUTURE"}, {"type": "GPU_RESOURCES"}, {}]
    assert info_from(capabilities=capabilities).capabilities == ("GPU_RESOURCES",)


def test_empty_framework_id_counts_as_unset() -> None:
    body = json.loads(subscribe_of(id={"value": ""})) | {"framework_id": {"value": ""}}
    decoded = decode_call(json.dumps(body).encode())
    assert isinstance(decoded, Subscribe)
    assert decoded.framework_id is None
    assert decoded.framework_info.id is None


OFFER = Offer(
    id=OfferId("o"),
    framework_id=FrameworkId("f"),
    agent_id=AgentId("a"),
    role="prod",
    resources=Resources.of(
        {"cpus": 1500, "mem(prod)": 64_000}, {"ports": [(31000, 31009)]}
    ),
    agent=AgentInfo(hostname="höst", ip="10.0.0.1", port=5051),
)


def written(event: Event, *capabilities: str) -> Any:
    return json.loads(encode_event(event, capabilities=capabilities))


def test_offer_to_an_old_framework_has_roles_but_no_allocation_info() -> None:
    (offer,) = written(Offers(offers=(OFFER,)))["offers"]["offers"]
    assert offer == {
        "id": {"value": "o"},
        "framework_id": {"value": "f"},
        "agent_id": {"value": "a"},
        "hostname": "höst",
        "url": {
            "scheme": "http",
            "address": {"hostname": "höst", "ip": "10.0.0.1", "port": 5051},
        },
        "resources": [
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1.5}, "role": "*"},
            {
                "name": "mem",
                "type": "SCALAR",
                "scalar": {"value": 64.0},
                "role": "prod",
            },
            {
                "name": "ports",
                "type": "RANGES",
                "ranges": {"range": [{"begin": 31000, "end": 31009}]},
                "role": "*",
            },
            {"name": "disk", "type": "SCALAR", "scalar": {"value": 0.0}, "role": "*"},
        ],
    }


def test_offer_to_a_new_framework_names_allocation_and_reservations() -> None:
    event = Offers(offers=(OFFER,))
    (offer,) = written(event, "MULTI_ROLE", "RESERVATION_REFINEMENT")["offers"][
        "offers"
    ]
    assert offer["allocation_info"] == {"role": "prod"}
    assert offer["resources"][1] == {
        "name": "mem",
        "type": "SCALAR",
        "scalar": {"value": 64.0},
        "reservations": [{"type": "STATIC", "role": "prod"}],
        "allocation_info": {"role": "prod"},
    }
    assert "role" not in offer["resources"][0]
    assert "reservations" not in offer["resources"][0]


def test_offer_of_an_exhausted_agent_still_names_cpus_mem_disk_and_ports() -> None:
    offer = Offer(
        id=OFFER.id,
        framework_id=OFFER.framework_id,
        agent_id=OFFER.agent_id,
        role="*",
        resources=Resources.of({"gpus": 1000}),
        agent=OFFER.agent,
    )
    (message,) = written(Offers(offers=(offer,)))["offers"]["offers"]
    named = [item["name"] for item in message["resources"]]
    assert named == ["gpus", "cpus", "mem", "disk", "ports"]


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


def test_text_outside_ascii_is_escaped() -> None:
    offer = written(Offers(offers=(OFFER,)))
    assert offer["offers"]["offers"][0]["hostname"] == "höst"
    record = encode_event(Offers(offers=(OFFER,)), capabilities=())
    assert b"h\\u00f6st" in record


def test_event_of_an_unknown_type_is_no_error() -> None:
    assert decode_event(b'{"type":"INVERSE_OFFERS"}') == UnknownEvent(
        type="INVERSE_OFFERS"
    )


@pytest.mark.parametrize(
    ("record", "path"),
    [
        (b"x", "event"),
        (b"{}", "type"),
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
