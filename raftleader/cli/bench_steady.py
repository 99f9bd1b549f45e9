"""``bench steady``: full load for a long time, and whether anybody lost their nerve.

No-op tasks keep a three-leader cluster busy. Nothing is killed, so every election after
the first is a false one: a follower that did not hear its leader in time. Beside it
stands how late the nodes' event loops were, the usual cause.
"""

from __future__ import annotations

import getpass
import math
from collections.abc import Sequence

import attrs
import trio

from raftleader.cli.api_client import ApiClient, open_api_client
from raftleader.cli.bench_launch import (
    AGENTS,
    CPU_MILLIS_OF_A_TASK,
    TASKS_IN_FLIGHT,
    NoOps,
    wait_acknowledged,
    wait_all_ended,
)
from raftleader.cli.measured_cluster import (
    Bar,
    measured_cluster,
    percentile,
    progress_bar,
)
from raftleader.cli.output import Output
from raftleader.framework import SchedulerDriver
from raftleader.framework.nursery import open_plain_nursery
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.replication.settings import RaftSettings

LOOK_S = 1.0
"""Between two looks at the nodes."""


@attrs.frozen(kw_only=True)
class SteadyFigures:
    """What was seen.

    Attributes:
        elections: Terms that began while the load ran: 0 is right.
        loop_lag_max_ms: The latest that a timer of any leader node was.
        loop_lag_limit_ms: A third of the least election timeout.
    """

    seconds: float
    tasks: int
    tasks_per_s: float
    p50_s: float
    p99_s: float
    elections: int
    loop_lag_max_ms: float
    loop_lag_limit_ms: float


@attrs.define
class EndlessNoOps(NoOps):
    """Launches tasks until it is told to stop."""

    def show_progress(self) -> None:
        """The bar shows seconds, not tasks."""

    def stop(self) -> None:
        """Launch no more; the end comes when those that run have ended."""
        self.count = self.launched
        if len(self.times_s) == self.count:
            self.all_ended.set()


@attrs.define
class Watch:
    """What the nodes said of themselves."""

    first_term: int | None = None
    last_term: int = 0
    lag_max_ms: float = 0.0

    async def run(self, client: ApiClient, addresses: Sequence[str]) -> None:
        """Look until cancelled."""
        while True:
            for address in addresses:
                status = await client.status_of(address)
                if status is not None:
                    self.take(status)
            await trio.sleep(LOOK_S)

    def take(self, status: dict[str, object]) -> None:
        """One node's status page."""
        term, lag = status["term"], status["loop_lag"]
        assert isinstance(term, int)
        assert isinstance(lag, dict)
        if self.first_term is None:
            self.first_term = term
        self.last_term = max(self.last_term, term)
        self.lag_max_ms = max(self.lag_max_ms, lag["max_ms"])


async def bench_steady(seconds: float, output: Output) -> None:
    """Measure, and print one record. Raises BenchError and errors of calls."""
    cpus = TASKS_IN_FLIGHT * CPU_MILLIS_OF_A_TASK / 1000 / AGENTS
    async with measured_cluster(
        agents=AGENTS, agent_resources=f"cpus:{cpus:g};mem:1024"
    ) as cluster:
        with progress_bar(output, "seconds of load", math.ceil(seconds)) as bar:
            figures = await measure(cluster.leader_addresses, seconds, bar)
    record = {k: round(v, 4) for k, v in attrs.asdict(figures).items()}
    output.record(record, title=f"{TASKS_IN_FLIGHT} tasks in flight, {AGENTS} agents")


async def measure(leaders: Sequence[str], seconds: float, bar: Bar) -> SteadyFigures:
    """Load the cluster for ``seconds``, and watch it."""
    watch = Watch()
    async with open_api_client(leaders) as client, trio.open_nursery() as watching:
        watching.start_soon(watch.run, client, leaders)
        scheduler, elapsed_s = await load(leaders, seconds, bar)
        watching.cancel_scope.cancel()
    return SteadyFigures(
        seconds=elapsed_s,
        tasks=len(scheduler.times_s),
        tasks_per_s=len(scheduler.times_s) / elapsed_s,
        p50_s=percentile(scheduler.times_s, 0.5),
        p99_s=percentile(scheduler.times_s, 0.99),
        elections=watch.last_term - (watch.first_term or 0),
        loop_lag_max_ms=watch.lag_max_ms,
        loop_lag_limit_ms=RaftSettings().election_timeout_min_s * 1000 / 3,
    )


async def load(
    leaders: Sequence[str], seconds: float, bar: Bar
) -> tuple[EndlessNoOps, float]:
    """Keep no-op tasks running for ``seconds``; the scheduler, and how long it was."""
    framework = FrameworkInfo(
        user=getpass.getuser(), name="bench steady", failover_timeout_ms=60_000
    )
    async with open_plain_nursery() as nursery:
        scheduler = EndlessNoOps(2**62, bar, nursery)
        async with SchedulerDriver(leaders, framework, scheduler) as driver:
            begun_at = trio.current_time()
            while (elapsed_s := trio.current_time() - begun_at) < seconds:
                bar.show(int(elapsed_s))
                await trio.sleep(min(LOOK_S, seconds - elapsed_s))
            scheduler.stop()
            await wait_all_ended(scheduler)
            await wait_acknowledged(driver)
            elapsed_s = trio.current_time() - begun_at
            await driver.teardown()
        nursery.cancel()
    return scheduler, elapsed_s
