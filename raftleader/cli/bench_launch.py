"""``bench launch``: no-op tasks per second through the whole path.

One framework takes every offer and fills it with tasks. The agents' CPUs bound how
many tasks are on their way at once (TASKS_IN_FLIGHT).
"""

from __future__ import annotations

import getpass
from collections.abc import Sequence

import attrs
import trio

from raftleader.cli.measured_cluster import (
    Bar,
    measured_cluster,
    percentile,
    progress_bar,
)
from raftleader.cli.output import Output
from raftleader.errors import RaftLeaderError
from raftleader.framework import Scheduler, SchedulerDriver
from raftleader.framework.nursery import PlainNursery, open_plain_nursery
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import TaskId
from raftleader.protocol.offers import Offer
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import CommandInfo, TaskInfo, TaskState, TaskStatus

AGENTS = 2
"""As many as the machine of reference has cores."""
TASKS_IN_FLIGHT = 64
"""Measured in CPU time of all processes for one task: 4.5 ms with 16, 4.3 with 32,
3.7 with 64, 3.4 with 128. Twice as many again only wait twice as long."""
CPU_MILLIS_OF_A_TASK = 100
STALL_TIMEOUT_S = 30.0
"""Without any task ending for so long, something is wrong."""

NO_OP = CommandInfo(value="/bin/true", shell=False, arguments=("true",))
TASK_RESOURCES = Resources.of({"cpus": CPU_MILLIS_OF_A_TASK})


class BenchError(RaftLeaderError):
    """The measurement did not come to its end; there are no figures."""


@attrs.frozen(kw_only=True)
class LaunchFigures:
    """What was measured. Times are of single tasks, in seconds."""

    tasks: int
    tasks_per_s: float
    p50_s: float
    p99_s: float


@attrs.define
class NoOps(Scheduler):
    """Launches ``count`` tasks as fast as offers allow, and times each."""

    count: int
    bar: Bar
    nursery: PlainNursery
    launched: int = 0
    sent_at: dict[TaskId, float] = attrs.field(factory=dict)
    times_s: list[float] = attrs.field(factory=list)
    first_sent_at: float | None = None
    last_ended_at: float = 0.0
    all_ended: trio.Event = attrs.field(factory=trio.Event)

    async def offers(self, driver: SchedulerDriver, offers: Sequence[Offer]) -> None:
        # Calls are made beside the handler, which must not wait for a commit.
        for offer in offers:
            tasks = self._tasks_for(offer)
            if tasks:
                self.nursery.start_soon(self._accept, driver, offer, tasks)
            # With nothing left to launch offers may stay: the end is near, and a
            # call on its way then would outlive the framework.

    async def update(self, driver: SchedulerDriver, status: TaskStatus) -> None:
        if not status.state.is_terminal:
            return
        if status.state is not TaskState.FINISHED:
            raise BenchError(
                f"task {status.task_id}: {status.state.value}: {status.message}"
            )
        now = trio.current_time()
        self.times_s.append(now - self.sent_at.pop(status.task_id))
        self.last_ended_at = now
        self.show_progress()
        if len(self.times_s) == self.count:
            self.all_ended.set()

    def show_progress(self) -> None:
        """One more task has ended."""
        self.bar.show(len(self.times_s))

    def _tasks_for(self, offer: Offer) -> list[TaskInfo]:
        room = offer.resources.scalars.get("cpus", 0) // CPU_MILLIS_OF_A_TASK
        room = min(room, self.count - self.launched)
        first = self.launched
        self.launched += room
        return [
            TaskInfo(
                name="true",
                task_id=TaskId(f"no-op-{first + number}"),
                agent_id=offer.agent_id,
                resources=TASK_RESOURCES,
                command=NO_OP,
            )
            for number in range(room)
        ]

    async def _accept(
        self, driver: SchedulerDriver, offer: Offer, tasks: list[TaskInfo]
    ) -> None:
        now = trio.current_time()
        if self.first_sent_at is None:
            self.first_sent_at = now
        self.sent_at.update((task.task_id, now) for task in tasks)
        await driver.accept([offer.id], tasks, refuse_s=0)


async def bench_launch(tasks: int, output: Output) -> None:
    """Measure, and print one record. Raises BenchError and errors of calls."""
    cpus = TASKS_IN_FLIGHT * CPU_MILLIS_OF_A_TASK / 1000 / AGENTS
    async with measured_cluster(
        agents=AGENTS, agent_resources=f"cpus:{cpus:g};mem:1024"
    ) as cluster:
        with progress_bar(output, "no-op tasks", tasks) as bar:
            figures = await measure(cluster.leader_addresses, tasks, bar)
    record = {k: round(v, 4) for k, v in attrs.asdict(figures).items()}
    output.record(record, title=f"{TASKS_IN_FLIGHT} tasks in flight, {AGENTS} agents")


async def measure(leaders: Sequence[str], tasks: int, bar: Bar) -> LaunchFigures:
    """Run the tasks; the clock stops when the last end is acknowledged."""
    framework = FrameworkInfo(
        user=getpass.getuser(), name="bench launch", failover_timeout_ms=60_000
    )
    async with open_plain_nursery() as nursery:
        scheduler = NoOps(tasks, bar, nursery)
        async with SchedulerDriver(leaders, framework, scheduler) as driver:
            await wait_all_ended(scheduler)
            await wait_acknowledged(driver)
            acknowledged_at = trio.current_time()
            await driver.teardown()
        nursery.cancel()
    assert scheduler.first_sent_at is not None
    return LaunchFigures(
        tasks=tasks,
        tasks_per_s=tasks / (acknowledged_at - scheduler.first_sent_at),
        p50_s=percentile(scheduler.times_s, 0.5),
        p99_s=percentile(scheduler.times_s, 0.99),
    )


async def wait_all_ended(scheduler: NoOps) -> None:
    """Raises BenchError when nothing moves any more."""
    seen = -1
    while not scheduler.all_ended.is_set():
        if len(scheduler.times_s) == seen:
            raise BenchError(
                f"no task ended for {STALL_TIMEOUT_S:g} s; {seen} of "
                f"{scheduler.count} had"
            )
        seen = len(scheduler.times_s)
        with trio.move_on_after(STALL_TIMEOUT_S):
            await scheduler.all_ended.wait()


async def wait_acknowledged(driver: SchedulerDriver) -> None:
    """Until every update that was handled has been acknowledged."""
    with trio.move_on_after(STALL_TIMEOUT_S):
        while True:
            statistics = driver.statistics()
            if statistics.acknowledgements >= statistics.updates:
                return
            await trio.sleep(0.001)
    raise BenchError(f"updates are not acknowledged after {STALL_TIMEOUT_S:g} s")
