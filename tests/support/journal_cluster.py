"""A cluster of ``journal_node``s: what nemeses of disks need of one, and no more."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio
from support.journal_node import SERVING
from support.live_fakes import MemoryJournal, PlainNetwork

from chaos.disks.live_disks import LiveDisks, open_disks
from chaos.disks.preload import merged
from chaos.disks.waiting import wait_until
from chaos.live.seams import LiveNode, World
from raftleader.cli.local_cluster import lifeline
from raftleader.cli.local_process import LocalProcess

LEADS = "leader-1"
WITHIN_S = 20.0


@attrs.define
class JournalCluster:
    """Implements as much of ``chaos.live.seams.Cluster`` as is asked for here."""

    nodes: dict[str, LiveNode]
    processes: dict[str, LocalProcess]
    agents: Sequence[str] = ()
    frameworks: Sequence[str] = ()

    @property
    def leaders(self) -> Sequence[str]:
        return list(self.nodes)

    def node(self, name: str) -> LiveNode:
        return self.nodes[name]

    def pid(self, name: str) -> int | None:
        return self.processes[name].pid

    def kill(self, name: str, signal_number: int = signal.SIGKILL) -> None:
        self.processes[name].kill(signal_number)

    async def wait_dead(self, name: str) -> None:
        await self.processes[name].wait_dead()

    async def stop(self, name: str) -> None:
        await self.processes[name].stop()

    def hold(self, name: str) -> None:
        self.processes[name].hold()

    def release(self, name: str) -> None:
        self.processes[name].release()

    async def leader(self) -> str | None:
        return LEADS

    async def statuses(self) -> dict[str, dict[str, Any] | None]:
        """Its last life serves."""
        return {
            name: {"leading": name == LEADS} if self.is_serving(name) else None
            for name in self.nodes
        }

    def is_serving(self, name: str) -> bool:
        log = self.nodes[name].log_file
        lives = log.read_text().split("life of ") if log.exists() else [""]
        return self.pid(name) is not None and SERVING in lives[-1]

    def starts(self, name: str) -> int:
        return self.nodes[name].log_file.read_text().count("life of ")

    async def wait_serving(self) -> None:
        with trio.fail_after(WITHIN_S):
            await wait_until(lambda: all(map(self.is_serving, self.nodes)))


@asynccontextmanager
async def open_journal_world(
    folder: Path, names: Sequence[str], *, kind: str = "plain", engine: str = "raft"
) -> AsyncIterator[World]:
    """The nodes write journals; none restarts before half a second has gone."""
    nodes: dict[str, LiveNode] = {}
    processes: dict[str, LocalProcess] = {}
    with lifeline() as lifeline_fd:
        async with (
            open_disks(kind, names, folder) as disks,
            trio.open_nursery() as nursery,
        ):
            for name in names:
                nodes[name], processes[name] = _made(
                    folder, disks, name, engine, lifeline_fd
                )
                nursery.start_soon(processes[name].run)
            cluster: Any = JournalCluster(nodes, processes)
            await cluster.wait_serving()
            yield World(
                cluster=cluster,
                network=PlainNetwork(),
                disks=disks,
                journal=MemoryJournal(),
                folder=folder,
            )
            nursery.cancel_scope.cancel()


def _made(
    folder: Path, disks: LiveDisks, name: str, engine: str, lifeline_fd: int
) -> tuple[LiveNode, LocalProcess]:
    node = LiveNode(
        name=name,
        kind="leader",
        http="127.0.0.1:0",
        folder=folder / name,
        data_dir=disks.data_dir(name),
        log_file=folder / name / "log",
        arguments=[name, str(disks.data_dir(name)), "--engine", engine],
    )
    node.folder.mkdir()
    places = [str(Path(__file__).parents[1]), *filter(None, sys.path)]
    process = LocalProcess(
        name=name,
        command=[sys.executable, "-P", "-m", "support.journal_node"],
        arguments=node.arguments,
        log_file=node.log_file,
        lifeline_fd=lifeline_fd,
        environment=merged(
            os.environ,
            {"PYTHONPATH": os.pathsep.join(places)},
            disks.environment(name),
        ),
        is_restarted=True,
        listener=lambda event: None,
        before_start=_mark_life,
        restart_delay_s=0.5,
    )
    return node, process


def _mark_life(process: LocalProcess) -> None:
    with process.log_file.open("a") as log:
        log.write(f"life of {process.name}\n")


def world_cluster(world: World) -> JournalCluster:
    """It is one of these."""
    cluster: Any = world.cluster
    assert isinstance(cluster, JournalCluster)
    return cluster
