"""What the scheduler endpoint answers, and what it makes of each call."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from raftleader.httpd.messages import Request, Response
from raftleader.protocol.ids import FrameworkId, TaskId
from raftleader.state import commands as c

UUID = base64.b64encode(bytes(range(16))).decode()


def header(answer: Any, name: str) -> str | None:
    return dict(answer.headers).get(name)


SUBSCRIBE = {
    "type": "SUBSCRIBE",
    "subscribe": {"framework_info": {"user": "u", "name": "n"}},
}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "parse body into JSON: is not JSON"),
        (b"{", "parse body into JSON: is not JSON"),
        (b"[]", "parse body into JSON: expected an object"),
        (b"\xff\xfe", "parse body into JSON: is not JSON"),
        (b"{" * 100_000, "parse body into JSON: is not JSON"),
        (b'{"a":' * 100_000, "parse body into JSON: is nested too deeply"),
        ({"type": "NONSENSE"}, "type: 'NONSENSE' is not the type of a call"),
        ({}, "Expecting 'type' to be present"),
        ({"type": "ACCEPT"}, "Expecting 'framework_id' to be present"),
        ({"type": "SUBSCRIBE"}, "Expecting 'subscribe' to be present"),
        (
            {"type": "KILL", "framework_id": {"value": "f"}, "kill": {"task_id": 1}},
            "kill.task_id: expected an object, got a number",
        ),
        (
            {
                "type": "ACKNOWLEDGE",
                "framework_id": {"value": "f"},
                "acknowledge": {
                    "agent_id": {"value": "a"},
                    "task_id": {"value": "t"},
                    "uuid": "AAAA",
                },
            },
            "acknowledge.uuid: must be 16 bytes, not 3",
        ),
        (
            SUBSCRIBE | {"framework_id": {"value": "f"}},
            "Call: 'framework_id' differs from 'subscribe.framework_info.id'",
        ),
    ],
)
async def test_bad_body_is_400_and_names_the_field(
    body: Any, words: str, client: Any
) -> None:
    answer = await client.post(body)
    assert isinstance(answer, Response)
    assert answer.status == 400
    assert words in answer.body.decode()
    assert client.node.commands == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
async def test_other_methods_are_405_before_anything_else(
    method: str, client: Any
) -> None:
    answer = await client.ask(method, "/api/v1/scheduler", b"rubbish")
    assert answer.status == 405
    assert header(answer, "Allow") == "POST"


async def test_call_of_a_type_that_is_not_served_is_501(client: Any) -> None:
    framework_id = await client.framework()
    answer = await client.call(framework_id, "UNKNOWN")
    assert answer.status == 501
    assert answer.body == b"UNKNOWN is not served by this version\n"


async def test_call_of_a_disconnected_framework_is_403_in_mesos_very_words(
    client: Any,
) -> None:
    framework_id = await client.framework(failover_timeout=60)
    client.node.disconnect(framework_id)
    answer = await client.call(framework_id, "REVIVE")
    assert answer.status == 403
    assert answer.body == b"Framework is not subscribed"


async def test_call_without_stream_id_is_400(client: Any) -> None:
    framework_id = await client.framework()
    message = {"type": "REVIVE", "framework_id": {"value": framework_id}}
    answer = await client.post(message)
    assert answer.status == 400
    assert b"should include the 'Mesos-Stream-Id' header" in answer.body


async def test_framework_torn_down_by_an_earlier_call_in_the_queue_is_400(
    client: Any,
) -> None:
    framework_id = await client.framework()
    assert (await client.call(framework_id, "TEARDOWN")).status == 202
    stream_id = client.node.streams[framework_id].stream_id
    node = client.node
    # As if the row were still there when the second call was checked.
    node.state.frameworks[framework_id] = object()
    message = {"type": "REVIVE", "framework_id": {"value": framework_id}}
    request = Request(
        method="POST",
        path="/api/v1/scheduler",
        target="/api/v1/scheduler",
        headers={"content-type": "application/json", "mesos-stream-id": stream_id},
        body=str(message).replace("'", '"').encode(),
    )
    real_commit = node.commit

    def commit(*commands: Any) -> Any:
        del node.state.frameworks[framework_id]
        return real_commit(*commands)

    node.commit = commit
    answer = await client.answer(client.handler(request))
    assert answer.status == 400
    assert answer.body == b"Framework cannot be found"


@pytest.mark.parametrize(
    ("kind", "body", "command"),
    [
        (
            "ACCEPT",
            {"accept": {"offer_ids": [{"value": "o"}], "operations": []}},
            lambda f: c.AcceptOffers(framework_id=f, offer_ids=("o",)),
        ),
        (
            "DECLINE",
            {
                "decline": {
                    "offer_ids": [{"value": "o"}],
                    "filters": {"refuse_seconds": 2.5},
                }
            },
            lambda f: c.DeclineOffers(framework_id=f, offer_ids=("o",), refuse_ms=2500),
        ),
        (
            "REVIVE",
            {"revive": {"roles": ["*"]}},
            lambda f: c.ReviveRoles(framework_id=f, roles=("*",)),
        ),
        ("REVIVE", {}, lambda f: c.ReviveRoles(framework_id=f)),
        ("SUPPRESS", {}, lambda f: c.SuppressRoles(framework_id=f)),
        (
            "KILL",
            {"kill": {"task_id": {"value": "t"}, "agent_id": {"value": "a"}}},
            lambda f: c.KillTask(framework_id=f, task_id=TaskId("t"), agent_id="a"),
        ),
        (
            "ACKNOWLEDGE",
            {
                "acknowledge": {
                    "agent_id": {"value": "a"},
                    "task_id": {"value": "t"},
                    "uuid": UUID,
                }
            },
            lambda f: c.AcknowledgeUpdate(
                framework_id=f, task_id=TaskId("t"), uuid=bytes(range(16))
            ),
        ),
        ("TEARDOWN", {}, lambda f: c.TeardownFramework(framework_id=f)),
    ],
)
async def test_call_becomes_its_command_and_is_answered_202_without_a_body(
    kind: str, body: dict[str, Any], command: Any, client: Any
) -> None:
    framework_id = await client.framework()
    client.node.commands.clear()
    answer = await client.call(framework_id, kind, **body)
    assert answer == Response(status=202)
    assert client.node.commands == [command(FrameworkId(framework_id))]


async def test_pipelined_calls_are_submitted_in_order_before_any_is_awaited(
    client: Any,
) -> None:
    framework_id = await client.framework()
    stream_id = client.node.streams[framework_id].stream_id
    client.node.commands.clear()
    replies = [
        client.handler(
            Request(
                method="POST",
                path="/api/v1/scheduler",
                target="/api/v1/scheduler",
                headers={
                    "content-type": "application/json",
                    "mesos-stream-id": stream_id,
                },
                body=b'{"type":"%s","framework_id":{"value":"%s"}}'
                % (kind, framework_id.encode()),
            )
        )
        for kind in (b"SUPPRESS", b"REVIVE", b"SUPPRESS")
    ]
    assert [type(command).__name__ for command in client.node.commands] == [
        "SuppressRoles",
        "ReviveRoles",
        "SuppressRoles",
    ]
    for reply in replies:
        assert (await client.answer(reply)).status == 202
