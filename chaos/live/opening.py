"""The world of a run: network, disks and processes, for as long as a block runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from chaos.disks import open_disks
from chaos.live.cluster import open_live_cluster
from chaos.live.faults import Fault, Group
from chaos.live.plan import LEADER, LiveOptions, node_names
from chaos.live.plan_file import RunPlan
from chaos.live.seams import Journal, Nemesis, Network, World
from chaos.machine.capabilities import probe
from chaos.nemeses.registry import nemeses_by_fault
from chaos.network.kinds import NetworkKind
from chaos.network.opening import open_network
from chaos.network.proxies import open_proxies

PROXIES_LOG = "proxies.log"


@asynccontextmanager
async def open_world(
    plan: RunPlan, folder: Path, journal: Journal
) -> AsyncIterator[World]:
    """Everything that ``plan`` names, started. When the block is left the processes
    are ended, then the disks and the network are taken down.

    Raises what their own doors raise.
    """
    options = options_of(plan)
    async with (
        _network(plan, options.hosts, folder) as network,
        open_disks(plan.disks, node_names(LEADER, options.leaders), folder) as disks,
        open_live_cluster(options, network, disks, journal, folder) as cluster,
    ):
        yield World(
            cluster=cluster,
            network=network,
            disks=disks,
            journal=journal,
            folder=folder,
        )


def options_of(plan: RunPlan) -> LiveOptions:
    """The cluster that a plan is about."""
    request = plan.request
    return LiveOptions(
        leaders=request.leaders,
        agents=request.agents,
        engine=request.engine,
        agent_resources=request.agent_resources,
        snapshot_entries=request.snapshot_entries,
        keep_entries=request.keep_entries,
        workloads=plan.workloads,
        mutant=request.mutant,
        # A preloaded clock costs a little at every look.
        has_clocks=any(Fault(name).group is Group.CLOCK for name in plan.drawn),
        port_seed=request.seed,
    )


def _network(
    plan: RunPlan, hosts: Sequence[str], folder: Path
) -> AbstractAsyncContextManager[Network]:
    if plan.network == NetworkKind.PROXIES.value:
        return open_proxies(hosts, plan.request.seed, log_file=folder / PROXIES_LOG)
    return open_network(plan.network, hosts, plan.request.seed)


def nemeses_here(disks: str) -> Mapping[Fault, Nemesis]:
    """Who makes which class, on the machine as it looks from here."""
    return nemeses_by_fault(probe(), disks=disks)


def nodes_of(world: World) -> list[dict[str, Any]]:
    """For ``run.json``: where each process' log lies, below the folder of the run."""
    cluster = world.cluster
    names = [*cluster.leaders, *cluster.agents, *cluster.frameworks]
    return [
        {
            "name": node.name,
            "kind": node.kind,
            "log": str(node.log_file.relative_to(world.folder)),
        }
        for node in map(cluster.node, names)
    ]
