"""The parser's half of ``bench``."""

from __future__ import annotations

from typing import Annotated

import typer

from raftleader.cli.exit_codes import run_command
from raftleader.cli.options import Json

bench_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Measure a local cluster of real processes, fdatasync on.",
)


def register(app: typer.Typer) -> None:
    """Add these commands to the parser."""
    app.add_typer(bench_app, name="bench")


@bench_app.command()
def failover(
    kills: Annotated[int, typer.Option(min=1, help="How often.")] = 20,
    as_json: Json = False,
) -> None:
    """Measure kill -9 of the leader until an ACCEPT is committed by the next.

    Example: raftleader bench failover --kills 20 --json
    """
    from raftleader.cli.bench_failover import bench_failover
    from raftleader.cli.output import Output

    async def call() -> int:
        return await bench_failover(kills, Output(as_json=as_json))

    run_command(call)


@bench_app.command()
def launch(
    tasks: Annotated[int, typer.Option(min=1, help="How many.")] = 2000,
    as_json: Json = False,
) -> None:
    """Measure no-op tasks through offer, ACCEPT, run, FINISHED and acknowledge.

    Example: raftleader bench launch --tasks 2000 --json
    """
    from raftleader.cli.bench_launch import bench_launch
    from raftleader.cli.output import Output

    async def call() -> int:
        return await bench_launch(tasks, Output(as_json=as_json))

    run_command(call)
