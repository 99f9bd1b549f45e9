"""The parser's half of the commands of ``raftleader chaos`` for real processes.

What a command needs is imported when it is called.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from raftleader.cli.options import Json

RunFolder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a run.")]


def register(app: typer.Typer) -> None:
    """Add these commands to ``chaos``."""
    app.command()(live)
    app.command()(doctor)
    app.command()(check)
    app.command()(report)
    app.command()(clean)
    app.command()(proxy)


def live(
    for_time: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="TIME",
            help="How long faults are made, e.g. 90s or 2m; starting, healing and "
            "settling come on top.",
        ),
    ] = "60s",
    faults: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="Classes and groups of faults, e.g. kill@leader,network,-corruption; "
            "all; none.",
        ),
    ] = "all",
    seed: Annotated[
        int | None, typer.Option(min=0, help="Decides everything.  [drawn]")
    ] = None,
    leaders: Annotated[int, typer.Option(help="Leader nodes.")] = 3,
    agents: Annotated[int, typer.Option(help="Agents.")] = 5,
    agent_resources: Annotated[
        str, typer.Option(metavar="TEXT", help="What each agent offers.")
    ] = "cpus:2;mem:1024",
    workload: Annotated[
        str, typer.Option(metavar="LIST", help="What frameworks do; mixed: everything.")
    ] = "mixed",
    engine: Annotated[
        str, typer.Option(help="What replicates the log: raft, pysyncobj.")
    ] = "raft",
    network: Annotated[
        str, typer.Option(help="auto, bridge, switch, proxies or loopback.")
    ] = "auto",
    disks: Annotated[str, typer.Option(help="auto, ext4 or plain.")] = "auto",
    snapshot_entries: Annotated[
        int, typer.Option(help="Entries of the log between two snapshots.")
    ] = 500,
    keep_entries: Annotated[
        int, typer.Option(help="Entries kept before a snapshot.")
    ] = 100,
    mutant: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Plant this bug: it should be found."),
    ] = None,
    no_house: Annotated[
        bool,
        typer.Option(
            "--no-house", help="No namespaces of its own, even where they are possible."
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A new folder for everything.  [./chaos-reports/DATE-SEED]",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Break a cluster of real processes while frameworks use it, and judge it.

    Leader nodes, agents and frameworks are started, faults are made on a schedule that
    the seed decides, everything is healed and must get done, and every promise is
    judged. Root can make all of them; `raftleader chaos doctor` says what is possible.

    Exit codes: 0 no promise was broken; 1 one was; 2 too little was seen to tell, or
    usage; 130 Ctrl-C, after healing and judging what was seen.

    Example: raftleader chaos live --for 60s --faults all --seed 7
    """
    from chaos.live.commands import live_request, run_live
    from raftleader.cli.exit_codes import run_sync_command
    from raftleader.cli.output import Output

    def command() -> int:
        request = live_request(
            seed=seed,
            for_time=for_time,
            faults=faults,
            leaders=leaders,
            agents=agents,
            agent_resources=agent_resources,
            workload=workload,
            engine=engine,
            network=network,
            disks=disks,
            snapshot_entries=snapshot_entries,
            keep_entries=keep_entries,
            mutant=mutant,
            has_house=not no_house,
        )
        return run_live(request, report, Output(as_json=as_json))

    run_sync_command(command)


def doctor(as_json: Json = False) -> None:
    """Show what this machine can do for runs on real processes, and what would help.

    Exit codes: 0, whatever it can do.

    Example: raftleader chaos doctor
    """
    from chaos.machine.capabilities import show_machine
    from raftleader.cli.exit_codes import run_sync_command
    from raftleader.cli.output import Output

    run_sync_command(lambda: show_machine(Output(as_json=as_json)))


def check(folder: RunFolder, as_json: Json = False) -> None:
    """Judge a run once more, from its folder alone.

    Exit codes: as of `chaos live`.

    Example: raftleader chaos check chaos-reports/2031-04-01T12.00.00-7
    """
    from chaos.live.commands import check_run
    from raftleader.cli.exit_codes import run_sync_command
    from raftleader.cli.output import Output

    run_sync_command(lambda: check_run(folder, Output(as_json=as_json)))


def report(folder: RunFolder) -> None:
    """Write the report of a run once more, and the index over all runs beside it.

    Prints the path of the report. Exit codes: 0 done; 2 there is no run.

    Example: raftleader chaos report chaos-reports/2031-04-01T12.00.00-7
    """
    from chaos.live.commands import report_run
    from raftleader.cli.exit_codes import run_sync_command
    from raftleader.cli.output import Output

    run_sync_command(lambda: report_run(folder, Output()))


def clean(as_json: Json = False) -> None:
    """Remove what killed runs have left behind, if anything.

    Namespaces, mounts and processes end with a run by themselves; control groups are
    removed by a helper of the run, and, should that be killed too, by this command and
    by the next run.

    Exit codes: 0 nothing is left; 1 something could not be removed.

    Example: raftleader chaos clean
    """
    from chaos.live.commands import clean_up
    from raftleader.cli.exit_codes import run_sync_command
    from raftleader.cli.output import Output

    run_sync_command(lambda: clean_up(Output(as_json=as_json)))


def proxy(
    host: Annotated[str, typer.Option(help="Where its API listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8474,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON of proxies that are there at once."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of chance in toxics.  [drawn]")
    ] = None,
    proxy_metrics: Annotated[
        bool, typer.Option("--proxy-metrics", help="Bytes by proxy in /metrics.")
    ] = False,
    runtime_metrics: Annotated[
        bool, typer.Option("--runtime-metrics", help="Of the process in /metrics.")
    ] = False,
) -> None:
    """Run a TCP proxy that misbehaves on demand, with the API of Toxiproxy 2.12.

    Until Ctrl-C. Clients of Toxiproxy drive it as they drive toxiproxy-server.

    Exit codes: 0 ended by TERM; 2 the address or the file cannot be used; 130 Ctrl-C.

    Example: raftleader chaos proxy --port 8474
    """
    from chaos.live.commands import serve_proxy
    from raftleader.cli.exit_codes import run_command
    from raftleader.cli.output import Output

    run_command(
        lambda: serve_proxy(
            host,
            port,
            Output(),
            config=config,
            seed=seed,
            proxy_metrics=proxy_metrics,
            runtime_metrics=runtime_metrics,
        )
    )
