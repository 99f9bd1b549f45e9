"""Keeps N copies of a command running, also over its own death.

    python examples/service.py 127.0.0.1:5050 --copies 3 --state web.id --command ./web

Its framework id is kept in the file ``--state``: started again, it takes over the
copies that still run. Ctrl-C ends them all.
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import Sequence
from pathlib import Path

import trio

from raftleader.framework import Scheduler, SchedulerDriver
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import FrameworkId, TaskId
from raftleader.protocol.offers import Offer
from raftleader.protocol.resources import parse_resources
from raftleader.protocol.scheduler_api import Subscribed
from raftleader.protocol.tasks import CommandInfo, TaskInfo, TaskStatus

NEEDS = parse_resources("cpus:0.1;mem:32")
FAILOVER_TIMEOUT_MS = 3_600_000
SETTLE_S = 1.0
"""After a start: until the copies that run have been reported."""


class Service(Scheduler):
    def __init__(self, command: str, copies: int, state: Path) -> None:
        self.command = command
        self.copies = copies
        self.state = state
        self.alive: set[TaskId] = set()
        self.is_settled = False

    async def subscribed(self, driver: SchedulerDriver, event: Subscribed) -> None:
        self.state.write_text(event.framework_id)

    async def offers(self, driver: SchedulerDriver, offers: Sequence[Offer]) -> None:
        if self.is_settled:
            await self.fill_up(driver)

    async def update(self, driver: SchedulerDriver, status: TaskStatus) -> None:
        print(status.task_id, status.state.value, flush=True)
        if not status.state.is_terminal:
            self.alive.add(status.task_id)
        elif status.task_id in self.alive:
            self.alive.remove(status.task_id)
            await driver.revive()

    async def fill_up(self, driver: SchedulerDriver) -> None:
        while driver.outstanding_offers:
            offer = next(iter(driver.outstanding_offers.values()))
            tasks: list[TaskInfo] = []
            free = offer.resources
            while len(self.alive) < self.copies and free.contains(NEEDS):
                free -= NEEDS
                # Offer ids are never used twice, so neither is this name.
                task_id = TaskId(f"copy-{offer.id}-{len(tasks)}")
                self.alive.add(task_id)
                tasks.append(
                    TaskInfo(
                        name="copy",
                        task_id=task_id,
                        agent_id=offer.agent_id,
                        resources=NEEDS,
                        command=CommandInfo(value=self.command),
                    )
                )
            await driver.accept([offer.id], tasks)
        if len(self.alive) >= self.copies:
            await driver.suppress()  # leave what is free to others


async def serve(driver: SchedulerDriver, service: Service) -> None:
    async with driver:
        await driver.reconcile()
        await trio.sleep(SETTLE_S)
        service.is_settled = True
        await service.fill_up(driver)
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                await driver.teardown()
                break
    service.state.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description="Keep copies of a command running.")
    parser.add_argument("leaders", nargs="+", metavar="HOST:PORT")
    parser.add_argument("--copies", type=int, default=2)
    parser.add_argument("--state", type=Path, required=True, metavar="FILE")
    parser.add_argument("--command", required=True, help="a line for the shell")
    options = parser.parse_args()
    state: Path = options.state
    known = state.read_text() if state.exists() else None
    framework = FrameworkInfo(
        user="nobody",
        name="service",
        id=FrameworkId(known) if known else None,
        failover_timeout_ms=FAILOVER_TIMEOUT_MS,
    )
    service = Service(options.command, options.copies, state)
    trio.run(serve, SchedulerDriver(options.leaders, framework, service), service)


if __name__ == "__main__":
    main()
