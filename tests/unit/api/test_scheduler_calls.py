"""What the scheduler endpoint answers, and what it makes of each call."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import trio.testing

from raftleader.errors import (
    NotLeaderError,
    OutcomeUnknownError,
    OverloadedError,
    RaftLeaderError,
)
from raftleader.httpd.messages import Request, Response, Stream
from raftleader.protocol.ids import FrameworkId, TaskId
from raftleader.protocol.resources import Resources
from raftleader.state import commands as c

UUID = base64.b64encode(bytes(range(16))).decode()
BIG = Resources.of({"cpus": 4000, "mem": 4_096_000, "disk": 8_000_000})


def header(answer: Any, name: str) -> str | None:
    return dict(answer.headers).get(name)


def task_json(task_id: str, agent_id: str, cpus: float = 1, **more: Any) -> Any:
    return {
        "name": "t",
        "task_id": {"value": task_id},
        "agent_id": {"value": agent_id},
        "command": {"value": "true"},
        "resources": [
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": cpus}},
            {"name": "mem", "type": "SCALAR", "scalar": {"value": 32}},
        ],
    } | more


def accept_json(offer_id: str, *tasks: Any) -> Any:
    return {
        "offer_ids": [{"value": offer_id}],
        "operations": [{"type": "LAUNCH", "launch": {"task_infos": list(tasks)}}],
    }


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
        ({"roles": ["a", "b"]}, "MULTI_ROLE"),
        ({"roles": ["a", "a"], "capabilities": [{"type": "MULTI_ROLE"}]}, "duplicate"),
        ({"roles": [], "capabilities": [{"type": "MULTI_ROLE"}]}, "at least one"),
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
        ({"accept": "application/x-protobuf"}, 406),
        ({"accept": "text/html, application/json;q=0"}, 406),
        ({"accept": "application/json"}, 200),
        ({"accept": "text/html, */*;q=0.1"}, 200),
        ({"accept": "application/*"}, 200),
        ({"accept": ""}, 200),
        ({"accept": "application/json;q=nonsense"}, 200),
        ({"authorization": "Basic xyz"}, 200),
        ({"content_type": "application/json; charset=utf-8"}, 200),
        ({"content_type": "Application/JSON"}, 200),
        ({"content_type": "application/x-protobuf"}, 415),
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


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "body: is not JSON"),
        (b"{", "body: is not JSON"),
        (b"[]", "body: expected an object"),
        (b"\xff\xfe", "body: is not JSON"),
        (b"{" * 100_000, "body: is not JSON"),
        (b'{"a":' * 100_000, "body: is nested too deeply"),
        ({"type": "NONSENSE"}, "type: 'NONSENSE' is not the type of a call"),
        ({}, "type: is required"),
        ({"type": "ACCEPT"}, "framework_id: is required"),
        ({"type": "SUBSCRIBE"}, "subscribe: is required"),
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
            "subscribe.framework_info.id: must equal framework_id",
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


@pytest.mark.parametrize(
    "kind",
    [
        "MESSAGE",
        "REQUEST",
        "SHUTDOWN",
        "UPDATE_FRAMEWORK",
        "ACCEPT_INVERSE_OFFERS",
        "DECLINE_INVERSE_OFFERS",
        "RECONCILE_OPERATIONS",
        "ACKNOWLEDGE_OPERATION_STATUS",
        "UNKNOWN",
    ],
)
async def test_call_that_mesos_has_and_we_do_not_is_501(kind: str, client: Any) -> None:
    answer = await client.post({"type": kind, "framework_id": {"value": "f"}})
    assert answer.status == 501
    assert kind in answer.body.decode()


async def test_call_before_subscribe_is_400(client: Any) -> None:
    answer = await client.call("nobody", "REVIVE")
    assert answer.status == 400
    assert answer.body == b"Framework cannot be found"


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
    deferred = client.handler(request)
    answer = await deferred()
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
    deferreds = [
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
    for deferred in deferreds:
        assert (await deferred()).status == 202


async def launched(client: Any, *tasks: Any, **info: Any) -> tuple[str, Any]:
    """ACCEPT with these tasks; the framework and its updates."""
    framework_id = await client.framework(**info)
    agent_id = client.node.add_agent(BIG)
    offer_id = client.node.offer(framework_id, agent_id, BIG)
    made = [task(agent_id) if callable(task) else task for task in tasks]
    answer = await client.call(
        framework_id, "ACCEPT", accept=accept_json(offer_id, *made)
    )
    assert answer == Response(status=202)
    return framework_id, client.node.state.frameworks[framework_id].orphan_updates


async def test_accept_launches_its_tasks(client: Any) -> None:
    framework_id, refused = await launched(client, lambda a: task_json("t-1", a))
    assert refused == ()
    (task,) = client.node.state.tasks.values()
    assert task.framework_id == framework_id
    assert task.info.task_id == "t-1"


@pytest.mark.parametrize(
    ("task", "state", "words"),
    [
        (lambda a: task_json("t", a, cpus=64), "TASK_ERROR", ""),
        (lambda a: task_json("t", "other"), "TASK_ERROR", ""),
        (lambda a: task_json("", a), "TASK_ERROR", ""),
        (lambda a: task_json("a/b", a), "TASK_ERROR", ""),
        (lambda a: task_json("x" * 300, a), "TASK_ERROR", ""),
        (lambda a: task_json("t", a, command=None), "TASK_ERROR", ""),
        (lambda a: task_json("t", a, resources=[]), "TASK_ERROR", ""),
        (
            lambda a: task_json("t", a, health_check={"type": "HTTP"}),
            "TASK_ERROR",
            "health_check",
        ),
        (
            lambda a: task_json("t", a, container={"type": "DOCKER"}),
            "TASK_ERROR",
            "container",
        ),
    ],
)
async def test_task_that_cannot_run_is_202_and_an_update(
    task: Any, state: str, words: str, client: Any
) -> None:
    _, refused = await launched(client, task)
    assert not client.node.state.tasks
    (status,) = refused
    assert status.state.value == state
    assert words in (status.message or "")


async def test_duplicate_task_id_is_202_and_an_update_for_the_second(
    client: Any,
) -> None:
    _, refused = await launched(
        client, lambda a: task_json("t", a), lambda a: task_json("t", a)
    )
    assert len(client.node.state.tasks) == 1
    (status,) = refused
    assert status.state.value == "TASK_ERROR"
    assert "duplicate" in (status.message or "").lower()


@pytest.mark.parametrize(
    ("capabilities", "state"),
    [([], "TASK_LOST"), ([{"type": "PARTITION_AWARE"}], "TASK_DROPPED")],
)
async def test_unknown_offer_is_202_and_the_task_is_lost_or_dropped(
    capabilities: list[Any], state: str, client: Any
) -> None:
    framework_id = await client.framework(capabilities=capabilities)
    accept = accept_json("no-such-offer", task_json("t", "a"))
    answer = await client.call(framework_id, "ACCEPT", accept=accept)
    assert answer == Response(status=202)
    (status,) = client.node.state.frameworks[framework_id].orphan_updates
    assert status.state.value == state


async def test_kill_of_an_unknown_task_is_202_and_its_state_is_told(
    client: Any, autojump_clock: Any
) -> None:
    stream = await client.subscribe()
    (framework_id,) = client.node.state.frameworks
    answer = await client.call(framework_id, "KILL", kill={"task_id": {"value": "t"}})
    assert answer == Response(status=202)
    *_, update = await client.read(stream)
    status = update["update"]["status"]
    assert status["state"] == "TASK_LOST"
    assert status["reason"] == "REASON_RECONCILIATION"
    assert "uuid" not in status


async def test_kill_on_the_wrong_agent_is_ignored_with_202(client: Any) -> None:
    framework_id, _ = await launched(client, lambda a: task_json("t", a))
    kill = {"task_id": {"value": "t"}, "agent_id": {"value": "other"}}
    assert (await client.call(framework_id, "KILL", kill=kill)).status == 202
    (task,) = client.node.state.tasks.values()
    assert not task.kill_wanted


async def test_reconcile_is_202_and_answered_on_the_stream(
    client: Any, autojump_clock: Any
) -> None:
    stream = await client.subscribe(capabilities=[{"type": "PARTITION_AWARE"}])
    (framework_id,) = client.node.state.frameworks
    tasks = [{"task_id": {"value": "x"}}, {"task_id": {"value": "y"}}]
    answer = await client.call(framework_id, "RECONCILE", reconcile={"tasks": tasks})
    assert answer == Response(status=202)
    assert client.node.barriers == 1
    told = [event["update"]["status"] for event in (await client.read(stream))[2:]]
    assert [status["task_id"]["value"] for status in told] == ["x", "y"]
    assert {status["state"] for status in told} == {"TASK_UNKNOWN"}


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/api/v1/scheduler"),
        ("POST", "/master/api/v1/scheduler?a=b"),
        ("GET", "/api/v1/scheduler"),
        ("POST", "/api/v1"),
        ("GET", "/state"),
        ("GET", "/master/state.json?jsonp=x"),
        ("GET", "/raftleader/v1/tasks"),
    ],
)
async def test_standby_redirects_every_call_to_the_same_path(
    method: str, target: str, client: Any
) -> None:
    client.node.stand_by("10.0.0.2:5050")
    answer = await client.ask(method, target, b"rubbish")
    assert answer.status == 307
    assert answer.headers == (("Location", f"//10.0.0.2:5050{target}"),)
    assert answer.body == b""


async def test_standby_that_knows_no_leader_answers_503(client: Any) -> None:
    client.node.stand_by(None)
    answer = await client.post(SUBSCRIBE)
    assert answer.status == 503
    assert answer.body == b"No leader elected"


async def test_leader_that_is_not_ready_does_not_redirect_to_itself(
    client: Any,
) -> None:
    client.node.stand_by(client.node.http_address)
    answer = await client.post(SUBSCRIBE)
    assert answer.status == 503
    assert b"has not finished recovery" in answer.body


@pytest.mark.parametrize(
    ("error", "leader", "status", "name", "text"),
    [
        (NotLeaderError("10.0.0.2:1"), None, 307, "Location", ""),
        (NotLeaderError(None), None, 503, "Retry-After", "No leader elected"),
        (OverloadedError("full"), "127.0.0.1:5050", 503, "Retry-After", "nothing was"),
        (
            OutcomeUnknownError("?"),
            "127.0.0.1:5050",
            503,
            "Raftleader-Outcome",
            "The outcome is unknown",
        ),
    ],
)
@pytest.mark.parametrize("is_later", [False, True])
@pytest.mark.parametrize("kind", ["SUBSCRIBE", "REVIVE", "RECONCILE"])
async def test_error_of_the_log_is_an_answer_that_says_what_may_be_concluded(
    error: RaftLeaderError,
    leader: str | None,
    status: int,
    name: str,
    text: str,
    is_later: bool,
    kind: str,
    client: Any,
) -> None:
    framework_id = await client.framework()
    client.node.leader_address = leader
    if is_later or kind == "RECONCILE":
        client.node.fails_later = error
    else:
        client.node.fails_at_once = error
    if kind == "SUBSCRIBE":
        answer = await client.post(SUBSCRIBE)
    else:
        answer = await client.call(framework_id, kind, reconcile={})
    assert answer.status == status
    assert header(answer, name)
    assert text in answer.body.decode()


@pytest.mark.parametrize("kind", ["SUBSCRIBE", "REVIVE"])
async def test_call_is_answered_within_five_seconds_whatever_happens(
    kind: str, client: Any, autojump_clock: trio.testing.MockClock
) -> None:
    framework_id = await client.framework()
    client.node.is_stuck = True
    if kind == "SUBSCRIBE":
        answer = await client.post(SUBSCRIBE)
    else:
        answer = await client.call(framework_id, kind)
    assert answer.status == 503
    assert header(answer, "Raftleader-Outcome") == "unknown"
    assert trio.current_time() < 5


async def test_many_events_are_written_in_pieces(client: Any) -> None:
    stream = await client.subscribe()
    (opened,) = client.node.streams.values()
    opened.events.extend([opened.events[-1]] * 1000)
    opened.is_over = True
    sizes: list[int] = []

    class Writer:
        async def send(self, chunks: list[bytes]) -> None:
            sizes.append(len(chunks))

    assert isinstance(stream, Stream)
    await stream.run(Writer())
    assert sum(sizes) == 1002
    assert max(sizes) <= 200
    assert opened.is_closed
