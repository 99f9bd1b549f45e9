"""A disk that takes its time: the node waits for it, its event loop does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from raftleader.errors import OutcomeUnknownError

STALL_S = 1.0
"""Five of the shortest election timeouts."""


@pytest.fixture
def engine() -> str:
    return "raft"


@attrs.define
class SlowDisk:
    """Waits where told to, then syncs."""

    stall_s: float = 0.0
    syncs: int = 0

    async def __call__(
        self, function: Callable[[Callable[[], None]], None], sync: Callable[[], None]
    ) -> None:
        self.syncs += 1
        await trio.sleep(self.stall_s)
        function(sync)


async def test_leader_whose_disk_stalls_keeps_its_office_and_commits_after_it(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    disks = {name: SlowDisk() for name in ("n1", "n2", "n3")}
    async with laboratory(run_blocking=disks) as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        term = leader.log.leadership.term
        disks[leader.node_id].stall_s = STALL_S
        begun = trio.current_time()
        await leader.log.propose(b"slow", timeout_s=5)
        assert trio.current_time() - begun >= STALL_S
        disks[leader.node_id].stall_s = 0.0
        await lab.cluster.settle(timeout_s=5)
        assert leader.log.leadership.leading
        assert leader.log.leadership.term == term
        assert all(lab.cluster.nodes[name].commands == [b"slow"] for name in disks)


async def test_leader_whose_disk_hangs_loses_its_office(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    disks = {name: SlowDisk() for name in ("n1", "n2", "n3")}
    async with laboratory(run_blocking=disks) as lab:
        await lab.cluster.start()
        first = await lab.cluster.leader(timeout_s=5)
        disks[first.node_id].stall_s = 60.0
        async with trio.open_nursery() as nursery:

            async def propose() -> None:
                with pytest.raises(OutcomeUnknownError):
                    await first.log.propose(b"hangs", timeout_s=30)

            nursery.start_soon(propose)
            second = await lab.cluster.leader(
                among=lab.others(first.node_id), timeout_s=5
            )
            await second.log.propose(b"goes on", timeout_s=5)
            assert b"goes on" in second.commands


async def test_followers_whose_disks_stall_do_not_stop_each_others_loops(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    disks = {name: SlowDisk() for name in ("n1", "n2", "n3")}
    async with laboratory(run_blocking=disks) as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        for name in lab.others(leader.node_id):
            disks[name].stall_s = 0.1
        for number in range(20):
            await leader.log.propose(str(number).encode(), timeout_s=5)
        await lab.cluster.settle(timeout_s=5)
        expected = [str(number).encode() for number in range(20)]
        for name in disks:
            assert lab.cluster.nodes[name].commands == expected


async def test_node_that_crashes_while_its_disk_stalls_has_promised_nothing(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    disks = {name: SlowDisk() for name in ("n1", "n2", "n3")}
    async with laboratory(run_blocking=disks) as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        for disk in disks.values():
            disk.stall_s = STALL_S
        async with trio.open_nursery() as nursery:

            async def propose() -> None:
                with pytest.raises(OutcomeUnknownError):
                    await leader.log.propose(b"never synced", timeout_s=5)

            nursery.start_soon(propose)
            await trio.sleep(0.2)
            await lab.cluster.crash(leader.node_id)
        assert lab.journal_of(leader.node_id).entries[-1].data.find(b"never") < 0
        for disk in disks.values():
            disk.stall_s = 0.0
        await lab.cluster.start(leader.node_id)
        second = await lab.cluster.leader(timeout_s=5)
        await second.log.propose(b"after", timeout_s=5)
        await lab.cluster.settle(timeout_s=5)
        for name in disks:
            assert lab.cluster.nodes[name].commands[-1] == b"after"
