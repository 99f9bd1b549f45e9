"""Requests to the scheduler API that cannot be read: tables.

Statuses are Mesos', and so are the words wherever Mesos has some. Each table is sent
to one whole node over real sockets; what went wrong is told of all rows at once.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from support.scheduler_http import PROTOBUF, Api, Framework, judged, subscription

UUID = base64.b64encode(bytes(range(16))).decode()
ID = {"value": "x"}

HEADERS: list[tuple[str, dict[str, Any], int, str]] = [
    ("GET", {"method": "GET"}, 405, "Expecting one of { 'POST' }, but received 'GET'"),
    ("PUT", {"method": "PUT"}, 405, "received 'PUT'"),
    ("no content type", {"content_type": None}, 400, "'Content-Type' to be present"),
    (
        "foreign content type",
        {"content_type": "text/plain"},
        415,
        "Expecting 'Content-Type' of application/json or application/x-protobuf",
    ),
    (
        "form",
        {"content_type": "application/x-www-form-urlencoded"},
        415,
        "Expecting 'Content-Type' of",
    ),
    (
        "JSON said to be protobuf",
        {"content_type": PROTOBUF},
        400,
        "Failed to parse body into Call protobuf",
    ),
    (
        "foreign accept",
        {"accept": "text/html"},
        406,
        "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'",
    ),
    ("accept of nothing", {"accept": "*/*;q=0"}, 406, "Expecting 'Accept' to allow"),
    (
        "with a stream id",
        {"mesos_stream_id": "x"},
        400,
        "Subscribe calls should not include the 'Mesos-Stream-Id' header",
    ),
    # Accept is looked at before the stream id.
    ("both", {"accept": "text/html", "mesos_stream_id": "x"}, 406, "Expecting"),
]
"""What is wrong with the head of an otherwise good SUBSCRIBE."""


async def test_heads_of_requests_are_answered_as_mesos_answers_them(
    address: tuple[str, int],
) -> None:
    api = Api(address)
    body = json.dumps(subscription()).encode()
    wrong = []
    for row, changes, status, words in HEADERS:
        wrong += judged(row, await api.ask(body, **changes), status, words)
    assert not wrong, "\n".join(wrong)


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


BODIES: list[tuple[str, Any, str]] = [
    ("empty", b"", "Failed to parse body into JSON"),
    ("cut off", b'{"type":', "Failed to parse body into JSON"),
    ("not text", b"\xff\xfe\x00", "Failed to parse body into JSON"),
    ("a list", b"[]", "Failed to parse body into JSON"),
    ("a number", b"7", "Failed to parse body into JSON"),
    ("a great depth", nested(50_000), "Failed to parse body into JSON"),
    ("no type", {}, "Expecting 'type' to be present"),
    ("type is null", {"type": None}, "Expecting 'type' to be present"),
    ("type is no type", {"type": "NONSENSE"}, "type"),
    ("type is a list", {"type": ["SUBSCRIBE"]}, "type"),
    ("no subscribe", {"type": "SUBSCRIBE"}, "Expecting 'subscribe' to be present"),
    (
        "no framework_info",
        {"type": "SUBSCRIBE", "subscribe": {}},
        "Missing required fields: subscribe.framework_info",
    ),
    (
        "no user",
        {"type": "SUBSCRIBE", "subscribe": {"framework_info": {"name": "n"}}},
        "Missing required fields: subscribe.framework_info.user",
    ),
    (
        "no name",
        {"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "u"}}},
        "Missing required fields: subscribe.framework_info.name",
    ),
    (
        "ids differ",
        subscription() | {"framework_id": ID},
        "Call: 'framework_id' differs from 'subscribe.framework_info.id'",
    ),
    (
        "only the inner id",
        subscription(id=ID),
        "framework_id",
    ),
    (
        "an id that is text",
        {"type": "SUBSCRIBE", "framework_id": "x", "subscribe": {}},
        "framework_id",
    ),
    ("roles are numbers", subscription(roles=[{}]), "roles"),
    ("timeout is a list", subscription(failover_timeout=[1]), "failover_timeout"),
    ("checkpoint is text", subscription(checkpoint="yes"), "checkpoint"),
    ("a call without a framework", {"type": "REVIVE"}, "Expecting 'framework_id'"),
    (
        "a call of an unknown framework",
        {"type": "REVIVE", "framework_id": ID},
        "Framework cannot be found",
    ),
]
"""Bodies that are answered 400."""


async def test_bodies_that_are_no_call_are_400(address: tuple[str, int]) -> None:
    api = Api(address)
    wrong = []
    for row, body, words in BODIES:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        wrong += judged(row, await api.ask(sent), 400, words)
    assert not wrong, "\n".join(wrong)


async def test_body_that_is_too_large_is_413(address: tuple[str, int]) -> None:
    reply = await Api(address).ask(b" " * (8 * 1024 * 1024 + 1))
    assert reply.status == 413


CALLS: list[tuple[str, dict[str, Any], int, str]] = [
    ("ACCEPT", {}, 400, "Expecting 'accept' to be present"),
    ("DECLINE", {}, 400, "Expecting 'decline' to be present"),
    ("ACCEPT_INVERSE_OFFERS", {}, 400, "Expecting 'accept_inverse_offers' to be"),
    ("DECLINE_INVERSE_OFFERS", {}, 400, "Expecting 'decline_inverse_offers' to be"),
    ("KILL", {}, 400, "Expecting 'kill' to be present"),
    ("KILL", {"kill": {}}, 400, "Missing required fields: kill.task_id"),
    ("KILL", {"kill": {"task_id": {}}}, 400, "kill.task_id.value"),
    ("KILL", {"kill": {"task_id": "t"}}, 400, "kill.task_id"),
    (
        "KILL",
        {"kill": {"task_id": ID, "kill_policy": {"grace_period": 3}}},
        400,
        "kill.kill_policy.grace_period",
    ),
    ("SHUTDOWN", {}, 400, "Expecting 'shutdown' to be present"),
    ("SHUTDOWN", {"shutdown": {"agent_id": ID}}, 400, "shutdown.executor_id"),
    ("SHUTDOWN", {"shutdown": {"executor_id": ID}}, 400, "shutdown.agent_id"),
    ("ACKNOWLEDGE", {}, 400, "Expecting 'acknowledge' to be present"),
    (
        "ACKNOWLEDGE",
        {"acknowledge": {"task_id": ID, "uuid": UUID}},
        400,
        "Missing required fields: acknowledge.agent_id",
    ),
    (
        "ACKNOWLEDGE",
        {"acknowledge": {"agent_id": ID, "uuid": UUID}},
        400,
        "Missing required fields: acknowledge.task_id",
    ),
    (
        "ACKNOWLEDGE",
        {"acknowledge": {"agent_id": ID, "task_id": ID}},
        400,
        "Missing required fields: acknowledge.uuid",
    ),
    (
        "ACKNOWLEDGE",
        {"acknowledge": {"agent_id": ID, "task_id": ID, "uuid": "AAAA"}},
        400,
        "acknowledge.uuid: must be 16 bytes, not 3",
    ),
    (
        "ACKNOWLEDGE",
        {"acknowledge": {"agent_id": ID, "task_id": ID, "uuid": "no base64!"}},
        400,
        "acknowledge.uuid",
    ),
    (
        "ACKNOWLEDGE_OPERATION_STATUS",
        {},
        400,
        "Expecting 'acknowledge_operation_status' to be present",
    ),
    (
        "ACKNOWLEDGE_OPERATION_STATUS",
        {"acknowledge_operation_status": {"uuid": UUID, "operation_id": ID}},
        400,
        "scheduler::Call: Expecting 'agent_id' to be present",
    ),
    (
        "ACKNOWLEDGE_OPERATION_STATUS",
        {"acknowledge_operation_status": {"agent_id": ID, "operation_id": ID}},
        400,
        "acknowledge_operation_status.uuid",
    ),
    (
        "ACKNOWLEDGE_OPERATION_STATUS",
        {"acknowledge_operation_status": {"agent_id": ID, "uuid": UUID}},
        400,
        "acknowledge_operation_status.operation_id",
    ),
    ("RECONCILE", {}, 400, "Expecting 'reconcile' to be present"),
    ("RECONCILE", {"reconcile": {"tasks": [{}]}}, 400, "reconcile.tasks[0].task_id"),
    ("RECONCILE_OPERATIONS", {}, 400, "Expecting 'reconcile_operations' to be"),
    (
        "RECONCILE_OPERATIONS",
        {"reconcile_operations": {"operations": [{}]}},
        400,
        "reconcile_operations.operations[0].operation_id",
    ),
    ("MESSAGE", {}, 400, "Expecting 'message' to be present"),
    ("MESSAGE", {"message": {"agent_id": ID, "data": ""}}, 400, "message.executor_id"),
    ("MESSAGE", {"message": {"executor_id": ID, "data": ""}}, 400, "message.agent_id"),
    (
        "MESSAGE",
        {"message": {"agent_id": ID, "executor_id": ID}},
        400,
        "Missing required fields: message.data",
    ),
    (
        "MESSAGE",
        {"message": {"agent_id": ID, "executor_id": ID, "data": "%%"}},
        400,
        "message.data",
    ),
    ("REQUEST", {}, 400, "Expecting 'request' to be present"),
    ("UPDATE_FRAMEWORK", {}, 400, "Expecting 'update_framework' to be present"),
    (
        "UPDATE_FRAMEWORK",
        {"update_framework": {}},
        400,
        "Missing required fields: update_framework.framework_info",
    ),
    (
        "UPDATE_FRAMEWORK",
        {"update_framework": {"framework_info": {"user": "u", "name": "n"}}},
        400,
        "framework_id",
    ),
    (
        "ACCEPT",
        {"accept": {"offer_ids": ["o"]}},
        400,
        "accept.offer_ids[0]",
    ),
    (
        "ACCEPT",
        {"accept": {"operations": [{"type": "LAUNCH"}]}},
        400,
        "accept.operations[0].launch",
    ),
    (
        "ACCEPT",
        {
            "accept": {
                "operations": [
                    {"type": "LAUNCH", "launch": {"task_infos": [{"name": "t"}]}}
                ]
            }
        },
        400,
        "accept.operations[0].launch.task_infos[0].task_id",
    ),
    (
        "ACCEPT",
        {"accept": {"operations": [{"type": "LAUNCH_GROUP", "launch_group": {}}]}},
        400,
        "accept.operations[0].launch_group",
    ),
    (
        "ACCEPT",
        {"accept": {"filters": {"refuse_seconds": "soon"}}},
        400,
        "accept.filters.refuse_seconds",
    ),
    ("UNKNOWN", {}, 501, ""),
]
"""Calls of a subscribed framework: type, body, status, words."""


async def test_calls_that_cannot_be_read_are_refused(address: tuple[str, int]) -> None:
    framework = Framework(Api(address))
    await framework.begin()
    wrong = []
    for kind, body, status, words in CALLS:
        reply = await framework.call(kind, **body)
        wrong += judged(f"{kind} {body}", reply, status, words)
    assert not wrong, "\n".join(wrong)


async def test_calls_on_the_wrong_stream_are_refused(address: tuple[str, int]) -> None:
    api = Api(address)
    framework = Framework(api)
    await framework.begin(failover_timeout=60)
    revive = framework.message("REVIVE")
    without = await api.call(revive)
    text = "All non-subscribe calls should include the 'Mesos-Stream-Id' header"
    assert (without.status, without.body.decode()) == (400, text)
    other = await api.call(revive, mesos_stream_id="other")
    assert other.status == 400
    assert other.body.decode() == (
        "The stream ID 'other' included in this request didn't match the stream ID"
        f" currently associated with framework ID {framework.id}"
    )
    unwanted = await api.call(
        framework.message("RECONCILE_OPERATIONS", reconcile_operations={}),
        mesos_stream_id=framework.stream_id,
        accept="text/html",
    )
    assert unwanted.status == 406
    await framework.leave()
    reply = await framework.call("REVIVE")
    while reply.status == 202:  # until the node has seen that it left
        reply = await framework.call("REVIVE")
    assert (reply.status, reply.body) == (403, b"Framework is not subscribed")
