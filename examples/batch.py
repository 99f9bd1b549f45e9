"""Runs each line of a file as a command, on whatever is offered; tries thrice.

python examples/batch.py 127.0.0.1:5050 jobs.txt --cpus 0.5
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import attrs
import trio

from raftleader.framework import Scheduler, SchedulerDriver
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, TaskId
from raftleader.protocol.offers import Offer
from raftleader.protocol.resources import Resources, parse_resources
from raftleader.protocol.tasks import CommandInfo, TaskInfo, TaskState, TaskStatus

ATTEMPTS_MAX = 3


@attrs.define
class Job:
    number: int
    line: str
    attempt: int = 0

    def task(self, agent_id: AgentId, needs: Resources) -> TaskInfo:
        self.attempt += 1
        return TaskInfo(
            name=f"job {self.number}",
            task_id=TaskId(f"job-{self.number}-{self.attempt}"),
            agent_id=agent_id,
            resources=needs,
            command=CommandInfo(value=self.line),
        )


class Batch(Scheduler):
    def __init__(self, lines: Sequence[str], needs: Resources) -> None:
        self.waiting = [Job(number, line) for number, line in enumerate(lines, 1)]
        self.running: dict[TaskId, Job] = {}
        self.failed: list[Job] = []
        self.needs = needs

    async def offers(self, driver: SchedulerDriver, offers: Sequence[Offer]) -> None:
        for offer in offers:
            tasks: list[TaskInfo] = []
            free = offer.resources
            while self.waiting and free.contains(self.needs):
                free -= self.needs
                job = self.waiting.pop(0)
                task = job.task(offer.agent_id, self.needs)
                self.running[task.task_id] = job
                tasks.append(task)
            await driver.accept([offer.id], tasks)
        if not self.waiting:
            await driver.suppress()  # leave what is free to others

    async def update(self, driver: SchedulerDriver, status: TaskStatus) -> None:
        if not status.state.is_terminal or status.task_id not in self.running:
            return
        job = self.running.pop(status.task_id)
        print(f"{job.line}: {status.state.value} {status.message or ''}", flush=True)
        if status.state is not TaskState.FINISHED:
            if job.attempt < ATTEMPTS_MAX:
                self.waiting.append(job)
                await driver.revive()
            else:
                self.failed.append(job)
        if not self.waiting and not self.running:
            await driver.teardown()


def main() -> None:
    parser = argparse.ArgumentParser(description="Run commands on a cluster.")
    parser.add_argument("leaders", nargs="+", metavar="HOST:PORT")
    parser.add_argument("file", type=argparse.FileType(), help="a command on each line")
    parser.add_argument("--cpus", default="0.1", help="of each command")
    parser.add_argument("--mem", default="32", help="in megabytes, of each command")
    options = parser.parse_args()
    lines = [line.strip() for line in options.file if line.strip()]
    if not lines:
        return
    batch = Batch(lines, parse_resources(f"cpus:{options.cpus};mem:{options.mem}"))
    framework = FrameworkInfo(user="nobody", name="batch", failover_timeout_ms=60_000)
    trio.run(SchedulerDriver(options.leaders, framework, batch).run)
    sys.exit(1 if batch.failed else 0)


if __name__ == "__main__":
    main()
