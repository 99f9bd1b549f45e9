"""Nemeses of disks that need no root, on processes that write a journal."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest
import trio
from support.disk_cluster import injection_of, nemesis_of
from support.journal_cluster import (
    WITHIN_S,
    JournalCluster,
    open_journal_world,
    world_cluster,
)

from chaos.disks.live_disks import LiveDisks
from chaos.disks.means import DiskMeans
from chaos.disks.waiting import wait_until
from chaos.live.faults import Fault, Target
from chaos.live.seams import ImpossibleError, Nemesis, World, Wound
from chaos.nemeses.disk import disk_nemeses
from chaos.nemeses.disk.damage import Damage, SegmentView
from chaos.nemeses.disk.journals import CUT, TORN
from chaos.nemeses.disk.wound import rng_of
from raftleader.replication.journal.inspection import Inspection, walk
from raftleader.replication.os_disk import OsDisk

NAMES = ["leader-1", "leader-2", "leader-3"]
NO_ROOT = DiskMeans(why_no_ext4="no loop-ext4: user id 1000")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_journal_world(tmp_path, NAMES, engine="pysyncobj") as made:
        disks = made.disks
        assert isinstance(disks, LiveDisks)
        if disks.means.why_no_shim:
            pytest.skip(disks.means.why_no_shim)
        yield made


@pytest.fixture
def cluster(world: World) -> JournalCluster:
    return world_cluster(world)


@pytest.fixture
def nemeses() -> list[Nemesis]:
    return disk_nemeses(NO_ROOT)


async def inject(
    nemeses: list[Nemesis], world: World, fault: Fault, target: Target, seed: int = 1
) -> Wound:
    injection = injection_of(fault, target, seed=seed)
    return await nemesis_of(nemeses, fault).inject(injection, world)


def journal_of(world: World, name: str) -> Path:
    return world.disks.data_dir(name) / "journal"


def read_whole(world: World, name: str) -> int:
    """The last entry of a journal that is whole."""
    found = Inspection()
    for _ in walk(OsDisk(is_read_only=True), str(journal_of(world, name)), found):
        pass
    assert found.problems == []
    return found.position.last_index


def seed_for(means: str) -> int:
    """Of a ``truncated-journal`` that is done so."""
    for seed in range(100):
        if (
            rng_of(injection_of(Fault.TRUNCATED_JOURNAL, Target.ONE, seed=seed)).choice(
                (TORN, CUT)
            )
            == means
        ):
            return seed
    raise AssertionError(means)


def change_nothing(segments: Sequence[SegmentView], rng: random.Random) -> Damage:
    path = segments[-1].path
    return Damage(file=path, offset=0, before=b"", size_bytes=path.stat().st_size)


async def never_died(world: World, node: str, lives: Mapping[str, int | None]) -> bool:
    return False


async def wait_starts(cluster: JournalCluster, name: str, count: int) -> None:
    with trio.fail_after(WITHIN_S):
        await wait_until(lambda: cluster.starts(name) >= count)


@pytest.mark.parametrize("seed", [1, 3])
async def test_failed_sync_ends_its_node_which_is_back_when_it_is_healed(
    world: World, cluster: JournalCluster, nemeses: list[Nemesis], seed: int
) -> None:
    wound = await inject(nemeses, world, Fault.FAILED_SYNC, Target.LEADER, seed)
    assert wound.targets == ("leader-1",)
    # Once, after which syncs succeed, or each time.
    assert wound.detail == {"times": {1: -1, 3: 1}[seed]}
    await wait_starts(cluster, "leader-1", 2)
    detail = await wound.heal()

    assert detail["hits"] >= 1
    assert "violation" not in detail
    await cluster.wait_serving()
    assert cluster.starts("leader-2") == 1
    assert "Input/output error" in cluster.node("leader-1").log_file.read_text()


async def test_node_that_goes_on_after_a_failed_sync_is_a_violation(
    world: World,
    cluster: JournalCluster,
    nemeses: list[Nemesis],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wound = await inject(nemeses, world, Fault.FAILED_SYNC, Target.ONE)
    (target,) = wound.targets
    await wait_starts(cluster, target, 2)
    # As if that were still the life in which the sync failed.
    monkeypatch.setattr("chaos.nemeses.disk.calls._has_died", never_died)
    detail = await wound.heal()
    assert detail["violation"] == f"{target} went on after an fdatasync that failed"


async def test_slow_sync_of_all_slows_them_and_ends_none(
    world: World, cluster: JournalCluster, nemeses: list[Nemesis]
) -> None:
    wound = await inject(nemeses, world, Fault.SLOW_SYNC, Target.ALL, seed=2)
    assert wound.targets == tuple(NAMES)
    assert wound.detail["delay_ms"] <= 150
    shims = [disk.shim for disk in world.disks.nodes.values()]  # type: ignore[attr-defined]
    await trio.sleep(0.5)
    detail = await wound.heal()
    assert 3 <= detail["hits"] <= 3 * (0.6 / (wound.detail["delay_ms"] / 1000) + 2)
    assert all(shims)
    await cluster.wait_serving()
    assert [cluster.starts(name) for name in NAMES] == [1, 1, 1]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault.FULL_DISK, "No space left on device"),
        (Fault.READ_ONLY, "Read-only file system"),
    ],
)
async def test_full_and_read_only_without_root_are_made_by_calls_that_fail(
    world: World,
    cluster: JournalCluster,
    nemeses: list[Nemesis],
    fault: Fault,
    words: str,
) -> None:
    wound = await inject(nemeses, world, fault, Target.LEADER)
    assert "preloaded library" in wound.means
    await wait_starts(cluster, "leader-1", 2)
    with pytest.raises(ImpossibleError, match="leader-1 is broken already"):
        await inject(nemeses, world, Fault.FLIPPED_JOURNAL, Target.LEADER)
    detail = await wound.heal()
    assert detail.get("refused", ["leader-1"]) == ["leader-1"]

    await cluster.wait_serving()
    assert words in cluster.node("leader-1").log_file.read_text()
    await (await inject(nemeses, world, fault, Target.ONE, seed=5)).heal()


async def test_torn_write_is_cut_by_the_node_itself(
    world: World, cluster: JournalCluster, nemeses: list[Nemesis]
) -> None:
    wound = await inject(
        nemeses, world, Fault.TRUNCATED_JOURNAL, Target.ONE, seed_for(TORN)
    )
    (target,) = wound.targets
    assert wound.means == TORN
    assert cluster.pid(target) is None
    before = read_whole(world, target)

    assert await wound.heal() == {}
    await cluster.wait_serving()
    assert "of an unfinished write" in cluster.node(target).log_file.read_text()
    with trio.fail_after(WITHIN_S):
        await wait_until(lambda: read_whole(world, target) > before)


async def test_torn_write_that_nobody_mentions_is_a_violation(
    world: World, cluster: JournalCluster, nemeses: list[Nemesis]
) -> None:
    seed = seed_for(TORN)
    wound = await inject(nemeses, world, Fault.TRUNCATED_JOURNAL, Target.LEADER, seed)
    # Somebody has repaired it meanwhile.
    segment = max(journal_of(world, "leader-1").glob("segment-*"))
    os.truncate(segment, segment.stat().st_size // 2)
    used = segment.read_bytes().rstrip(b"\0")
    segment.write_bytes(used[: -wound.detail["torn_bytes"][0]])
    assert "did not say" in (await wound.heal())["violation"]


@pytest.mark.parametrize(
    ("fault", "means"),
    [(Fault.TRUNCATED_JOURNAL, CUT), (Fault.FLIPPED_JOURNAL, "flipped bit")],
)
async def test_damaged_journal_is_refused_and_put_back_where_members_are_fixed(
    world: World,
    cluster: JournalCluster,
    nemeses: list[Nemesis],
    fault: Fault,
    means: str,
) -> None:
    await trio.sleep(0.2)
    wound = await inject(nemeses, world, fault, Target.LEADER, seed_for(CUT))
    assert wound.means == means
    assert wound.detail["refused"] is True
    assert "violation" not in wound.detail
    assert cluster.starts("leader-1") == 2
    assert cluster.pid("leader-1") is None
    await wound.heal()
    await cluster.wait_serving()
    assert read_whole(world, "leader-1") > 0


async def test_damage_that_is_not_noticed_is_a_violation(
    world: World,
    cluster: JournalCluster,
    nemeses: list[Nemesis],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chaos.nemeses.disk.wound.DEATH_WITHIN_S", 1.5)
    monkeypatch.setattr("chaos.nemeses.disk.journals.flip_bit", change_nothing)
    wound = await inject(nemeses, world, Fault.FLIPPED_JOURNAL, Target.LEADER)
    assert "leader-1 started on a damaged journal" in wound.detail["violation"]
    await wound.heal()
    await cluster.wait_serving()


async def test_lost_disk_is_impossible_where_members_are_fixed(
    world: World, cluster: JournalCluster, nemeses: list[Nemesis]
) -> None:
    cluster.node("leader-1").arguments += ["--peer", "leader-1=tcp://127.0.0.1:1"]
    with pytest.raises(ImpossibleError, match="members of the engine pysyncobj are"):
        await inject(nemeses, world, Fault.LOST_DISK, Target.LEADER)
    assert [cluster.starts(name) for name in NAMES] == [1, 1, 1]
    assert read_whole(world, "leader-1") > 0


async def test_injection_that_is_cancelled_leaves_everything_as_it_was(
    world: World, cluster: JournalCluster, nemeses: list[Nemesis]
) -> None:
    with trio.move_on_after(0.05) as scope:
        await inject(nemeses, world, Fault.FLIPPED_JOURNAL, Target.LEADER)
    assert scope.cancelled_caught
    await cluster.wait_serving()
    wound = await inject(nemeses, world, Fault.TRUNCATED_JOURNAL, Target.LEADER)
    await wound.heal()
    await cluster.wait_serving()


def test_faults_say_what_they_lack() -> None:
    nothing = DiskMeans(
        why_no_ext4="no root", why_no_shim="no gcc", why_no_strace="no strace"
    )
    missing = {
        fault.value: nemesis.missing(fault)
        for nemesis in disk_nemeses(nothing)
        for fault in nemesis.faults
    }
    assert missing == {
        "power-cut": "no root",
        "full-disk": "no root; no gcc",
        "read-only": "no root; no gcc",
        "failed-sync": "no gcc; no strace",
        "slow-sync": "no gcc; no strace",
        "truncated-journal": None,
        "flipped-journal": None,
        "lost-disk": None,
    }
