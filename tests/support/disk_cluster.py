"""Leader nodes of a run on disks that can be broken, and a little work for them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from support.live_fakes import MemoryJournal, PlainNetwork

from chaos.disks.live_disks import open_disks
from chaos.disks.waiting import wait_until
from chaos.live.cluster import open_live_cluster
from chaos.live.faults import Fault, Injection, Target
from chaos.live.plan import LiveOptions, node_names
from chaos.live.seams import Cluster, Nemesis, World, Wound
from raftleader.errors import RaftLeaderError

READY_WITHIN_S = 30.0


def injection_of(fault: Fault, target: Target, *, seed: int = 1) -> Injection:
    return Injection(
        number=1, fault=fault, target=target, at_s=0.0, for_s=1.0, seed=seed
    )


@asynccontextmanager
async def open_leaders(
    folder: Path,
    kind: str,
    *,
    engine: str = "raft",
    has_clocks: bool = False,
) -> AsyncIterator[World]:
    """Three of them, ready, without agents."""
    journal, network = MemoryJournal(), PlainNetwork()
    names = node_names("leader", 3)
    options = LiveOptions(
        leaders=3, agents=0, engine=engine, snapshot_entries=40, has_clocks=has_clocks
    )
    async with (
        open_disks(kind, names, folder) as disks,
        open_live_cluster(options, network, disks, journal, folder) as cluster,
    ):
        await cluster.wait_ready(timeout_s=READY_WITHIN_S)
        yield World(
            cluster=cluster,
            network=network,
            disks=disks,
            journal=journal,
            folder=folder,
        )


async def answer_weights(cluster: Cluster, first: int, count: int) -> dict[str, float]:
    """Set so many weights, each by a call of its own, again until it is answered."""
    answered: dict[str, float] = {}
    with trio.fail_after(READY_WITHIN_S):
        for number in range(first, first + count):
            while True:
                if await _set_weight(cluster, number):
                    break
                await trio.sleep(0.05)
            answered[f"role-{number}"] = float(number)
    return answered


async def _set_weight(cluster: Cluster, number: int) -> bool:
    """Whether it was answered: where nobody leads just now it may not be."""
    infos = [{"role": f"role-{number}", "weight": float(number)}]
    call = {"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": infos}}
    try:
        await cluster.operator(call)
    except RaftLeaderError:
        return False
    return True


@asynccontextmanager
async def writing(
    cluster: Cluster, first: int = 1000
) -> AsyncIterator[dict[str, float]]:
    """Set weights all the time while the block runs; those that were answered."""
    answered: dict[str, float] = {}

    async def write() -> None:
        for number in itertools.count(first):
            if await _set_weight(cluster, number):
                answered[f"role-{number}"] = float(number)
            else:
                await trio.sleep(0.05)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        yield answered
        nursery.cancel_scope.cancel()


async def read_weights(cluster: Cluster) -> dict[str, float]:
    answer = await cluster.operator({"type": "GET_WEIGHTS"})
    infos = answer["get_weights"]["weight_infos"]
    return {info["role"]: info["weight"] for info in infos}


def nemesis_of(nemeses: list[Nemesis], fault: Fault) -> Nemesis:
    (found,) = (one for one in nemeses if fault in one.faults)
    assert found.missing(fault) is None
    return found


async def wait_said(cluster: Cluster, node: str, words: str) -> None:
    """Until a node's log has these words."""
    log = cluster.node(node).log_file
    with trio.fail_after(READY_WITHIN_S):
        await wait_until(lambda: words in log.read_text(errors="replace"))


__all__ = [
    "Wound",
    "answer_weights",
    "injection_of",
    "nemesis_of",
    "open_leaders",
    "read_weights",
    "wait_said",
    "writing",
]
