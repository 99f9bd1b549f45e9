"""Clocks of real leader nodes that jump and drift: the group does not mind."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.disk_cluster import (
    READY_WITHIN_S,
    answer_weights,
    injection_of,
    open_leaders,
    read_weights,
    writing,
)

from chaos.live.faults import Fault, Target
from chaos.machine.tools import faketime_library
from chaos.nemeses.clock.drift import ClockDriftNemesis
from chaos.nemeses.clock.jump import ClockJumpNemesis

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.skipif(
        faketime_library() is None, reason="no libfaketime (apt install libfaketime)"
    ),
]


async def test_leader_nodes_work_on_while_their_clocks_jump_and_drift(
    tmp_path: Path,
) -> None:
    async with open_leaders(tmp_path, "plain", has_clocks=True) as world:
        cluster = world.cluster
        lives = [cluster.pid(name) for name in cluster.leaders]
        jump = await ClockJumpNemesis().inject(
            injection_of(Fault.CLOCK_JUMP, Target.ALL), world
        )
        answered = await answer_weights(cluster, 1, 20)
        await jump.heal()
        answered |= await answer_weights(cluster, 21, 20)
        assert [cluster.pid(name) for name in cluster.leaders] == lives

        async with writing(cluster) as more:
            drift = await ClockDriftNemesis().inject(
                injection_of(Fault.CLOCK_DRIFT, Target.LEADER), world
            )
            await cluster.wait_ready(timeout_s=READY_WITHIN_S)
            assert drift.detail["rates"].keys() == set(drift.targets)
            await drift.heal()
        await cluster.wait_ready(timeout_s=READY_WITHIN_S)
        assert (await read_weights(cluster)).items() >= (answered | more).items()
