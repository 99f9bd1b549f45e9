"""What the scheduler endpoint answers when the log or the leadership fails."""

from __future__ import annotations

from typing import Any

import pytest
import trio.testing

from raftleader.errors import (
    NotLeaderError,
    OutcomeUnknownError,
    OverloadedError,
    RaftLeaderError,
)


def header(answer: Any, name: str) -> str | None:
    return dict(answer.headers).get(name)


SUBSCRIBE = {
    "type": "SUBSCRIBE",
    "subscribe": {"framework_info": {"user": "u", "name": "n"}},
}


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


@pytest.mark.parametrize("kind", ["SUBSCRIBE", "KILL"])
async def test_call_is_answered_within_five_seconds_whatever_happens(
    kind: str, client: Any, autojump_clock: trio.testing.MockClock
) -> None:
    framework_id = await client.framework()
    client.node.is_stuck = True
    if kind == "SUBSCRIBE":
        answer = await client.post(SUBSCRIBE)
    else:
        kill = {"task_id": {"value": "t"}}
        answer = await client.call(framework_id, kind, kill=kill)
    assert answer.status == 503
    assert header(answer, "Raftleader-Outcome") == "unknown"
    assert trio.current_time() < 5
