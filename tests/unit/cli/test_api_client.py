"""Finding the leader from any node's address."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import msgspec
import pytest
import trio

from raftleader.cli.api_client import open_api_client
from raftleader.cli.look import agent_state_in_words, show_list, show_status
from raftleader.cli.output import Output
from raftleader.errors import ApiError, ConfigError, UnavailableError
from raftleader.httpd.messages import Request, Response
from raftleader.httpd.server import serve_http

AGENTS = [{"id": "a-1", "hostname": "h", "address": "h:1", "connected": True}]


@attrs.define
class FakeNode:
    """A leader node: leads, knows who does, or knows of nobody."""

    leader: str | None = None
    is_leading: bool = False
    refusal: int | None = None
    asked: int = 0

    def handle(self, request: Request) -> Response:
        self.asked += 1
        if self.refusal is not None:
            return Response(status=self.refusal, body=b"no such list")
        if request.path == "/raftleader/v1/status":
            return json_of({"leading": self.is_leading, "leader_address": self.leader})
        if self.is_leading:
            return json_of({"index": 7, "agents": AGENTS})
        if self.leader is not None:
            location = f"//{self.leader}{request.target}"
            return Response(status=307, headers=(("Location", location),))
        return Response(status=503, body=b"No leader elected")


def json_of(value: object) -> Response:
    return Response(status=200, body=msgspec.json.encode(value))


@asynccontextmanager
async def serving(*nodes: FakeNode) -> AsyncIterator[list[str]]:
    async with trio.open_nursery() as nursery:
        yield [
            await nursery.start(serve_http, node.handle, "127.0.0.1:0")
            for node in nodes
        ]
        nursery.cancel_scope.cancel()


def dead_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return f"127.0.0.1:{gone.getsockname()[1]}"


async def test_redirect_leads_to_the_leader() -> None:
    leader, follower = FakeNode(is_leading=True), FakeNode()
    async with serving(leader, follower) as addresses:
        follower.leader = addresses[0]
        async with open_api_client([addresses[1]]) as client:
            document = await client.get("/raftleader/v1/agents")
    assert document["agents"] == AGENTS
    assert (follower.asked, leader.asked) == (1, 1)


async def test_node_that_is_down_is_passed_over() -> None:
    async with (
        serving(FakeNode(is_leading=True)) as addresses,
        open_api_client([dead_address(), *addresses]) as client,
    ):
        assert (await client.get("/raftleader/v1/agents"))["agents"] == AGENTS


async def test_client_waits_for_an_election() -> None:
    node = FakeNode()

    async def elect() -> None:
        while node.asked < 2:  # noqa: ASYNC110 - a fake has no event
            await trio.sleep(0.001)
        node.is_leading = True

    async with serving(node) as addresses, trio.open_nursery() as nursery:
        nursery.start_soon(elect)
        async with open_api_client(addresses) as client:
            await client.get("/raftleader/v1/agents")
    assert node.asked == 3


async def test_without_a_leader_in_time_each_node_s_reason_is_told() -> None:
    gone = dead_address()
    async with (
        serving(FakeNode()) as addresses,
        open_api_client([gone, *addresses], timeout_s=0.1) as client,
    ):
        with pytest.raises(UnavailableError) as caught:
            await client.get("/raftleader/v1/agents")
    assert gone in str(caught.value)
    assert f"{addresses[0]}: HTTP 503: No leader elected" in str(caught.value)


async def test_refusal_is_not_tried_again() -> None:
    node = FakeNode(refusal=400)
    async with serving(node) as addresses, open_api_client(addresses) as client:
        with pytest.raises(ApiError, match="HTTP 400: no such list"):
            await client.get("/raftleader/v1/agents")
    assert node.asked == 1


async def test_server_that_is_no_leader_node_is_said_to_be_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    node = FakeNode(refusal=404)
    async with serving(node) as addresses, open_api_client(addresses) as client:
        words = f"{addresses[0]} is not the API of a leader node: no such list"
        with pytest.raises(ConfigError, match=words):
            await client.get("/raftleader/v1/agents")
        assert await show_status(client, Output(as_json=True)) == 75
    output = capsys.readouterr()
    assert msgspec.json.decode(output.out) == [{"address": addresses[0], "up": False}]
    assert output.err == f"raftleader: {words}\n"


async def test_status_asks_the_leader_too_when_it_was_not_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    leader, follower = FakeNode(is_leading=True), FakeNode()
    async with serving(leader, follower) as addresses:
        leader.leader = follower.leader = addresses[0]
        async with open_api_client([addresses[1]]) as client:
            assert await show_status(client, Output(as_json=True)) == 0
    rows = msgspec.json.decode(capsys.readouterr().out)
    assert [row["address"] for row in rows] == addresses[::-1]
    assert [row["leading"] for row in rows] == [False, True]


async def test_status_has_a_row_for_each_address_and_says_if_there_is_a_leader(
    capsys: pytest.CaptureFixture[str],
) -> None:
    leader, lonely = FakeNode(is_leading=True), FakeNode()
    gone = dead_address()
    async with serving(leader, lonely) as addresses:
        leader.leader = addresses[0]
        for asked, code in (([*addresses[::-1], gone], 0), ([addresses[1], gone], 75)):
            async with open_api_client(asked) as client:
                assert await show_status(client, Output(as_json=True)) == code
            rows = msgspec.json.decode(capsys.readouterr().out)
            assert [row["address"] for row in rows] == asked
            assert rows[-1]["up"] is False


async def test_list_shows_the_rows_under_its_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with (
        serving(FakeNode(is_leading=True)) as addresses,
        open_api_client(addresses) as client,
    ):
        await show_list(client, Output(as_json=True), what="agents")
        assert msgspec.json.decode(capsys.readouterr().out) == AGENTS
        with pytest.raises(ApiError, match="holds no list of tasks"):
            await show_list(client, Output(), what="tasks")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"state": "reachable", "deactivated": False, "drain": None}, "reachable"),
        ({"state": "reachable", "deactivated": True}, "reachable, deactivated"),
        (
            {"state": "unreachable", "deactivated": True, "drain": "DRAINING"},
            "unreachable, draining",
        ),
        ({}, "-"),
    ],
)
def test_state_of_an_agent_says_what_operators_asked_of_it(
    row: dict[str, object], words: str
) -> None:
    assert agent_state_in_words(row) == words


async def test_agents_are_shown_with_what_operators_asked_of_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drained = {"state": "reachable", "deactivated": True, "drain": "DRAINED"}
    monkeypatch.setitem(globals(), "AGENTS", [{**AGENTS[0], **drained}])
    async with (
        serving(FakeNode(is_leading=True)) as addresses,
        open_api_client(addresses) as client,
    ):
        await show_list(client, Output(), what="agents")
        assert "reachable, drained" in capsys.readouterr().out
        await show_list(client, Output(as_json=True), what="agents")
    assert msgspec.json.decode(capsys.readouterr().out)[0]["state"] == "reachable"
