"""A framework in thirty lines: runs ``echo`` five times, on whatever is offered.

python examples/hello_framework.py 127.0.0.1:5050
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import trio

from raftleader.framework import Scheduler, SchedulerDriver
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import TaskId
from raftleader.protocol.offers import Offer
from raftleader.protocol.resources import parse_resources
from raftleader.protocol.tasks import CommandInfo, TaskInfo, TaskStatus

NEEDS = parse_resources("cpus:0.1;mem:32")


class Hello(Scheduler):
    def __init__(self, count: int) -> None:
        self.waiting = [f"hello-{number}" for number in range(count)]
        self.running = set(self.waiting)

    async def offers(self, driver: SchedulerDriver, offers: Sequence[Offer]) -> None:
        for offer in offers:
            tasks: list[TaskInfo] = []
            free = offer.resources
            while self.waiting and free.contains(NEEDS):
                free -= NEEDS
                name = self.waiting.pop()
                command = CommandInfo(value=f"echo {name}")
                tasks.append(
                    TaskInfo(
                        name=name,
                        task_id=TaskId(name),
                        agent_id=offer.agent_id,
                        resources=NEEDS,
                        command=command,
                    )
                )
            await driver.accept([offer.id], tasks)  # without tasks: declines

    async def update(self, driver: SchedulerDriver, status: TaskStatus) -> None:
        print(status.task_id, status.state.value, status.message or "")
        if status.state.is_terminal:
            self.running.discard(status.task_id)
        if not self.running:
            await driver.teardown()


def main() -> None:
    parser = argparse.ArgumentParser(description="Say hello on a cluster.")
    parser.add_argument("leaders", nargs="+", metavar="HOST:PORT")
    parser.add_argument("--count", type=int, default=5)
    options = parser.parse_args()
    framework = FrameworkInfo(user="nobody", name="hello", failover_timeout_ms=60_000)
    trio.run(SchedulerDriver(options.leaders, framework, Hello(options.count)).run)


if __name__ == "__main__":
    main()
