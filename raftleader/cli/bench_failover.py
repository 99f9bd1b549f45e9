"""``bench failover``: how long an ACCEPT waits when the leader is killed.

A framework holds an offer. The leader gets SIGKILL; once it is dead the framework
sends its ACCEPT, which the driver repeats until somebody answers 202. Measured is
the time from the kill to that answer: election, replay, re-subscription and commit.
"""

from __future__ import annotations

import getpass

import attrs
import trio

from raftleader.cli.local_cluster import LocalCluster, LocalClusterError
from raftleader.cli.measured_cluster import measured_cluster, percentile, progress_bar
from raftleader.cli.output import Output
from raftleader.framework import Scheduler, SchedulerDriver
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import TaskId
from raftleader.protocol.offers import Offer
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import CommandInfo, TaskInfo

OFFER_TIMEOUT_S = 15.0
"""Until an offer is outstanding again; the allocator runs at least every second."""
TASK_RESOURCES = Resources.of({"cpus": 100})


@attrs.frozen(kw_only=True)
class FailoverFigures:
    """What was measured, in seconds."""

    kills: int
    median_s: float
    p90_s: float
    max_s: float


async def bench_failover(kills: int, output: Output) -> None:
    """Measure, and print one record. Raises LocalClusterError and errors of calls."""
    async with measured_cluster(agents=2, agent_resources="cpus:4;mem:1024") as cluster:
        with progress_bar(output, "kill the leader", kills) as bar:
            times_s: list[float] = []
            async with SchedulerDriver(
                cluster.leader_addresses,
                FrameworkInfo(
                    user=getpass.getuser(),
                    name="bench failover",
                    failover_timeout_ms=60_000,
                ),
                Scheduler(),
            ) as driver:
                for number in range(kills):
                    times_s.append(await measure_one(cluster, driver, number))
                    bar.show(number + 1)
                await driver.teardown()
    figures = FailoverFigures(
        kills=kills,
        median_s=percentile(times_s, 0.5),
        p90_s=percentile(times_s, 0.9),
        max_s=max(times_s),
    )
    record = {k: round(v, 4) for k, v in attrs.asdict(figures).items()}
    output.record(record, title="SIGKILL of the leader to the next committed ACCEPT")


async def measure_one(
    cluster: LocalCluster, driver: SchedulerDriver, number: int
) -> float:
    """Kill the leader once; seconds until the ACCEPT is answered 202."""
    leader = await cluster.wait_ready()
    offer = await wait_offer(driver)
    task = TaskInfo(
        name="true",
        task_id=TaskId(f"failover-{number}"),
        agent_id=offer.agent_id,
        resources=TASK_RESOURCES,
        command=CommandInfo(value="/bin/true", shell=False, arguments=("true",)),
    )
    killed_at = trio.current_time()
    cluster.kill(leader)
    await cluster.wait_dead(leader)
    await driver.accept([offer.id], [task], refuse_s=0)
    time_s = trio.current_time() - killed_at
    cluster.restart(leader)
    return time_s


async def wait_offer(driver: SchedulerDriver) -> Offer:
    """An offer the driver holds. Raises LocalClusterError if there is none in time."""
    with trio.move_on_after(OFFER_TIMEOUT_S):
        while True:
            for offer in driver.outstanding_offers.values():
                if offer.resources.contains(TASK_RESOURCES):
                    return offer
            await trio.sleep(0.01)
    raise LocalClusterError(f"no offer within {OFFER_TIMEOUT_S:g} s")
