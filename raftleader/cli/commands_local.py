"""The parser's half of ``up`` and ``demo``: clusters on this machine."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Annotated

import typer

from raftleader.cli.exit_codes import run_command
from raftleader.cli.options import Json

PREFERRED_BASE_PORT = 5050
"""For a person: commands look there when they are told nothing. A program is given
ports that no other one wants."""


Engine = Annotated[
    str, typer.Option(help="Of the leaders' log: auto, raft or pysyncobj.")
]


def register(app: typer.Typer) -> None:
    """Add these commands to the parser."""
    app.command()(up)
    app.command()(demo)


def up(
    leaders: Annotated[int, typer.Option(help="Leader nodes.")] = 3,
    agents: Annotated[int, typer.Option(help="Agents.")] = 3,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--dir",
            metavar="DIR",
            help="Where everything is kept.  [a temporary one, removed at the end]",
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the temporary folder.")
    ] = False,
    base_port: Annotated[
        int | None,
        typer.Option(
            help="First of consecutive ports.  [5050 if free; with --json any]"
        ),
    ] = None,
    agent_resources: Annotated[
        str | None,
        typer.Option(
            metavar="'cpus:4;mem:1024'",
            help="Of each agent.  [this machine, shared out]",
        ),
    ] = None,
    engine: Engine = "auto",
    no_restart: Annotated[
        bool, typer.Option("--no-restart", help="A node that dies stays dead.")
    ] = False,
    log_level: Annotated[
        str, typer.Option(help="Of all nodes: debug, info, warning or error.")
    ] = "info",
    as_json: Json = False,
) -> None:
    """Run a cluster of real processes on this machine until Ctrl-C.

    With --json the first line of standard output, printed once work can run, is
    {"leaders": [{"address", "pid", "leading"}, ...], "agents": [{"address", "pid"},
    ...]}. A node that dies is started again after a second.

    Example: raftleader up --leaders 3 --agents 3
    """
    from raftleader.cli.local_plan import LocalClusterOptions
    from raftleader.cli.output import Output
    from raftleader.cli.serve import run_until_ended
    from raftleader.cli.up import cluster_folder, watch_local_cluster

    async def call() -> int:
        with cluster_folder(folder, is_kept=keep) as chosen:
            options = LocalClusterOptions(
                folder=chosen,
                leaders=leaders,
                agents=agents,
                base_port=base_port,
                preferred_base_port=None if as_json else PREFERRED_BASE_PORT,
                agent_resources=agent_resources,
                engine=engine,
                is_restarted=not no_restart,
                log_level=log_level,
            )

            async def service() -> None:
                await watch_local_cluster(options, Output(as_json=as_json))

            return await run_until_ended(service)

    run_command(call)


def demo(
    kills: Annotated[int, typer.Option(min=0, help="Kill the leader so often.")] = 2,
    tasks: Annotated[
        int, typer.Option(min=1, help="Tasks to cut the work into.")
    ] = 300,
    seed: Annotated[
        int | None, typer.Option(help="Of the ports and moments chosen by chance.")
    ] = None,
    engine: Engine = "auto",
    as_json: Json = False,
) -> None:
    """Show that killing the leader loses nothing: a word count, with kills.

    Three leaders and three agents run as real processes and count the words of the
    standard library, while the leader is killed again and again. Exit code 0 only
    if the result is right, no task ran twice and every offer that was outstanding
    at a kill was carried over, rescinded or used.

    Example: raftleader demo --kills 5
    """
    from raftleader.cli.demo import DemoRequest, run_demo
    from raftleader.cli.output import Output

    output = Output(as_json=as_json)

    async def call() -> int:
        request = DemoRequest(kills=kills, tasks=tasks, engine=engine)
        return await run_demo(request, output, random.Random(seed))

    run_command(call)
