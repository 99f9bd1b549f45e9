"""A cluster of a run whose every link is a proxy of ours: nothing goes around them,
and what is broken there is felt by the processes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
import trio
from support.live_fakes import MemoryJournal, PlainDisks

from chaos.live.cluster import LiveCluster, open_live_cluster
from chaos.live.plan import LiveOptions
from chaos.live.plan_file import WorkloadPlan
from chaos.live.seams import Link, LinkFault
from chaos.network.proxies import open_proxies
from chaos.network.proxy_network import ProxyNetwork

pytestmark = pytest.mark.end_to_end
WITHIN_S = 60.0
CUT = LinkFault(is_cut=True)


@asynccontextmanager
async def proxied_cluster(
    folder: Path,
) -> AsyncIterator[tuple[LiveCluster, ProxyNetwork]]:
    churn = WorkloadPlan(name="framework-1", kind="churn", seed=1)
    options = LiveOptions(leaders=3, agents=2, workloads=(churn,), agent_timeout_s=2.0)
    journal, disks = MemoryJournal(), PlainDisks(folder)
    async with (
        open_proxies(options.hosts, 1, is_ours_preferred=True) as network,
        open_live_cluster(options, network, disks, journal, folder) as cluster,
    ):
        with trio.fail_after(WITHIN_S):
            await cluster.wait_ready()
            await wait_tasks(folder, more_than=0)
        yield cluster, network


def links_of(cluster: LiveCluster, *hit: str) -> dict[Link, LinkFault]:
    everybody = {*cluster.leaders, *cluster.agents, *cluster.frameworks}
    pairs = [(one, other) for one in hit for other in everybody - set(hit)]
    return {link: CUT for pair in pairs for link in (pair, pair[::-1])}


def tasks_done(folder: Path) -> int:
    """Operations of the framework that succeeded."""
    lines = (folder / "workloads" / "framework-1.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines if line.endswith("}")]
    return sum('"ok"' in json.dumps(record) for record in records)


async def wait_tasks(folder: Path, *, more_than: int) -> None:
    with trio.fail_after(WITHIN_S):
        while tasks_done(folder) <= more_than:  # noqa: ASYNC110
            await trio.sleep(0.1)


def direct_connections(cluster: LiveCluster) -> list[str]:
    """Between two processes of the cluster, without a proxy between them."""
    ends: dict[tuple[str, int], str] = {}
    found = []
    for name in (*cluster.leaders, *cluster.agents, *cluster.frameworks):
        pid = cluster.pid(name)
        assert pid is not None
        for one in psutil.Process(pid).net_connections("tcp"):
            if one.raddr:
                ends[one.laddr[0], one.laddr[1]] = name
                other = ends.get((one.raddr[0], one.raddr[1]))
                if other is not None and other != name:
                    found.append(f"{name} - {other}")
    return found


async def test_cluster_lives_on_proxies_and_feels_what_is_done_to_them(
    tmp_path: Path,
) -> None:
    async with proxied_cluster(tmp_path) as (cluster, network):
        assert direct_connections(cluster) == []

        first = await cluster.leader()
        assert first is not None
        await network.apply("partition", links_of(cluster, first))
        second = await cluster.wait_leader(besides=first, timeout_s=WITHIN_S)
        await wait_tasks(tmp_path, more_than=tasks_done(tmp_path) + 5)
        assert direct_connections(cluster) == []
        await network.clear("partition")
        await cluster.wait_ready(timeout_s=WITHIN_S)

        await network.apply("agent-cut", links_of(cluster, "agent-1"))
        await wait_unreachable(cluster, "agent-1")
        await network.clear("agent-cut")
        await cluster.wait_ready(timeout_s=WITHIN_S)

        others = [name for name in cluster.leaders if name != second]
        both = [(second, other) for other in others]
        assert await network.reset([*both, *(pair[::-1] for pair in both)]) == 4
        await cluster.wait_ready(timeout_s=WITHIN_S)
        await wait_tasks(tmp_path, more_than=tasks_done(tmp_path) + 5)
        assert direct_connections(cluster) == []


async def wait_unreachable(cluster: LiveCluster, hostname: str) -> None:
    with trio.fail_after(WITHIN_S):
        while hostname in await active_agents(cluster):  # noqa: ASYNC110
            await trio.sleep(0.1)


async def active_agents(cluster: LiveCluster) -> set[str]:
    answer = await cluster.operator({"type": "GET_AGENTS"})
    return {
        row["agent_info"]["hostname"]
        for row in answer["get_agents"].get("agents", [])
        if row.get("active")
    }
