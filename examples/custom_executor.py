"""A framework with an executor of its own: one process that answers many questions.

    python examples/custom_executor.py 127.0.0.1:5050 10 100 1000

Counts the primes below each number. The executor is this same file, started by an
agent; it stays for all tasks, so the second question finds it warm. Task data and
status data carry question and answer.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import trio

from raftleader.framework import Scheduler, SchedulerDriver
from raftleader.framework.executors import Executor, ExecutorDriver
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import TaskId
from raftleader.protocol.offers import Offer
from raftleader.protocol.resources import parse_resources
from raftleader.protocol.tasks import (
    CommandInfo,
    ExecutorInfo,
    TaskInfo,
    TaskState,
    TaskStatus,
)

OF_TASK = parse_resources("cpus:0.1;mem:16")
OF_EXECUTOR = parse_resources("cpus:0.1;mem:64")


class Primes(Executor):
    """On the agent."""

    def __init__(self) -> None:
        self.known = [2]

    async def launch(self, driver: ExecutorDriver, task: TaskInfo) -> None:
        await driver.update(task.task_id, TaskState.RUNNING)
        driver.start_soon(self.answer, driver, task)

    async def answer(self, driver: ExecutorDriver, task: TaskInfo) -> None:
        count = await trio.to_thread.run_sync(self.count, int(task.data or b"0"))
        data = str(count).encode()
        await driver.update(task.task_id, TaskState.FINISHED, data=data)

    def count(self, limit: int) -> int:
        for number in range(self.known[-1] + 1, limit):
            if all(number % p for p in self.known if p * p <= number):
                self.known.append(number)
        return sum(p < limit for p in self.known)


class Questions(Scheduler):
    """Beside the user."""

    def __init__(self, limits: Sequence[int]) -> None:
        self.waiting = list(limits)
        self.open: dict[TaskId, int] = {}

    async def offers(self, driver: SchedulerDriver, offers: Sequence[Offer]) -> None:
        for offer in offers:
            tasks: list[TaskInfo] = []
            free = offer.resources
            if "primes" not in offer.executor_ids and free.contains(OF_EXECUTOR):
                free -= OF_EXECUTOR
            while self.waiting and free.contains(OF_TASK):
                free -= OF_TASK
                limit = self.waiting.pop()
                task_id = TaskId(f"below-{limit}")
                self.open[task_id] = limit
                tasks.append(
                    TaskInfo(
                        name=task_id,
                        task_id=task_id,
                        agent_id=offer.agent_id,
                        resources=OF_TASK,
                        executor=executor_info(),
                        data=str(limit).encode(),
                    )
                )
            await driver.accept([offer.id], tasks)

    async def update(self, driver: SchedulerDriver, status: TaskStatus) -> None:
        if not status.state.is_terminal:
            return
        limit = self.open.pop(status.task_id)
        if status.state is TaskState.FINISHED and status.data is not None:
            print(f"{status.data.decode()} primes below {limit}", flush=True)
        else:
            print(f"{limit}: {status.state.value} {status.message}", file=sys.stderr)
        if not self.waiting and not self.open:
            await driver.teardown()


def executor_info() -> ExecutorInfo:
    """This file, with the interpreter and the modules that run us."""
    names = ("PATH", "PYTHONPATH")
    return ExecutorInfo(
        executor_id="primes",
        name="counts primes",
        resources=OF_EXECUTOR,
        command=CommandInfo(
            value=sys.executable,
            shell=False,
            arguments=(sys.executable, str(Path(__file__).resolve()), "--executor"),
            environment=tuple((n, os.environ[n]) for n in names if n in os.environ),
        ),
    )


def main() -> None:
    if sys.argv[1:] == ["--executor"]:
        trio.run(ExecutorDriver(Primes()).run)
        return
    parser = argparse.ArgumentParser(description="Count primes on a cluster.")
    parser.add_argument("leader", metavar="HOST:PORT")
    parser.add_argument("limits", nargs="+", type=int, metavar="NUMBER")
    options = parser.parse_args()
    framework = FrameworkInfo(user="nobody", name="primes", failover_timeout_ms=60_000)
    questions = Questions(sorted(set(options.limits)))
    trio.run(SchedulerDriver([options.leader], framework, questions).run)


if __name__ == "__main__":
    main()
