"""``raftleader members``: what the leader says is passed on in its words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import msgspec
import pytest
import trio

from raftleader.cli.api_client import ApiClient, open_api_client
from raftleader.cli.exit_codes import exit_code_of
from raftleader.cli.members import change_members, show_members
from raftleader.cli.output import Output
from raftleader.errors import ApiError, RaftLeaderError, UnavailableError
from raftleader.httpd.messages import Request, Response
from raftleader.httpd.server import serve_http

ROWS = [
    {
        "id": "n1",
        "address": "tcp://h:1",
        "voter": True,
        "leading": True,
        "connected": True,
    }
]


@attrs.define
class FakeLeader:
    """Leads if ``address`` is set, and answers a change with ``status``."""

    address: str | None = None
    status: int = 200
    text: str = ""
    bodies: list[bytes] = attrs.field(factory=list)

    def handle(self, request: Request) -> Response:
        if request.path.endswith("/status"):
            log = {"condition": "removed"}
            page = {"leader_address": self.address, "leader": self.address, "log": log}
            return Response(status=200, body=msgspec.json.encode(page))
        if request.method == "POST":
            self.bodies.append(request.body)
        if self.status != 200:
            return Response(status=self.status, body=self.text.encode())
        return Response(status=200, body=msgspec.json.encode(ROWS))


@asynccontextmanager
async def client_of(leader: FakeLeader, *, leads: bool) -> AsyncIterator[ApiClient]:
    async with trio.open_nursery() as nursery:
        address = await nursery.start(serve_http, leader.handle, "127.0.0.1:0")
        leader.address = address if leads else None
        async with open_api_client([address], timeout_s=0.1) as client:
            yield client
        nursery.cancel_scope.cancel()


async def test_change_is_sent_once_and_the_members_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    leader = FakeLeader()
    async with client_of(leader, leads=True) as client:
        await change_members(client, Output(as_json=True), {"promote": "n4"})
        await show_members(client, Output(as_json=True))
    assert [msgspec.json.decode(body) for body in leader.bodies] == [{"promote": "n4"}]
    lines = capsys.readouterr().out.splitlines()
    assert [msgspec.json.decode(line) for line in lines] == [ROWS, ROWS]


@pytest.mark.parametrize("status", [400, 501])
async def test_refusal_is_told_in_the_leader_s_words(status: int) -> None:
    leader = FakeLeader(status=status, text="n4 is a member already")
    async with client_of(leader, leads=True) as client:
        with pytest.raises(RaftLeaderError) as caught:
            await change_members(client, Output(), {"promote": "n4"})
    assert str(caught.value) == "n4 is a member already"
    assert exit_code_of(caught.value) == 1


async def test_other_errors_keep_their_status() -> None:
    leader = FakeLeader(status=503, text="no leader")
    async with client_of(leader, leads=True) as client:
        with pytest.raises(ApiError, match="503"):
            await change_members(client, Output(), {"promote": "n4"})


async def test_without_a_leader_each_node_s_state_is_told() -> None:
    async with client_of(FakeLeader(), leads=False) as client:
        with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:\d+: removed"):
            await change_members(client, Output(), {"promote": "n4"})
