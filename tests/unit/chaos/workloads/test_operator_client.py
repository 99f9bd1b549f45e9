"""Calls of the operator API, and what may be concluded of their ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from chaos.workloads.operator_client import OperatorClient
from chaos.workloads.registry import limit_of, weight_of
from raftleader.errors import (
    ApiError,
    OutcomeUnknownError,
    RaftLeaderError,
    UnavailableError,
)
from raftleader.framework import HttpClient
from raftleader.framework.http_answers import Answer

A, B = "10.0.0.1:1", "10.0.0.2:1"
Reply = Answer | RaftLeaderError


@attrs.define
class Nodes:
    """Answers of nodes, by address, in order; and what they were asked."""

    replies: dict[str, list[Reply]]
    asked: list[tuple[str, Any]] = attrs.field(factory=list)

    async def request(
        self, address: str, method: str, target: str, *, body: bytes, **_: object
    ) -> Answer:
        assert (method, target) == ("POST", "/api/v1")
        self.asked.append((address, json.loads(body)))
        reply = self.replies[address].pop(0)
        if isinstance(reply, RaftLeaderError):
            raise reply
        return reply


def answer(status: int, body: str = "", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, headers=named, body=body.encode())


Make = Callable[..., tuple[OperatorClient, Nodes]]


@pytest.fixture
def make() -> Make:
    def make(**replies: Any) -> tuple[OperatorClient, Nodes]:
        nodes = Nodes({A: replies.get("a", []), B: replies.get("b", [])})
        http: HttpClient = nodes  # type: ignore[assignment]
        has_home = bool(replies.get("has_home"))
        return OperatorClient(http, [A, B], start=0, has_home=has_home), nodes

    return make


async def test_call_is_its_type_and_its_body(make: Make) -> None:
    client, nodes = make(a=[answer(200, '{"x": 1}'), answer(200)])
    assert await client.call("GET_WEIGHTS") == {"x": 1}
    assert await client.call("UPDATE_QUOTA", force=True) is None
    assert nodes.asked == [
        (A, {"type": "GET_WEIGHTS"}),
        (A, {"type": "UPDATE_QUOTA", "update_quota": {"force": True}}),
    ]


async def test_client_follows_to_the_leader_and_stays(make: Make) -> None:
    client, nodes = make(
        a=[answer(307, location=f"//{B}/api/v1")], b=[answer(200), answer(202)]
    )
    await client.call("GET_WEIGHTS")
    await client.call("GET_WEIGHTS")
    assert [address for address, _ in nodes.asked] == [A, B, B]
    assert client.node == B


async def test_client_with_a_home_begins_there_unless_the_last_call_failed(
    make: Make,
) -> None:
    to_b = answer(307, location=f"//{B}/api/v1")
    client, nodes = make(
        a=[to_b, UnavailableError("refused"), to_b],
        b=[answer(200), answer(200), answer(200)],
        has_home=True,
    )
    await client.call("GET_WEIGHTS")
    with pytest.raises(UnavailableError):
        await client.call("GET_WEIGHTS")
    await client.call("GET_WEIGHTS")
    await client.call("GET_WEIGHTS")
    assert [address for address, _ in nodes.asked] == [A, B, A, B, A, B]


async def test_nodes_that_redirect_in_a_circle_have_not_done_it(make: Make) -> None:
    to_b, to_a = answer(307, location=f"//{B}/"), answer(307, location=f"//{A}/")
    client, nodes = make(a=[to_b, to_b], b=[to_a, to_a])
    with pytest.raises(UnavailableError, match="redirect to each other"):
        await client.call("GET_WEIGHTS")
    assert len(nodes.asked) == 3


@pytest.mark.parametrize(
    ("reply", "error", "next_node"),
    [
        (answer(400, "bad"), ApiError, A),
        (answer(503, "No leader elected"), UnavailableError, B),
        (answer(503, "?", raftleader_outcome="unknown"), OutcomeUnknownError, A),
        (UnavailableError("refused"), UnavailableError, B),
        (OutcomeUnknownError("no answer"), OutcomeUnknownError, B),
    ],
)
async def test_end_of_a_call_says_what_may_be_concluded(
    make: Make, reply: Reply, error: type[Exception], next_node: str
) -> None:
    client, nodes = make(a=[reply])
    with pytest.raises(error):
        await client.call("UPDATE_QUOTA")
    assert len(nodes.asked) == 1, "a call is sent once"
    assert client.node == next_node


def test_registers_are_read_out_of_the_answers() -> None:
    weights = {"get_weights": {"weight_infos": [{"role": "r", "weight": 7.0}]}}
    assert weight_of(weights, "r") == 7
    assert weight_of(weights, "other") is None
    assert weight_of({"get_weights": {}}, "r") is None
    config = {"role": "r", "limits": {"cpus": {"value": 9.0}}}
    quotas = {"get_quota": {"status": {"configs": [config]}}}
    assert limit_of(quotas, "r") == 9
    assert limit_of(quotas, "other") is None
    assert limit_of({"get_quota": {}}, "r") is None
