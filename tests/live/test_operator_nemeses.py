"""What operators do, to a real cluster: it refuses what it must, in words, and is well
again afterwards."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from support.live_fakes import MemoryJournal, PlainDisks, PlainNetwork

from chaos.live.cluster import LiveCluster, open_live_cluster
from chaos.live.faults import Fault, Injection, Target
from chaos.live.plan import LiveOptions
from chaos.live.seams import Nemesis, World
from chaos.nemeses.operator.draining import Draining
from chaos.nemeses.operator.duplicate_id import DuplicateId
from chaos.nemeses.operator.group import GroupOperator
from chaos.nemeses.operator.membership import MemberChange
from chaos.nemeses.operator.rolling_restart import RollingRestart
from chaos.nemeses.operator.transfer import LeadershipTransfer
from chaos.nemeses.operator.wrong_config import (
    OTHER_CLUSTER,
    PORT_IN_USE,
    SAYS,
    WrongConfig,
)

pytestmark = pytest.mark.end_to_end
READY_WITHIN_S = 60.0


async def make(
    nemesis: Nemesis, world: World, fault: Fault, target: Target, *, seed: int = 1
) -> dict[str, object]:
    """Make it, heal it, wait until all is well; all details, and whom it hit."""
    injection = Injection(
        number=seed + 1, fault=fault, target=target, at_s=0.0, for_s=0.0, seed=seed
    )
    wound = await nemesis.inject(injection, world)
    found = {"targets": wound.targets, **wound.detail, **await wound.heal()}
    await world.cluster.wait_ready(timeout_s=READY_WITHIN_S)
    assert "problem" not in found, found
    assert "violation" not in found, found
    return found


async def lives_of(cluster: LiveCluster) -> dict[str, int | None]:
    return {name: cluster.pid(name) for name in cluster.leaders}


async def test_operators_restart_change_and_mistake_without_harm(
    tmp_path: Path,
) -> None:
    network, disks, journal = PlainNetwork(), PlainDisks(tmp_path), MemoryJournal()
    async with open_live_cluster(
        LiveOptions(leaders=3, agents=1), network, disks, journal, tmp_path
    ) as cluster:
        world = World(
            cluster=cluster,
            network=network,
            disks=disks,
            journal=journal,
            folder=tmp_path,
        )
        await cluster.wait_ready(timeout_s=READY_WITHIN_S)

        before = await lives_of(cluster)
        rolled = await make(RollingRestart(), world, Fault.ROLLING_RESTART, Target.ALL)
        assert rolled == {"targets": rolled["targets"]}
        assert not before.items() & (await lives_of(cluster)).items()

        moved = await make(LeadershipTransfer(), world, Fault.TRANSFER, Target.LEADER)
        assert moved["from"] != moved["to"]
        await make(Draining(), world, Fault.DRAIN, Target.AGENT)

        changed = await make(MemberChange(), world, Fault.MEMBERSHIP, Target.LEADER)
        assert changed["members_after"] == 3
        members = await GroupOperator(cluster).members()
        assert members == dict.fromkeys(cluster.leaders, True)

        seeds = {random.Random(seed).choice(sorted(SAYS)): seed for seed in range(40)}
        for mistake in (PORT_IN_USE, OTHER_CLUSTER):
            told = await make(
                WrongConfig(),
                world,
                Fault.WRONG_CONFIG,
                Target.ONE,
                seed=seeds[mistake],
            )
            assert told["mistake"] == mistake
            assert SAYS[mistake] in str(told["said"])

        joining = {random.Random(seed).random() < 0.5: seed for seed in range(20)}
        for is_joining, seed in joining.items():
            told = await make(
                DuplicateId(), world, Fault.DUPLICATE_ID, Target.LEADER, seed=seed
            )
            assert told["joining"] is is_joining
            assert told["seen_by"] or told["said"]
