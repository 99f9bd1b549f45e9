"""``up``: a local cluster of real processes, for as long as it is watched."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trio

from raftleader.cli.exit_codes import one_line
from raftleader.cli.local_cluster import LocalCluster, leading_node, local_cluster
from raftleader.cli.local_plan import LocalClusterOptions
from raftleader.cli.local_process import LocalEvent
from raftleader.cli.output import Column, Output
from raftleader.errors import ConfigError

WATCH_INTERVAL_S = 0.25
LEADERS_TO_LOSE_ONE = 3


@contextmanager
def cluster_folder(folder: Path | None, *, is_kept: bool) -> Iterator[Path]:
    """``folder``, or a temporary one that is removed afterwards unless kept."""
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"--dir: {one_line(error)}") from error
        yield folder.resolve()
        return
    temporary = Path(tempfile.mkdtemp(prefix="raftleader-"))
    try:
        yield temporary
    finally:
        if not is_kept:
            shutil.rmtree(temporary, ignore_errors=True)


async def watch_local_cluster(options: LocalClusterOptions, output: Output) -> None:
    """Start the cluster, say when work can run, tell what happens; until cancelled."""
    is_ready = False

    def tell(event: LocalEvent) -> None:
        if not is_ready:
            return  # what goes wrong before that ends us with an error
        if event.what == "started":
            output.note(f"{event.node} started")
            return
        again = "; it is started again" if options.is_restarted else ""
        output.note(f"{event.node} died ({event.detail}){again}")

    async with local_cluster(options, listener=tell) as cluster:
        leader = await cluster.wait_ready()
        is_ready = True
        if output.as_json:
            output.result(describe(cluster, leader))
        else:
            show_cluster(cluster, leader, output)
        await tell_of_new_leaders(cluster, leader, output)


def describe(cluster: LocalCluster, leader: str) -> dict[str, list[dict[str, Any]]]:
    """Addresses and process ids, and which leader node leads."""
    return {
        "leaders": [
            {
                "address": node.address,
                "pid": cluster.pid(node.name),
                "leading": node.name == leader,
            }
            for node in cluster.plan.leaders
        ],
        "agents": [
            {"address": node.address, "pid": cluster.pid(node.name)}
            for node in cluster.plan.agents
        ],
    }


def show_cluster(cluster: LocalCluster, leader: str, output: Output) -> None:
    """A table of the nodes, and what to type next."""
    nodes = [*cluster.plan.leaders, *cluster.plan.agents]
    rows = [
        {
            "node": node.name,
            "address": node.address,
            "pid": cluster.pid(node.name),
            "role": "leads" if node.name == leader else "",
        }
        for node in nodes
    ]
    headings = {"node": "NODE", "address": "ADDRESS", "pid": "PID", "role": ""}
    output.table(rows, [Column(key=k, heading=h) for k, h in headings.items()])
    lines = [
        f"Logs: {cluster.folder}/NODE/log",
        "",
        "Ready. In another terminal:",
        f"  export RAFTLEADER_LEADERS={','.join(cluster.leader_addresses)}",
        "  raftleader run -- echo hello",
        "  raftleader status",
    ]
    if len(cluster.plan.leaders) >= LEADERS_TO_LOSE_ONE:
        lines.append(f"  kill -9 {cluster.pid(leader)}  # another leader takes over")
    output.note("\n".join([*lines, "Ctrl-C stops everything."]))


async def tell_of_new_leaders(
    cluster: LocalCluster, leader: str, output: Output
) -> None:
    """A line for each change of the leader; for ever."""
    while True:
        await trio.sleep(WATCH_INTERVAL_S)
        now = leading_node(await cluster.statuses())
        if now is not None and now != leader:
            leader = now
            output.note(f"{leader} leads now")
