"""The parser's half of ``raftleader chaos``.

The chaos suite stands above the command line: ``raftleader/__main__.py`` puts the two
together. What a command needs is imported when it is called.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from chaos import cli_live
from raftleader.cli.options import Json

chaos_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Break a cluster on purpose, and judge what it did: a simulated one (sim, "
    "replay), or one of real processes (live); see that bugs are caught (zoo).\n\n"
    "Example: raftleader chaos sim --seeds 0:1000; raftleader chaos live --for 60s",
)


class LevelName(enum.Enum):
    """How much of the real code a simulation runs."""

    FAST = "fast"
    WHOLE = "whole"


class EngineName(enum.Enum):
    """The engines that can be simulated."""

    RAFT = "raft"
    PYSYNCOBJ = "pysyncobj"


Level = Annotated[
    LevelName,
    typer.Option(
        help="fast: the parts that do no IO, under a heap of events; whole: the real "
        "services in one event loop.",
    ),
]
EngineOption = Annotated[
    EngineName, typer.Option(help="pysyncobj is simulated at the level whole only.")
]
Seconds = Annotated[float, typer.Option(help="Virtual seconds of each run.")]
Mutant = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Plant this bug: it should be found."),
]


def register(app: typer.Typer) -> None:
    """Add these commands, and those for real processes, to the parser."""
    app.add_typer(chaos_app, name="chaos")


@chaos_app.command()
def sim(
    seeds: Annotated[
        str,
        typer.Option(metavar="A:B", help="From A up to, not including, B; or one, A."),
    ],
    level: Level = LevelName.FAST,
    engine: EngineOption = EngineName.RAFT,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Processes at once.  [one for each core]"),
    ] = None,
    seconds: Seconds = 60.0,
    minutes: Annotated[
        float | None, typer.Option(help="Stop after so much real time.")
    ] = None,
    mutant: Mutant = None,
    twice: Annotated[
        bool,
        typer.Option(
            "--twice", help="Run each seed in two processes and compare the traces."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Run many seeds; each decides everything that happens in its run.

    Exit codes: 0 no promise was broken; 1 one was, or a run had no end; 2 usage, or
    more than a tenth of the runs exercised too little to tell; 130 Ctrl-C, after what
    was seen until then. A seed that breaks a promise is printed with the command that
    replays it.

    Example: raftleader chaos sim --seeds 0:1000 --jobs 2
    """
    from chaos.sim.commands import SimRequest, run_sim
    from raftleader.cli.exit_codes import run_command
    from raftleader.cli.output import Output

    request = SimRequest(
        seeds=seeds,
        level=level.value,
        engine=engine.value,
        jobs=jobs,
        seconds=seconds,
        minutes=minutes,
        mutant=mutant,
        is_twice=twice,
    )
    output = Output(as_json=as_json)
    run_command(lambda: run_sim(request, output))


@chaos_app.command()
def replay(
    seed: Annotated[int, typer.Argument(min=0, help="The seed.")],
    level: Level = LevelName.FAST,
    engine: EngineOption = EngineName.RAFT,
    seconds: Seconds = 60.0,
    mutant: Mutant = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write all that happens there; - is standard output."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run one seed again, in this process, and say all about it.

    The same seed gives the same trace, to the last byte, on every machine.

    Exit codes: 0 no promise was broken; 1 one was; 2 usage, or too little happened.

    Example: raftleader chaos replay 17 --trace 17.txt
    """
    from chaos.sim.commands import ReplayRequest, run_replay
    from raftleader.cli.exit_codes import run_sync_command
    from raftleader.cli.output import Output

    request = ReplayRequest(
        seed=seed,
        level=level.value,
        engine=engine.value,
        seconds=seconds,
        mutant=mutant,
        trace=trace,
    )
    output = Output(as_json=as_json)
    run_sync_command(lambda: run_replay(request, output))


@chaos_app.command()
def zoo(
    mutant: Annotated[
        str | None, typer.Option(metavar="NAME", help="Hunt this one only.")
    ] = None,
    tries: Annotated[
        int | None,
        typer.Option(min=1, help="Seeds after which one is given up.  [200; see docs]"),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Processes at once.  [one for each core]"),
    ] = None,
    start: Annotated[int, typer.Option(min=0, help="The first seed.")] = 1,
    live: Annotated[
        bool,
        typer.Option("--live", help="On real processes too; that takes minutes."),
    ] = False,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            help="Several series of seeds for each; what they took is kept in the "
            "package, as that which is usual.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Plant bugs, one at a time, and see that each is caught.

    Each takes one rule out of the real code; seeds are run until a checker that should
    name it does. Without --live those of real processes are listed as not run.

    Exit codes: 0 all that were run are caught; 1 one is not; 2 usage; 130 Ctrl-C,
    after what was seen until then.

    Example: raftleader chaos zoo --start 1000 --jobs 2
    """
    from chaos.zoo.commands import ZooRequest, run_zoo
    from raftleader.cli.exit_codes import run_command
    from raftleader.cli.output import Output

    request = ZooRequest(
        mutant=mutant,
        tries=tries,
        jobs=jobs,
        start=start,
        has_live=live,
        is_measuring=measure,
    )
    output = Output(as_json=as_json)
    run_command(lambda: run_zoo(request, output))


cli_live.register(chaos_app)
