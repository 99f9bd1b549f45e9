"""When a cluster counts as ready, and what is said of one that is not."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from chaos.live.readiness import Readiness
from raftleader.cli.api_client import ApiClient
from raftleader.errors import ApiError, RaftLeaderError, UnavailableError

LEADER = {"term": 3, "leading": True, "commit_index": 9, "applied_index": 9}
FOLLOWER = {"term": 3, "leading": False, "commit_index": 8, "applied_index": 9}


@attrs.frozen
class FakeHttp:
    """Answers pages of the leader ``a:1`` from a table."""

    pages: dict[str, object]

    async def get_json(self, address: str, path: str) -> object:
        assert address == "a:1"
        page = self.pages[path.rpartition("/")[2]]
        if isinstance(page, RaftLeaderError):
            raise page
        return page


def readiness(**pages: object) -> Readiness:
    usual: dict[str, object] = {
        "members": [{"id": "leader-1"}, {"id": "leader-2"}],
        "agents": [{"hostname": "agent-1", "connected": True}],
    }
    http: Any = FakeHttp(usual | pages)
    return Readiness(
        client=ApiClient(http=http, addresses=[]),
        addresses={"leader-1": "a:1", "leader-2": "a:2"},
        agents=["agent-1"],
    )


async def test_readiness_names_the_leader_when_nothing_is_lacking() -> None:
    found = await readiness().look({"leader-1": LEADER, "leader-2": FOLLOWER})
    assert (found.leader, found.lacking) == ("leader-1", "")


async def test_readiness_does_not_ask_for_nodes_that_are_no_members() -> None:
    found = await readiness(members=[{"id": "leader-1"}]).look(
        {"leader-1": LEADER, "leader-2": None}
    )
    assert found.leader == "leader-1"


async def test_readiness_asks_for_all_where_members_are_fixed() -> None:
    fixed = readiness(members=ApiError(501, "fixed"))
    statuses = {"leader-1": LEADER, "leader-2": FOLLOWER}
    assert (await fixed.look(statuses)).leader == "leader-1"
    lacking = (await fixed.look(statuses | {"leader-2": None})).lacking
    assert lacking == "leader-2 is silent"


@pytest.mark.parametrize(
    ("follower", "lacking"),
    [
        (None, "leader-2 is silent"),
        (FOLLOWER | {"term": 2}, "leader-2 is in term 2, the leader in 3"),
        (FOLLOWER | {"applied_index": 7}, "leader-2 has applied 7 of 9"),
    ],
)
async def test_readiness_says_what_a_follower_lacks(
    follower: dict[str, Any] | None, lacking: str
) -> None:
    found = await readiness().look({"leader-1": LEADER, "leader-2": follower})
    assert (found.leader, found.lacking) == (None, lacking)


@pytest.mark.parametrize("row", [None, {"hostname": "agent-1", "connected": False}])
async def test_readiness_names_agents_that_are_not_connected(row: object) -> None:
    rows = [row] if row else []
    found = await readiness(agents=rows).look(
        {"leader-1": LEADER, "leader-2": FOLLOWER}
    )
    assert found.lacking == "not connected: agent-1"


async def test_readiness_says_who_is_silent_when_nobody_leads() -> None:
    found = await readiness().look({"leader-1": FOLLOWER, "leader-2": None})
    assert found.lacking == "no leader, leader-2 silent"


async def test_readiness_is_not_there_when_the_leader_does_not_answer(
    autojump_clock: object,
) -> None:
    gone = readiness(agents=UnavailableError("gone"))
    found = await gone.look({"leader-1": LEADER, "leader-2": FOLLOWER})
    assert found.leader is None
    assert "leader-1 leads, but" in found.lacking
