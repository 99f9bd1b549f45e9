"""The parser's half of ``raftleader exec``."""

from __future__ import annotations

from typing import Annotated

import typer

from raftleader.cli.exit_codes import run_command
from raftleader.cli.options import Config, Leaders, client_section


def register(app: typer.Typer) -> None:
    """Add the command to the parser."""
    app.command(name="exec")(exec_)


def exec_(
    task_id: Annotated[
        str, typer.Argument(metavar="TASK_ID", help="A task that runs.")
    ],
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND", help="What to run.")
    ],
    framework: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Whose task, if several have one of this id."),
    ] = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="Pass our input to it.")
    ] = False,
    tty: Annotated[
        bool, typer.Option("--tty", "-t", help="Give it a terminal.")
    ] = False,
    leader: Leaders = None,
    config: Config = None,
) -> None:
    """Run a command beside a task: in its sandbox, with its environment.

    The exit code is the command's (128+n if signal n ended it). It ends with us; with
    -i and -t Ctrl-C is the command's.

    Example: raftleader exec -it my-task -- sh
    """
    from raftleader.cli.api_client import open_api_client
    from raftleader.cli.exec_session import ExecRequest, run_session
    from raftleader.cli.exec_target import find_target
    from raftleader.cli.local_terminal import LocalStreams

    async def call() -> int:
        section = client_section(leader, config)
        request = ExecRequest(
            command=tuple(command), passes_input=interactive, has_terminal=tty
        )
        async with open_api_client(
            section.leaders, timeout_s=section.timeout_s
        ) as client:
            target = await find_target(client, task_id, framework)
            return await run_session(client, target, request, LocalStreams())

    run_command(call)
