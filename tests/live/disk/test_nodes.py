"""Each nemesis of disks on three real leader nodes: it injects, it heals, and nothing
that was answered is lost."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import trio
from support.disk_cluster import (
    READY_WITHIN_S,
    answer_weights,
    injection_of,
    nemesis_of,
    open_leaders,
    read_weights,
    wait_said,
    writing,
)

from chaos.disks.means import DiskMeans
from chaos.live.faults import Fault, Target
from chaos.live.seams import ImpossibleError, Nemesis, World
from chaos.nemeses.disk import disk_nemeses

pytestmark = pytest.mark.end_to_end


@pytest.fixture
def nemeses() -> list[Nemesis]:
    return disk_nemeses(DiskMeans())


async def expect_intact(world: World, answered: dict[str, float]) -> None:
    """Ready again, and what was answered is there."""
    await world.cluster.wait_ready(timeout_s=READY_WITHIN_S)
    assert (await read_weights(world.cluster)).items() >= answered.items()


async def test_power_cut_of_all_nodes_loses_nothing_answered(
    tmp_path: Path, nemeses: list[Nemesis]
) -> None:
    async with open_leaders(tmp_path, "ext4") as world:
        cluster = world.cluster
        answered = await answer_weights(cluster, 1, 100)
        lives = {name: cluster.pid(name) for name in cluster.leaders}
        nemesis = nemesis_of(nemeses, Fault.POWER_CUT)

        wound = await nemesis.inject(injection_of(Fault.POWER_CUT, Target.ALL), world)
        assert wound.targets == ("leader-1", "leader-2", "leader-3")
        assert wound.detail["within_ms"] < 1000
        await trio.sleep(1.2)
        assert not any(map(cluster.pid, cluster.leaders))

        assert await wound.heal() == {}
        await expect_intact(world, answered)
        assert all(cluster.pid(name) != pid for name, pid in lives.items())


async def test_failed_sync_ends_the_leader_and_nothing_is_lost(
    tmp_path: Path, nemeses: list[Nemesis]
) -> None:
    async with open_leaders(tmp_path, "ext4") as world:
        cluster = world.cluster
        answered = await answer_weights(cluster, 1, 3)
        leader = await cluster.wait_leader()
        nemesis = nemesis_of(nemeses, Fault.FAILED_SYNC)

        wound = await nemesis.inject(
            injection_of(Fault.FAILED_SYNC, Target.LEADER), world
        )
        assert wound.targets == (leader,)
        async with writing(cluster):  # or there would be nothing to sync
            await cluster.wait_leader(besides=leader)
        answered |= await answer_weights(cluster, 4, 3)
        detail = await wound.heal()

        assert detail["hits"] >= 1
        assert "violation" not in detail
        assert "Input/output error" in cluster.node(leader).log_file.read_text()
        await expect_intact(world, answered)


async def test_full_disk_deposes_the_leader_which_comes_back_when_there_is_room(
    tmp_path: Path, nemeses: list[Nemesis]
) -> None:
    async with open_leaders(tmp_path, "ext4") as world:
        cluster = world.cluster
        answered = await answer_weights(cluster, 1, 3)
        leader = await cluster.wait_leader()
        life = cluster.pid(leader)
        nemesis = nemesis_of(nemeses, Fault.FULL_DISK)

        wound = await nemesis.inject(
            injection_of(Fault.FULL_DISK, Target.LEADER), world
        )
        assert (wound.targets, wound.means) == ((leader,), "ballast")
        async with writing(cluster) as more:
            await cluster.wait_leader(besides=leader)
            await wait_said(cluster, leader, "the disk is full")
        answered |= more
        await wound.heal()

        await expect_intact(world, answered)
        assert cluster.pid(leader) == life


async def test_read_only_node_refuses_to_start_until_its_disk_is_repaired(
    tmp_path: Path, nemeses: list[Nemesis]
) -> None:
    async with open_leaders(tmp_path, "ext4") as world:
        cluster = world.cluster
        leader = await cluster.wait_leader()
        nemesis = nemesis_of(nemeses, Fault.READ_ONLY)

        wound = await nemesis.inject(
            injection_of(Fault.READ_ONLY, Target.LEADER), world
        )
        assert (wound.targets, wound.means) == ((leader,), "ext4 error")
        async with writing(cluster) as answered:
            await cluster.wait_leader(besides=leader)
        detail = await wound.heal()

        assert detail == {"refused": [leader]}
        await expect_intact(world, answered)


async def test_flipped_journal_is_refused_and_its_node_replaced(
    tmp_path: Path, nemeses: list[Nemesis]
) -> None:
    async with open_leaders(tmp_path, "ext4") as world:
        cluster = world.cluster
        answered = await answer_weights(cluster, 1, 10)
        nemesis = nemesis_of(nemeses, Fault.FLIPPED_JOURNAL)

        wound = await nemesis.inject(
            injection_of(Fault.FLIPPED_JOURNAL, Target.ONE), world
        )
        (target,) = wound.targets
        assert wound.detail["refused"] is True
        (place,) = wound.detail["damaged"]
        segment = place.partition(" ")[0]
        assert segment in cluster.node(target).log_file.read_text()
        assert cluster.pid(target) is None
        with pytest.raises(ImpossibleError, match="without their disks"):
            await nemesis_of(nemeses, Fault.LOST_DISK).inject(
                injection_of(Fault.LOST_DISK, Target.LEADER), world
            )
        answered |= await answer_weights(cluster, 11, 3)
        assert (await wound.heal())["replaced_in_s"] > 0
        assert "--join" not in cluster.node(target).arguments
        await expect_intact(world, answered)

        # It is a member like any other, whose next life needs no help.
        cluster.kill(target, signal.SIGKILL)
        await cluster.wait_dead(target)
        await expect_intact(world, answered)


async def test_lost_disk_of_the_leader_is_replaced(
    tmp_path: Path, nemeses: list[Nemesis]
) -> None:
    async with open_leaders(tmp_path, "ext4") as world:
        cluster = world.cluster
        answered = await answer_weights(cluster, 1, 60)
        leader = await cluster.wait_leader()
        nemesis = nemesis_of(nemeses, Fault.LOST_DISK)

        wound = await nemesis.inject(
            injection_of(Fault.LOST_DISK, Target.LEADER), world
        )
        assert wound.targets == (leader,)
        assert wound.detail == {"refused": [leader]}
        answered |= await answer_weights(cluster, 61, 3)
        await wound.heal()
        await expect_intact(world, answered)
