"""SUBSCRIBE: the stream, and the ways in which it is refused."""

from __future__ import annotations

from typing import Any

import pytest
import trio.testing

from raftleader.httpd.messages import Response, Stream
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.json_v1 import decode_event, encode_call
from raftleader.protocol.scheduler_api import Heartbeat, Subscribe, Subscribed
from raftleader.protocol.wire.media import Media


def header(answer: Any, name: str) -> str | None:
    return dict(answer.headers).get(name)


async def test_subscribe_opens_a_stream_of_one_record_for_each_chunk(
    client: Any, autojump_clock: trio.testing.MockClock
) -> None:
    stream = await client.subscribe()
    (framework_id,) = client.node.state.frameworks
    assert stream.status == 200
    assert stream.headers[0] == ("Content-Type", "application/json")
    assert header(stream, "Mesos-Stream-Id") == (
        client.node.streams[framework_id].stream_id
    )
    first, second = await client.read(stream)
    assert first["type"] == "SUBSCRIBED"
    assert first["subscribed"]["framework_id"] == {"value": framework_id}
    assert first["subscribed"]["heartbeat_interval_seconds"] == 15.0
    assert second == {"type": "HEARTBEAT"}


async def test_stream_is_closed_when_its_client_goes(
    client: Any, autojump_clock: trio.testing.MockClock
) -> None:
    stream = await client.subscribe()
    (opened,) = client.node.streams.values()
    await client.read(stream)  # Cancelled after a second, as by the server.
    assert opened.is_closed


async def test_new_subscription_of_a_framework_ends_the_older_stream(
    client: Any, autojump_clock: trio.testing.MockClock
) -> None:
    first = await client.subscribe(failover_timeout=60)
    (framework_id,) = client.node.state.frameworks
    old_id = client.node.streams[framework_id].stream_id
    second = await client.subscribe(framework_id, failover_timeout=60)
    assert (await client.read(first))[-1] == {
        "type": "ERROR",
        "error": {"message": "Framework failed over"},
    }
    assert header(second, "Mesos-Stream-Id") != old_id
    message = {"type": "REVIVE", "framework_id": {"value": framework_id}}
    answer = await client.post(message, mesos_stream_id=old_id)
    assert answer.status == 400
    assert b"didn't match" in answer.body


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({"role": "/x"}, "Role '/x' is invalid"),
        ({"role": ""}, "is invalid"),
        ({"role": "a b"}, "is invalid"),
        ({"role": "-x"}, "is invalid"),
        ({"role": "a/../b"}, "is invalid"),
        ({"roles": ["a", "b"]}, "is not MULTI_ROLE capable"),
        ({"roles": ["a"]}, "is not MULTI_ROLE capable"),
        (
            {"role": "*", "capabilities": [{"type": "MULTI_ROLE"}]},
            "'FrameworkInfo.role' must not be set",
        ),
        ({"roles": ["a", "a"], "capabilities": [{"type": "MULTI_ROLE"}]}, "duplicate"),
        ({"failover_timeout": -1}, "failover_timeout"),
        ({"failover_timeout": 1e300}, "failover_timeout"),
        ({"failover_timeout": "Infinity"}, "failover_timeout"),
    ],
)
async def test_subscribe_that_mesos_refuses_by_event_is_one_error_and_the_end(
    info: dict[str, Any], words: str, client: Any, autojump_clock: Any
) -> None:
    stream = await client.subscribe(**info)
    assert stream.status == 200
    assert header(stream, "Mesos-Stream-Id")
    (event,) = await client.read(stream)
    assert event["type"] == "ERROR"
    assert words in event["error"]["message"]
    assert not client.node.state.frameworks


async def test_framework_with_multi_role_may_have_no_role_yet(
    client: Any, autojump_clock: Any
) -> None:
    framework_id = await client.framework(
        roles=[], capabilities=[{"type": "MULTI_ROLE"}]
    )
    assert client.node.state.frameworks[framework_id].info.roles == ()
    (framework,) = (await client.get_json("/frameworks"))["frameworks"]
    assert framework["roles"] == []


async def test_subscribe_of_a_removed_framework_is_an_error_event(
    client: Any, autojump_clock: Any
) -> None:
    framework_id = await client.framework()
    assert (await client.call(framework_id, "TEARDOWN")).status == 202
    stream = await client.subscribe(framework_id)
    assert await client.read(stream) == [
        {"type": "ERROR", "error": {"message": "Framework has been removed"}}
    ]


async def test_suppressed_roles_beyond_the_roles_are_an_error_event(
    client: Any, autojump_clock: Any
) -> None:
    message = {
        "type": "SUBSCRIBE",
        "subscribe": {
            "framework_info": {"user": "u", "name": "n", "role": "a"},
            "suppressed_roles": ["b"],
        },
    }
    (event,) = await client.read(await client.post(message))
    assert "uppressed roles" in event["error"]["message"]


SUBSCRIBE = {
    "type": "SUBSCRIBE",
    "subscribe": {"framework_info": {"user": "u", "name": "n"}},
}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"mesos_stream_id": "x"}, 400),
        ({"accept": "application/x-protobuf"}, 200),
        ({"accept": "text/html"}, 406),
        ({"accept": "text/html, application/json;q=0"}, 406),
        ({"accept": "application/json"}, 200),
        ({"accept": "text/html, */*;q=0.1"}, 200),
        ({"accept": "application/*"}, 200),
        ({"accept": ""}, 200),
        ({"accept": "application/json;q=nonsense"}, 200),
        ({"authorization": "Basic xyz"}, 200),
        ({"content_type": "application/json; charset=utf-8"}, 200),
        ({"content_type": "Application/JSON"}, 200),
        ({"content_type": "application/x-protobuf"}, 400),
        ({"content_type": "text/plain"}, 415),
        ({"content_type": ""}, 400),
    ],
)
async def test_subscribe_is_answered_by_its_headers(
    headers: dict[str, str], status: int, client: Any
) -> None:
    assert (await client.post(SUBSCRIBE, **headers)).status == status


async def test_subscribe_without_content_type_is_400(client: Any) -> None:
    answer = await client.ask("POST", "/api/v1/scheduler", b"{}")
    assert answer.status == 400
    assert answer.body == b"Expecting 'Content-Type' to be present"


async def test_calls_but_subscribe_may_accept_anything(client: Any) -> None:
    framework_id = await client.framework()
    stream_id = client.node.streams[framework_id].stream_id
    message = {"type": "REVIVE", "framework_id": {"value": framework_id}}
    answer = await client.post(message, mesos_stream_id=stream_id, accept="text/html")
    assert answer == Response(status=202)


async def test_call_before_subscribe_is_400(client: Any) -> None:
    answer = await client.call("nobody", "REVIVE")
    assert answer.status == 400
    assert answer.body == b"Framework cannot be found"


async def test_subscribe_may_come_and_be_answered_in_protobuf(
    client: Any, autojump_clock: Any
) -> None:
    call = Subscribe(framework_info=FrameworkInfo(user="u", name="n"))
    answer = await client.post(
        encode_call(call, Media.PROTOBUF),
        content_type="application/x-protobuf",
        accept="application/x-protobuf",
    )
    assert isinstance(answer, Stream)
    assert answer.headers[0] == ("Content-Type", "application/x-protobuf")
    written: list[bytes] = []

    class Writer:
        async def send(self, chunks: list[bytes]) -> None:
            written.extend(chunks)

    with trio.move_on_after(1.0):
        await answer.run(Writer())
    first, second = (chunk.partition(b"\n")[2] for chunk in written)
    subscribed = decode_event(first, Media.PROTOBUF)
    assert isinstance(subscribed, Subscribed)
    assert subscribed.framework_id in client.node.state.frameworks
    assert isinstance(decode_event(second, Media.PROTOBUF), Heartbeat)
