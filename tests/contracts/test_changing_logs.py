"""Snapshots keep the log bounded, and members come and go."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from support.engines import (
    DURABLE,
    Engine,
    engines,
    propose_all,
)
from trio.testing import MockClock

from raftleader.errors import InvalidInputError, NotLeaderError
from raftleader.replication.interface import Reconfigurable
from raftleader.replication.raft.configuration import Peer
from raftleader.replication.raft.membership import AddLearner, Change, Promote, Remove
from raftleader.replication.settings import RaftSettings

SMALL = RaftSettings(snapshot_entries=50, keep_entries=10, segment_bytes=16 * 1024)
NO_SNAPSHOTS = "there are no snapshots: the log grows for ever"
NO_CHANGES = "the members are those of the configuration, for ever"
ALONE = "it is a cluster of one"
COMMAND_BYTES = 200


def commands(count: int) -> list[bytes]:
    return [b"%06d" % number + bytes(COMMAND_BYTES) for number in range(count)]


@engines("raft", pysyncobj=NO_SNAPSHOTS, single_node=NO_SNAPSHOTS)
async def test_log_on_disk_stays_bounded_however_many_entries_there_were(
    engine: Engine, autojump_clock: MockClock
) -> None:
    """The state is bounded too, in what is judged here: it is in the snapshot."""
    engine.settings = SMALL
    async with engine.running() as (cluster, leader):
        for _ in range(10):
            await propose_all(leader, commands(100))
        await cluster.settle(timeout_s=5)
        for node in cluster.running:
            bound = 4 * SMALL.snapshot_entries * COMMAND_BYTES
            assert journal_bytes(engine, node.node_id) < bound
            assert len(node.commands) == 1000


def journal_bytes(engine: Engine, node_id: str) -> int:
    """What the files of its journal have that is not zero."""
    files = engine.disks[node_id].save()
    return sum(
        len(content.rstrip(b"\0"))
        for path, content in files.items()
        if Path(path).parent == Path("data/journal")
    )


@engines(*DURABLE)
async def test_restart_after_many_entries_has_the_whole_state(
    engine: Engine, autojump_clock: MockClock
) -> None:
    engine.settings = SMALL
    async with engine.running() as (cluster, leader):
        for _ in range(3):
            await propose_all(leader, commands(100))
        before = list(leader.commands)
        await engine.power_cut(cluster)
        await cluster.start()
        leader = await cluster.leader(timeout_s=5)
        await leader.log.propose(b"after", timeout_s=5)
        await cluster.settle(timeout_s=5)
        for node in cluster.running:
            assert node.commands == [*before, b"after"]


@engines("raft", pysyncobj=NO_SNAPSHOTS)
async def test_node_that_is_behind_gets_a_snapshot(
    engine: Engine, autojump_clock: MockClock
) -> None:
    engine.settings = SMALL
    async with engine.running() as (cluster, leader):
        behind = engine.others(leader.node_id)[0]
        await engine.kill(cluster, behind)
        for _ in range(3):
            await propose_all(leader, commands(100))
        await cluster.start(behind)
        await cluster.settle(timeout_s=5)
        node = cluster.nodes[behind]
        assert node.commands == leader.commands
        # It did not get the entries one by one: they are in no journal any more.
        assert journal_bytes(engine, behind) < 100 * COMMAND_BYTES


def joining(engine: Engine) -> Change:
    engine.joining.add("n4")
    return AddLearner(Peer(node_id="n4", address="mem://n4"))


@engines("raft", pysyncobj=NO_CHANGES, single_node=ALONE)
async def test_member_comes_in_as_a_learner_and_is_promoted(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (cluster, leader):
        await leader.log.propose(b"before", timeout_s=5)
        log = leader.log
        assert isinstance(log, Reconfigurable)
        await log.change_members(joining(engine), timeout_s=5)
        await cluster.start("n4")
        await cluster.settle(timeout_s=5)
        assert log.configuration.learners == ("n4",)
        await log.change_members(Promote("n4"), timeout_s=5)
        assert log.configuration.voters == ("n1", "n2", "n3", "n4")

        # Its vote counts, also after a restart of all: three of four are needed.
        await engine.power_cut(cluster)
        engine.disks["n4"].crash()
        await cluster.start("n1", "n4")
        await trio.sleep(5)
        assert not any(node.log.leadership.leading for node in cluster.running)
        await cluster.start("n2")
        again = await cluster.leader(among=("n1", "n2", "n4"), timeout_s=5)
        await again.log.propose(b"after", timeout_s=5)
        await cluster.settle(timeout_s=5)
        assert cluster.nodes["n4"].commands == [b"before", b"after"]


@engines("raft", pysyncobj=NO_CHANGES, single_node=ALONE)
async def test_member_that_is_removed_has_no_voice(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (cluster, leader):
        log = leader.log
        assert isinstance(log, Reconfigurable)
        gone, left = engine.others(leader.node_id)
        await log.change_members(Remove(gone), timeout_s=5)
        assert log.configuration.voters == tuple(sorted((leader.node_id, left)))
        await log.propose(b"of two", timeout_s=5)
        await trio.sleep(5)
        assert leader.log.leadership.leading
        await engine.kill(cluster, left)
        await trio.sleep(5)
        assert not any(node.log.leadership.leading for node in cluster.running)


@engines("raft", pysyncobj=NO_CHANGES, single_node=ALONE)
async def test_leader_that_is_removed_hands_over(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (cluster, leader):
        log = leader.log
        assert isinstance(log, Reconfigurable)
        others = engine.others(leader.node_id)
        await log.change_members(Remove(leader.node_id), timeout_s=5)
        successor = await cluster.leader(among=others, timeout_s=5)
        await successor.log.propose(b"after", timeout_s=5)
        assert successor.log.leadership.leader in others
        with pytest.raises(NotLeaderError):
            await log.propose(b"refused", timeout_s=5)


@engines("raft", pysyncobj=NO_CHANGES, single_node=ALONE)
async def test_change_that_cannot_be_made_is_refused_with_a_reason(
    engine: Engine, autojump_clock: MockClock
) -> None:
    engine.settings = RaftSettings(pending_max=3000, segment_bytes=256 * 1024)
    async with engine.running() as (_, leader):
        log = leader.log
        assert isinstance(log, Reconfigurable)
        for change, reason in (
            (Remove("nobody"), "nobody"),
            (Promote(leader.node_id), leader.node_id),
            (Promote("nobody"), "nobody"),
        ):
            with pytest.raises(InvalidInputError, match=reason):
                await log.change_members(change, timeout_s=5)
        await log.change_members(joining(engine), timeout_s=5)
        # A learner that nobody ever reached is not promoted, whatever else it lacks.
        await propose_all(leader, commands(2100), timeout_s=10)
        with pytest.raises(InvalidInputError, match=r"n4 was not heard|entries behind"):
            await log.change_members(Promote("n4"), timeout_s=5)


@engines("raft", pysyncobj=NO_CHANGES, single_node=ALONE)
async def test_leadership_is_handed_over_without_an_election_timeout(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (cluster, leader):
        await cluster.settle(timeout_s=5)
        log, target = leader.log, engine.others(leader.node_id)[0]
        assert isinstance(log, Reconfigurable)
        began = trio.current_time()
        await log.transfer_leadership(target, timeout_s=5)
        assert trio.current_time() - began < engine.settings.election_timeout_min_s
        node = cluster.nodes[target]
        assert await cluster.leader(timeout_s=1) is node
        await node.log.propose(b"after", timeout_s=5)
