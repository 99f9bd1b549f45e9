"""Nothing is said before what it promises is on the disk."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from chaos.sim.disk import PowerCut, SimDisk
from raftleader.errors import DiskFullError, NotLeaderError, OutcomeUnknownError
from raftleader.replication.local_cluster import LocalNode
from raftleader.replication.single_node import SingleNodeLog


async def test_follower_acknowledges_only_what_is_on_its_disk(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        gone, mortal = lab.others(leader.node_id)
        await lab.cluster.crash(gone)
        lab.disks[mortal].cut_power_in(1)
        with pytest.raises(OutcomeUnknownError):
            await leader.log.propose(b"not on two disks", timeout_s=5)
        assert isinstance(lab.cluster.nodes[mortal].failure, PowerCut)
        assert leader.commands == []


async def test_leader_sends_only_what_is_on_its_disk(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        await leader.log.propose(b"before", timeout_s=5)
        await lab.cluster.settle(timeout_s=5)
        lab.disks[leader.node_id].cut_power_in(1)
        with pytest.raises(OutcomeUnknownError):
            await leader.log.propose(b"unsynced", timeout_s=5)
        assert isinstance(leader.failure, PowerCut)
        await lab.cluster.stop()
        for node_id in lab.others(leader.node_id):
            datas = [entry.data for entry in lab.journal_of(node_id).entries]
            assert b"\x00before" in datas
            assert b"\x00unsynced" not in datas


async def test_vote_is_on_the_disk_before_it_is_given(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        term = leader.log.leadership.term
        gone, voter = lab.others(leader.node_id)
        await lab.cluster.crash(gone, leader.node_id)
        lab.disks[voter].cut_power_in(1)
        # Its own campaign wants a vote, and so does that of the one that returns.
        await lab.cluster.start(leader.node_id)
        await lab.cluster.nodes[voter].ended.wait()
        await trio.sleep(5)
        assert isinstance(lab.cluster.nodes[voter].failure, PowerCut)
        assert not lab.cluster.nodes[leader.node_id].log.leadership.leading
        assert lab.cluster.nodes[leader.node_id].log.leadership.term <= term + 1


async def test_failed_disk_stops_the_node_loudly(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        lab.disks[leader.node_id].fail_next_sync()
        with pytest.raises(OutcomeUnknownError):
            await leader.log.propose(b"x", timeout_s=5)
        assert isinstance(leader.failure, OSError)


TOO_LARGE_FOR_A_SEGMENT = bytes(1024 * 1024)


@pytest.mark.parametrize("engine", ["pysyncobj"])
async def test_full_disk_stops_the_node_and_loses_nothing(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        await leader.log.propose(b"before", timeout_s=5)
        disk = lab.disks[leader.node_id]
        disk.room_bytes = 0
        with pytest.raises(OutcomeUnknownError):
            for _ in range(64):
                await leader.log.propose(TOO_LARGE_FOR_A_SEGMENT, timeout_s=5)
        assert isinstance(leader.failure, DiskFullError)
        disk.room_bytes = None
        await lab.cluster.start(leader.node_id)
        await lab.cluster.settle(timeout_s=5)
        assert leader.commands[0] == b"before"


@pytest.mark.parametrize("engine", ["raft"])
async def test_leader_with_a_full_disk_steps_down_says_so_and_comes_back(
    laboratory: Any, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        await leader.log.propose(b"before", timeout_s=5)
        disk = lab.disks[leader.node_id]
        disk.room_bytes = 0
        with pytest.raises(OutcomeUnknownError):
            for _ in range(64):
                await leader.log.propose(TOO_LARGE_FOR_A_SEGMENT, timeout_s=5)
        with pytest.raises(NotLeaderError):
            await leader.log.propose(b"refused", timeout_s=5)
        successor = await lab.cluster.leader(
            among=lab.others(leader.node_id), timeout_s=5
        )
        await successor.log.propose(b"meanwhile", timeout_s=5)
        await trio.sleep(2)
        assert leader.failure is None
        assert leader.log.statistics().details["is_disk_full"] is True
        assert not leader.log.leadership.leading
        disk.room_bytes = None
        await lab.cluster.settle(timeout_s=5)
        await trio.sleep(2)
        assert leader.commands == successor.commands
        assert leader.commands[0] == b"before"
        assert leader.log.statistics().details["is_disk_full"] is False
        said = [record.getMessage() for record in caplog.records]
        name = leader.node_id
        assert said == [
            f"node {name}: the disk is full: this node keeps still until there is room",
            f"node {name}: there is room on the disk again",
        ]


def operations(lab: Any) -> int:
    """Writes and syncs so far, of all nodes."""
    return sum(disk.operations for disk in lab.disks.values())


async def propose_many(node: LocalNode, count: int) -> None:
    async def propose(number: int) -> None:
        await node.log.propose(b"%d" % number, timeout_s=5)

    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(propose, number)


async def test_proposals_that_come_together_share_a_sync(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        await lab.cluster.settle(timeout_s=5)
        before = operations(lab)
        await propose_many(leader, 1000)
        await lab.cluster.settle(timeout_s=5)
        assert len(leader.commands) == 1000
        # Three nodes, in one or two batches, each a write and a sync.
        assert 4 <= operations(lab) - before <= 12


async def test_idle_cluster_writes_nothing(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        await lab.cluster.settle(timeout_s=5)
        size = leader.log.statistics().journal_bytes
        before = operations(lab)
        await trio.sleep(30)
        assert operations(lab) == before
        assert leader.log.statistics().journal_bytes == size


async def test_single_node_shares_a_sync_among_waiting_proposals(
    autojump_clock: MockClock,
) -> None:
    applied: list[bytes] = []
    disk = SimDisk(random.Random(1))
    log = SingleNodeLog(
        "n1", Path("j"), lambda i, t, data: applied.append(data), disk=disk
    )
    node = LocalNode("n1", log, [])
    async with trio.open_nursery() as nursery:
        await nursery.start(log.run)
        before = disk.operations
        await propose_many(node, 1000)
        assert len(applied) == 1000
        assert disk.operations - before <= 4
        nursery.cancel_scope.cancel()
