"""The parser's half of ``bench``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from raftleader.cli.exit_codes import run_command
from raftleader.cli.options import Json

if TYPE_CHECKING:
    from raftleader.cli.output import Output

bench_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Measure a local cluster of real processes, fdatasync on.\n\n"
    "Example: raftleader bench failover --kills 20",
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

    run_measurement(lambda output: bench_failover(kills, output), as_json=as_json)


@bench_app.command()
def launch(
    tasks: Annotated[int, typer.Option(min=1, help="How many.")] = 2000,
    as_json: Json = False,
) -> None:
    """Measure no-op tasks through offer, ACCEPT, run, FINISHED and acknowledge.

    Example: raftleader bench launch --tasks 2000 --json
    """
    from raftleader.cli.bench_launch import bench_launch

    run_measurement(lambda output: bench_launch(tasks, output), as_json=as_json)


@bench_app.command()
def log(
    engines: Annotated[
        str, typer.Option(metavar="NAME,...", help="One after the other.")
    ] = "raft,pysyncobj",
    concurrency: Annotated[
        str, typer.Option(metavar="N,...", help="Callers at once.")
    ] = "1,64,1024",
    seconds: Annotated[float, typer.Option(min=0.1, help="Of each measurement.")] = 5,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--dir", metavar="DIR", help="On which disk.  [that of temporary files]"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure committed commands a second of the log alone, on three processes.

    Example: raftleader bench log --concurrency 64 --seconds 10 --json
    """
    from raftleader.cli.bench_log import bench_log

    try:
        callers = [int(text) for text in concurrency.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{concurrency!r}: want numbers, 1,64") from None
    names = [name.strip() for name in engines.split(",")]
    run_measurement(
        lambda output: bench_log(names, callers, seconds, folder, output),
        as_json=as_json,
    )


@bench_app.command()
def steady(
    seconds: Annotated[
        float, typer.Option("--for", min=1, metavar="SECONDS", help="How long.")
    ] = 600,
    as_json: Json = False,
) -> None:
    """Measure a cluster under full load: false elections, and how late its loops are.

    Example: raftleader bench steady --for 60 --json
    """
    from raftleader.cli.bench_steady import bench_steady

    run_measurement(lambda output: bench_steady(seconds, output), as_json=as_json)


@bench_app.command()
def http(
    seconds: Annotated[
        float, typer.Option("--for", min=1, metavar="SECONDS", help="How long.")
    ] = 10,
    connections: Annotated[
        int, typer.Option(min=1, max=1000, help="Of the pool.")
    ] = 32,
    as_json: Json = False,
) -> None:
    """Measure ACCEPT calls a second over HTTP, against one leader.

    Example: raftleader bench http --for 20 --json
    """
    from raftleader.cli.bench_http import bench_http

    run_measurement(
        lambda output: bench_http(seconds, connections, output), as_json=as_json
    )


@bench_app.command()
def state(
    agents: Annotated[int, typer.Option(min=1, help="Registered agents.")] = 5_000,
    tasks: Annotated[int, typer.Option(min=1, help="Running tasks.")] = 50_000,
    reads: Annotated[int, typer.Option(min=1, help="How often.")] = 10,
    as_json: Json = False,
) -> None:
    """Measure /state of a large cluster: how long it takes, and whom it holds up.

    Example: raftleader bench state --agents 5000 --tasks 50000 --json
    """
    from raftleader.cli.bench_state import bench_state

    run_measurement(
        lambda output: bench_state(agents, tasks, reads, output), as_json=as_json
    )


@bench_app.command()
def snapshot(
    agents: Annotated[int, typer.Option(min=1, help="Registered agents.")] = 50_000,
    tasks: Annotated[int, typer.Option(min=1, help="Running tasks.")] = 200_000,
    as_json: Json = False,
) -> None:
    """Measure how long a node stops to write and to read a large snapshot.

    Example: raftleader bench snapshot --agents 50000 --tasks 200000 --json
    """
    from raftleader.cli.bench_snapshot import bench_snapshot

    run_measurement(
        lambda output: bench_snapshot(agents, tasks, output), as_json=as_json
    )


def run_measurement(
    measure: Callable[[Output], Awaitable[None]], *, as_json: bool
) -> NoReturn:
    """Run it until done or interrupted."""
    from raftleader.cli.output import Output
    from raftleader.cli.serve import run_until_ended

    run_command(lambda: run_until_ended(lambda: measure(Output(as_json=as_json))))
