"""``/raftleader/v1/members``: looking at the group, and changing it."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from raftleader.errors import InvalidInputError, OutcomeUnknownError
from raftleader.httpd.messages import Response
from raftleader.replication.raft.configuration import Configuration, Peer
from raftleader.replication.raft.membership import (
    AddLearner,
    Change,
    Promote,
    Remove,
)

PATH = "/raftleader/v1/members"


@attrs.define
class FakeGroup:
    """Takes every change, unless ``problem`` is to be raised."""

    configuration: Configuration = attrs.field(
        factory=lambda: Configuration(
            peers=(
                Peer(node_id="n1", address="tcp://h1:1"),
                Peer(node_id="n2", address="tcp://h2:1", is_voter=False),
                Peer(node_id="n9", address="tcp://h9:1", is_voter=False),
            )
        )
    )
    problem: Exception | None = None
    changes: list[Change] = attrs.field(factory=list)
    targets: list[str] = attrs.field(factory=list)

    async def change_members(self, change: Change, *, timeout_s: float) -> int:
        if self.problem is not None:
            raise self.problem
        self.changes.append(change)
        return 7

    async def transfer_leadership(self, target: str, *, timeout_s: float) -> None:
        if self.problem is not None:
            raise self.problem
        self.targets.append(target)


@pytest.fixture
def group(node: Any) -> FakeGroup:
    node.group = FakeGroup()
    return node.group


async def post(client: Any, value: object) -> Response:
    answer = await client.ask("POST", PATH, json.dumps(value).encode())
    assert isinstance(answer, Response)
    return answer


async def test_members_are_listed_with_their_voice_and_link(
    client: Any, group: FakeGroup
) -> None:
    answer = await client.ask("GET", PATH)
    assert answer.status == 200
    assert json.loads(answer.body) == [
        {
            "id": "n1",
            "address": "tcp://h1:1",
            "voter": True,
            "leading": True,
            "connected": True,
            "behind": None,
        },
        {
            "id": "n2",
            "address": "tcp://h2:1",
            "voter": False,
            "leading": False,
            "connected": True,
            "behind": None,
        },
        {
            "id": "n9",
            "address": "tcp://h9:1",
            "voter": False,
            "leading": False,
            "connected": False,
            "behind": None,
        },
    ]


async def test_each_change_reaches_the_log(client: Any, group: FakeGroup) -> None:
    for value in (
        {"add": {"id": "n4", "address": "tcp://h4:1"}},
        {"promote": "n4"},
        {"remove": "n1"},
        {"transfer": "n2"},
    ):
        assert (await post(client, value)).status == 200
    new = Peer(node_id="n4", address="tcp://h4:1", is_voter=False)
    assert group.changes == [AddLearner(new), Promote("n4"), Remove("n1")]
    assert group.targets == ["n2"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "Failed to parse"),
        (b"{}", "exactly one"),
        (b'{"promote": "a", "remove": "a"}', "exactly one"),
        (b'{"promote": ""}', "promote: wants 1 to 255"),
        (b'{"fire": "a"}', "Failed to parse"),
        (b'{"add": {"id": "a"}}', "Failed to parse"),
        (b'{"add": {"id": "a", "address": "h:1"}}', "add.address: 'h:1' is no"),
        (b'{"add": {"id": "a", "address": "tcp://h"}}', "want tcp://HOST:PORT"),
        (b'{"add": {"id": "a", "address": "tcp://h:70000"}}', "no port 70000"),
        (b'{"add": {"id": "a", "address": "foo://h:1"}}', "no transport for 'foo'"),
        (b'{"add": {"id": "a/b", "address": "tcp://h:1"}}', "add.id: must not contain"),
        (b'{"promote": 7}', "Failed to parse"),
    ],
)
async def test_what_is_no_change_is_refused(
    client: Any, group: FakeGroup, body: bytes, problem: str
) -> None:
    answer = await client.ask("POST", PATH, body)
    assert answer.status == 400
    assert problem in answer.body.decode()
    assert not group.changes


async def test_reason_of_the_group_is_told(client: Any, group: FakeGroup) -> None:
    group.problem = InvalidInputError("", "learner n4 is 9000 entries behind")
    answer = await post(client, {"promote": "n4"})
    assert (answer.status, answer.body) == (400, b"learner n4 is 9000 entries behind\n")


async def test_unknown_outcome_is_told_as_such(client: Any, group: FakeGroup) -> None:
    group.problem = OutcomeUnknownError("timeout")
    answer = await post(client, {"promote": "n4"})
    assert answer.status == 503
    assert ("Raftleader-Outcome", "unknown") in answer.headers


async def test_standby_sends_to_the_leader(
    client: Any, node: Any, group: FakeGroup
) -> None:
    node.stand_by("10.0.0.2:5050")
    answer = await post(client, {"promote": "n4"})
    assert answer.status == 307
    assert ("Location", f"//10.0.0.2:5050{PATH}") in answer.headers


async def test_engine_with_fixed_members_says_so(client: Any, node: Any) -> None:
    answer = await post(client, {"promote": "n4"})
    assert (answer.status, answer.body) == (
        501,
        b"The members of the engine fake are fixed when it starts\n",
    )
