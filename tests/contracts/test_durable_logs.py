"""What was answered is on disk, and a disk that cannot be trusted is not used."""

from __future__ import annotations

import pytest
import trio
from support.engines import DURABLE, Engine, engines, new_machine, propose_all
from trio.testing import MockClock

from chaos.sim.disk import SimDisk
from raftleader.errors import (
    ConfigError,
    JournalDamagedError,
    NotLeaderError,
    OutcomeUnknownError,
)
from raftleader.replication.interface import LogStatistics
from raftleader.replication.journal import format as journal_format
from raftleader.replication.local_cluster import LocalNode
from raftleader.replication.settings import RaftSettings

HUGE = bytes(1024 * 1024)


@engines(*DURABLE)
@pytest.mark.parametrize("ending", ["power_cut", "kill", "stop"])
async def test_restart_of_all_keeps_everything_answered(
    engine: Engine, ending: str, autojump_clock: MockClock
) -> None:
    async with engine.running() as (cluster, leader):
        answered: list[bytes] = []
        last_term = 0
        for life in range(3):
            commands = [b"%d.%d" % (life, number) for number in range(20)]
            results = await propose_all(leader, commands)
            assert not [one for one in results if isinstance(one, Exception)]
            answered += commands
            if ending == "stop":
                await cluster.stop()
            elif ending == "kill":
                await engine.kill(cluster)
            else:
                await engine.power_cut(cluster)
            assert not cluster.running
            await cluster.start()
            leader = await cluster.leader(timeout_s=5)
            assert sorted(leader.commands) == sorted(answered)
            assert leader.log.leadership.term > last_term
            last_term = leader.log.leadership.term
            await cluster.settle(timeout_s=5)
            for node in cluster.running:
                assert node.applied == leader.applied


@engines(*DURABLE)
@pytest.mark.parametrize("operation", range(1, 9))
async def test_power_cut_in_any_disk_operation_loses_nothing_answered(
    engine: Engine, operation: int, autojump_clock: MockClock
) -> None:
    async with engine.running() as (cluster, leader):
        before = [b"before %d" % number for number in range(5)]
        await propose_all(leader, before)
        engine.disks[leader.node_id].cut_power_in(operation)
        answered: list[bytes] = list(before)
        for number in range(20):
            try:
                await leader.log.propose(b"%d" % number, timeout_s=2)
            except (NotLeaderError, OutcomeUnknownError):
                break
            answered.append(b"%d" % number)
        await leader.ended.wait()
        await engine.power_cut(cluster)
        await cluster.start()
        leader = await cluster.leader(timeout_s=5)
        assert [one for one in answered if one not in leader.commands] == []
        assert len(leader.commands) <= len(answered) + 1


@engines(*DURABLE)
async def test_failed_sync_ends_the_node_and_is_never_tried_again(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (cluster, leader):
        await leader.log.propose(b"before", timeout_s=5)
        disk = engine.disks[leader.node_id]
        disk.fail_next_sync()
        (outcome,) = await propose_all(leader, [b"at the time"], timeout_s=2)
        assert isinstance(outcome, OutcomeUnknownError)
        await leader.ended.wait()
        assert isinstance(leader.failure, OSError)
        with pytest.raises(NotLeaderError):
            await leader.log.propose(b"later", timeout_s=5)
        await engine.power_cut(cluster, leader.node_id)
        await cluster.start(leader.node_id)
        after = await cluster.leader(timeout_s=5)
        await after.log.propose(b"after", timeout_s=5)
        await cluster.settle(timeout_s=5)
        for node in cluster.running:
            commands = [one for one in node.commands if one != b"at the time"]
            assert commands == [b"before", b"after"]


async def fill_disk(engine: Engine, leader: LocalNode) -> tuple[SimDisk, int]:
    """Fill the leader's disk and propose until that shows; how often it answered."""
    disk = engine.disks[leader.node_id]
    disk.room_bytes = 0
    for number in range(100):
        try:
            await leader.log.propose(HUGE, timeout_s=2)
        except (NotLeaderError, OutcomeUnknownError):
            return disk, number
    raise AssertionError("the disk is never full")


@engines(
    "raft",
    pysyncobj="the node ends with DiskFullError, and must be started again",
    single_node="the node ends with DiskFullError, and must be started again",
)
async def test_full_disk_costs_leadership_and_the_node_recovers_when_there_is_room(
    engine: Engine, autojump_clock: MockClock
) -> None:
    engine.settings = RaftSettings(segment_bytes=64 * 1024)
    async with engine.running() as (cluster, leader):
        await leader.log.propose(b"before", timeout_s=5)
        disk, _ = await fill_disk(engine, leader)
        assert leader.is_running
        assert not leader.log.leadership.leading
        assert says_disk_full(leader.log.statistics())
        successor = await cluster.leader(timeout_s=5)
        await successor.log.propose(b"meanwhile", timeout_s=5)
        disk.room_bytes = None
        await cluster.settle(timeout_s=10)
        assert not says_disk_full(leader.log.statistics())
        assert b"meanwhile" in leader.commands
        assert leader.applied == successor.applied


def says_disk_full(statistics: LogStatistics) -> bool:
    return statistics.details["is_disk_full"] is True


@engines(*DURABLE)
async def test_full_disk_loses_nothing_answered(
    engine: Engine, autojump_clock: MockClock
) -> None:
    engine.settings = RaftSettings(segment_bytes=64 * 1024)
    async with engine.running() as (cluster, leader):
        await leader.log.propose(b"before", timeout_s=5)
        disk, answered = await fill_disk(engine, leader)
        disk.room_bytes = None
        await engine.power_cut(cluster)
        await cluster.start()
        leader = await cluster.leader(timeout_s=5)
        assert leader.commands[0] == b"before"
        assert leader.commands.count(HUGE) in (answered, answered + 1)


async def stopped_with_entries(engine: Engine) -> str:
    """A node that has stopped, with entries in its journal."""
    async with engine.running() as (cluster, leader):
        for number in range(5):
            await leader.log.propose(b"%d" % number, timeout_s=5)
        await cluster.stop()
        return leader.node_id


@engines(*DURABLE)
async def test_damaged_journal_is_refused_with_file_and_offset(
    engine: Engine, autojump_clock: MockClock
) -> None:
    node_id = await stopped_with_entries(engine)
    disk = engine.disks[node_id]
    image = dict(disk.save())
    (path,) = (path for path in image if path.startswith("data/journal/"))
    content = bytearray(image[path])
    place = len(content.rstrip(b"\0")) // 2
    content[place] ^= 1
    disk.restore({**image, path: bytes(content)})
    error = await engine.refused_start(engine.make_log(node_id, new_machine()))
    assert isinstance(error, JournalDamagedError)
    assert error.path == path
    assert 0 < error.offset <= place


@engines(*DURABLE)
async def test_journal_of_another_node_or_cluster_is_refused(
    engine: Engine, autojump_clock: MockClock
) -> None:
    node_id = await stopped_with_entries(engine)
    disk = engine.disks[node_id]
    before = disk.save()
    for other, cluster_id, word in (("n4", "c", "n4"), (node_id, "d", "cluster")):
        log = engine.make_log(other, new_machine(), cluster_id=cluster_id, disk=disk)
        error = await engine.refused_start(log)
        assert isinstance(error, ConfigError)
        assert word in str(error)
    assert disk.save() == before


@engines(*DURABLE)
@pytest.mark.parametrize("other", DURABLE)
async def test_journal_of_another_engine_is_refused(
    engine: Engine, other: str, autojump_clock: MockClock
) -> None:
    node_id = await stopped_with_entries(engine)
    log = Engine(name=other).make_log(
        node_id, new_machine(), disk=engine.disks[node_id]
    )
    error = await engine.refused_start(log)
    if other == engine.name:
        assert error is None
    else:
        assert isinstance(error, ConfigError)
        assert "engine" in str(error)


@engines(*DURABLE)
async def test_journal_of_a_newer_format_is_refused(
    engine: Engine, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = journal_format.FORMAT_VERSION + 1
    with monkeypatch.context() as patch:
        patch.setattr(journal_format, "FORMAT_VERSION", newer)
        node_id = await stopped_with_entries(engine)
    before = engine.disks[node_id].save()
    error = await engine.refused_start(engine.make_log(node_id, new_machine()))
    assert isinstance(error, ConfigError)
    assert f"format {newer}" in str(error)
    assert engine.disks[node_id].save() == before


@engines(*DURABLE)
async def test_journal_in_use_is_refused(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (_, leader):
        log = engine.make_log(leader.node_id, new_machine())
        error = await engine.refused_start(log)
        assert isinstance(error, ConfigError)
        await leader.log.propose(b"undisturbed", timeout_s=5)


@engines(
    "raft",
    pysyncobj="a node does not know that it forgot its votes and entries",
    single_node="nobody else knows that there was a journal",
)
async def test_node_whose_disk_was_lost_refuses_to_take_part(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (cluster, leader):
        await leader.log.propose(b"before", timeout_s=5)
        lost = engine.node_ids[-1]
        if lost == leader.node_id:
            lost = engine.node_ids[0]
        await cluster.crash(lost)
        engine.disks[lost].lose()
        await cluster.start(lost)
        with trio.move_on_after(5):
            await cluster.nodes[lost].ended.wait()
        assert isinstance(cluster.nodes[lost].failure, ConfigError)
        await leader.log.propose(b"after", timeout_s=5)
