"""The scheduler behind ClusterExecutor, on a virtual clock."""

from __future__ import annotations

import logging
from concurrent.futures import Future

import attrs
import pytest
import trio

from raftleader.framework.work import Work, WorkItem
from raftleader.framework.work_scheduler import TaskShape, WorkScheduler
from raftleader.protocol.tasks import CommandInfo


@attrs.define
class NoOffers:
    """A driver to which nothing is ever offered."""

    outstanding_offers: dict[str, object] = attrs.field(factory=dict)

    async def suppress(self) -> None:
        await trio.lowlevel.checkpoint()

    async def revive(self) -> None:
        await trio.lowlevel.checkpoint()


async def test_what_no_agent_can_run_is_said_once_in_the_log(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work()
    shape = TaskShape(
        role="*",
        needs={"cpus": 64_000, "mem": 64_000},
        command=CommandInfo(value="true"),
        tasks_max=None,
    )
    scheduler = WorkScheduler(work, shape)
    work.add(WorkItem(number=1, name="f", payload=b"", future=Future(), retries=0))
    with caplog.at_level(logging.WARNING):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scheduler.run, NoOffers(), None, None)
            await trio.sleep(4)
            assert caplog.messages == []
            for _ in range(30):  # being woken in between changes nothing
                await trio.sleep(1)
                scheduler.wake()
            nursery.cancel_scope.cancel()
    assert caplog.messages == [
        "waiting calls: 1; no agent has offered cpus:64;mem:64 for role * yet"
    ]
