"""A temporary local cluster for a demo or a measurement, and a progress bar."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import attrs
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from raftleader.cli.local_cluster import LocalCluster, local_cluster
from raftleader.cli.local_plan import LocalClusterOptions
from raftleader.cli.output import Output
from raftleader.cli.up import cluster_folder


@asynccontextmanager
async def measured_cluster(
    *,
    agents: int,
    agent_resources: str,
    engine: str = "auto",
    rng: random.Random | None = None,
) -> AsyncIterator[LocalCluster]:
    """Three leaders and some agents, ready; gone with their folder afterwards."""
    with cluster_folder(None, is_kept=False) as folder:
        options = LocalClusterOptions(
            folder=folder,
            leaders=3,
            agents=agents,
            agent_resources=agent_resources,
            engine=engine,
            log_level="warning",
        )
        async with local_cluster(options, rng=rng) as cluster:
            await cluster.wait_ready()
            yield cluster


@attrs.frozen
class Bar:
    """One progress bar."""

    progress: Progress
    task: TaskID

    def show(self, completed: int, doing: str | None = None) -> None:
        """So many are done; and what is being done, if that has changed."""
        self.progress.update(self.task, completed=completed)
        if doing is not None:
            self.progress.update(self.task, description=doing)

    def say(self, text: str) -> None:
        """A line above the bar, which stays."""
        self.progress.console.print(text, highlight=False, soft_wrap=True)


@contextmanager
def progress_bar(output: Output, doing: str, total: int) -> Iterator[Bar]:
    """A bar on standard error; on a pipe, its last state only."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=output.console,
        refresh_per_second=5,
    ) as progress:
        yield Bar(progress, progress.add_task(doing, total=total))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of all are not above."""
    ordered = sorted(values)
    rank = -(-len(ordered) * round(share * 1000) // 1000)
    return ordered[max(0, rank - 1)]
