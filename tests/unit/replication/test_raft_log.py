"""What is RaftLog's own: links to members that come and go, reads, its end."""

from __future__ import annotations

import json
import logging
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from raftleader.errors import ConfigError, NotLeaderError, RaftLeaderError
from raftleader.replication.member.statistics import Condition, MemberStatistics
from raftleader.replication.raft.configuration import Peer
from raftleader.replication.raft.membership import AddLearner, Promote, Remove
from raftleader.replication.raft_notices import (
    Strangers,
    changes,
    is_time_to_warn,
)
from raftleader.replication.settings import RaftSettings


@pytest.fixture
def engine() -> str:
    return "raft"


async def change(lab: Any, *steps: AddLearner | Promote | Remove) -> None:
    """One change of the members after the other, each when it can be made."""
    for step in steps:
        with trio.fail_after(10):
            while True:
                leader = await lab.cluster.leader(among=tuple(lab.disks), timeout_s=5)
                try:
                    await leader.log.change_members(step, timeout_s=5)
                    break
                except RaftLeaderError:
                    await trio.sleep(0.1)


async def add_voter(lab: Any, node_id: str) -> None:
    lab.joining.add(node_id)
    await lab.cluster.start(node_id)
    peer = Peer(node_id=node_id, address=f"mem://{node_id}", is_voter=False)
    await change(lab, AddLearner(peer), Promote(node_id))


async def test_node_that_is_behind_is_reached_by_a_leader_it_does_not_know(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        first = await lab.cluster.leader(timeout_s=5)
        behind, other = lab.others(first.node_id)
        await lab.cluster.crash(behind)
        await add_voter(lab, "n4")
        await first.log.transfer_leadership("n4", timeout_s=5)
        leader = await lab.cluster.leader(among=("n4",), timeout_s=5)
        await leader.log.propose(b"after", timeout_s=5)
        await change(lab, Remove(other))
        await lab.cluster.crash(other)
        await lab.cluster.start(behind)
        await lab.cluster.settle(timeout_s=5)
        node = lab.cluster.nodes[behind]
        assert node.commands == [b"after"]
        assert set(node.log.configuration.node_ids) == {first.node_id, behind, "n4"}
        assert set(node.log.statistics().peers_connected) == {first.node_id, "n4"}


async def test_member_that_was_removed_is_told_why_nobody_listens(
    laboratory: Any, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        gone, kept = lab.others(leader.node_id)
        await change(lab, Remove(gone))
        await trio.sleep(5)
        node = lab.cluster.nodes[gone]
        assert leader.log.statistics().peers_connected == (kept,)
        assert node.log.statistics().peers_connected == ()
        assert node.log.refusals["refused by peer: no member"] > 0
        term = leader.log.leadership.term
        await trio.sleep(5)
        assert leader.log.leadership.term == term
        refused = [r for r in caplog.records if "refuses our links" in r.getMessage()]
        assert len(refused) == 2  # by each of the two, once


async def test_barrier_writes_nothing(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        await leader.log.propose(b"x", timeout_s=5)
        await lab.cluster.settle(timeout_s=5)
        before = sum(disk.operations for disk in lab.disks.values())
        index = await leader.log.barrier(timeout_s=5)
        assert index == leader.applied[-1].index
        assert sum(disk.operations for disk in lab.disks.values()) == before
        follower = lab.cluster.nodes[lab.others(leader.node_id)[0]]
        with pytest.raises(NotLeaderError):
            await follower.log.barrier(timeout_s=5)


async def test_node_whose_disk_was_lost_ends_with_that_error_alone(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        lost = lab.others(leader.node_id)[0]
        await lab.cluster.crash(lost)
        lab.disks[lost].lose()
        await lab.cluster.start(lost)
        with trio.fail_after(5):
            await lab.cluster.nodes[lost].ended.wait()
        assert isinstance(lab.cluster.nodes[lost].failure, ConfigError)
        await leader.log.propose(b"without it", timeout_s=5)


async def test_snapshots_in_a_row_cost_no_election(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    settings = RaftSettings(snapshot_entries=10, keep_entries=5)
    async with laboratory(settings=settings) as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        led = leader.log.leadership
        late = lab.others(leader.node_id)[0]
        await lab.cluster.crash(late)
        for number in range(300):
            await leader.log.propose(b"%d" % number, timeout_s=5)
        await lab.cluster.start(late)
        await lab.cluster.settle(timeout_s=5)
        assert leader.log.leadership == led
        assert lab.cluster.nodes[late].commands == leader.commands
        events = leader.log.statistics().details["events"]
        assert events["snapshots_taken"] > 20
        assert lab.cluster.nodes[late].log.member.counts["snapshots_installed"] == 1


async def test_statistics_can_be_written_as_json(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        await leader.log.propose(b"known to all soon", timeout_s=5)
        await trio.sleep(1)
        statistics = leader.log.statistics()
        details = json.loads(json.dumps(statistics.details))
        assert statistics.engine == "raft"
        assert details["condition"] == "voter"
        assert details["role"] == "leader"
        assert [one["id"] for one in details["members"]] == ["n1", "n2", "n3"]
        assert [one["behind"] for one in details["members"]] == [
            None if one == leader.node_id else 0 for one in ("n1", "n2", "n3")
        ]
        assert details["events"]["campaigns"] >= 1


async def test_log_that_ended_refuses_definitely_and_lets_go_of_its_directory(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        await lab.cluster.stop()
        assert leader.failure is None
        for call in (
            leader.log.propose(b"x", timeout_s=1),
            leader.log.barrier(timeout_s=1),
        ):
            with pytest.raises(NotLeaderError):
                await call
        with pytest.raises(NotLeaderError):
            await leader.log.transfer_leadership("n1", timeout_s=1)
        assert not leader.log.leadership.leading
        assert lab.journal_of(leader.node_id).repairs == ()


QUIET = MemberStatistics(
    condition=Condition.VOTER,
    waits_for="",
    term=1,
    role="follower",
    leader=None,
    first_index=1,
    last_index=1,
    commit_index=1,
    applied_index=1,
    journal_bytes=1,
    snapshot_index=0,
    snapshot_bytes=0,
    is_disk_full=False,
    is_installing=False,
    pending=0,
    links=(),
    repairs=(),
)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({}, {"term": 7, "leader": "n2"}, []),
        ({}, {"is_disk_full": True}, [(logging.WARNING, "the disk is full")]),
        ({"is_disk_full": True}, {}, [(logging.WARNING, "there is room")]),
        (
            {"condition": Condition.FORMING, "waits_for": "not heard from n2, n3"},
            {"condition": Condition.FORMING, "waits_for": "not heard from n3"},
            [(logging.INFO, "the group is not formed yet: not heard from n3. ")],
        ),
        (
            {"condition": Condition.FORMING, "waits_for": "not heard from n3"},
            {"condition": Condition.FORMING, "waits_for": "not heard from n3"},
            [],
        ),
        ({"condition": Condition.FORMING}, {}, [(logging.INFO, "is voter now")]),
        ({"condition": Condition.LEARNER}, {}, [(logging.INFO, "is voter now")]),
        (
            {},
            {"condition": Condition.REMOVED},
            [(logging.WARNING, "is removed now")],
        ),
    ],
)
def test_operator_reads_what_changes(
    before: dict[str, Any], after: dict[str, Any], said: list[tuple[int, str]]
) -> None:
    found = changes(attrs.evolve(QUIET, **before), attrs.evolve(QUIET, **after))
    assert [level for level, _ in found] == [level for level, _ in said]
    for (_, text), (_, beginning) in zip(found, said, strict=True):
        assert text.startswith(beginning)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({}, []),
        ({"is_disk_full": True}, ["the disk is full"]),
        ({"condition": Condition.REMOVED}, ["is removed now"]),
        ({"condition": Condition.JOINING}, ["is joining now"]),
        (
            {"condition": Condition.FORMING, "waits_for": "not heard from n3"},
            ["the group is not formed yet: not heard from n3"],
        ),
    ],
)
def test_operator_reads_at_the_start_what_is_not_ordinary(
    now: dict[str, Any], said: list[str]
) -> None:
    found = [text for _, text in changes(None, attrs.evolve(QUIET, **now))]
    assert len(found) == len(said)
    assert all(text.startswith(one) for text, one in zip(found, said, strict=True))


def test_group_that_does_not_form_is_warned_of_now_and_then() -> None:
    warned = [looks for looks in range(200) if is_time_to_warn(looks)]
    assert warned == [10, 70, 130, 190]


def test_second_node_under_a_name_is_warned_of_once_a_minute() -> None:
    strangers = Strangers()
    said = [
        (look, text.split()[4])
        for look in range(130)
        for _, text in strangers.look(["n2"] if look % 2 else [])
    ]
    assert said == [(1, "n2"), (61, "n2"), (121, "n2")]
    assert len(strangers.look(["n2", "n3"])) == 1
