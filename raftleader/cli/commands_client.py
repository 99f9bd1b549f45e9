"""The parser's half of commands that speak to a running cluster."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from raftleader.cli.exit_codes import run_command
from raftleader.cli.options import Config, Json, Leaders, client_section

if TYPE_CHECKING:
    from raftleader.cli.api_client import ApiClient
    from raftleader.cli.output import Output

    Look = Callable[[ApiClient, Output], Awaitable[int | None]]


def register(app: typer.Typer) -> None:
    """Add these commands to the parser."""
    app.command()(status)
    app.command()(frameworks)
    app.command()(agents)
    app.command()(tasks)
    app.command(context_settings={"allow_interspersed_args": False})(run)


def status(
    leader: Leaders = None, config: Config = None, as_json: Json = False
) -> None:
    """Show each leader node: who leads, its term, how far its log is.

    The nodes are those that you name, and the leader. Exit code 75 when there is
    no leader.

    Example: raftleader status --leader 127.0.0.1:5050 --leader 127.0.0.1:5051
    """
    from raftleader.cli.look import show_status

    look(show_status, leader, config, as_json)


def frameworks(
    leader: Leaders = None, config: Config = None, as_json: Json = False
) -> None:
    """List the registered frameworks.

    Example: raftleader frameworks --json
    """
    _list("frameworks", leader, config, as_json)


def agents(
    leader: Leaders = None, config: Config = None, as_json: Json = False
) -> None:
    """List the agents and what they have.

    Example: raftleader agents
    """
    _list("agents", leader, config, as_json)


def tasks(leader: Leaders = None, config: Config = None, as_json: Json = False) -> None:
    """List the tasks the leader knows.

    Example: raftleader tasks --json
    """
    _list("tasks", leader, config, as_json)


def run(
    command: Annotated[
        list[str], typer.Argument(metavar="COMMAND", help="What to run.")
    ],
    cpus: Annotated[float, typer.Option(help="CPUs it may use.")] = 0.1,
    mem: Annotated[float, typer.Option(help="Memory it may use, in MB.")] = 32.0,
    role: Annotated[str, typer.Option(help="Role whose resources it uses.")] = "*",
    name: Annotated[
        str | None, typer.Option(help="Name of the task.  [the program]")
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="K=V", help="Environment; repeat for more."),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Kill it after so long; the exit code is 124."
        ),
    ] = None,
    leader: Leaders = None,
    config: Config = None,
) -> None:
    """Run one command on the cluster and wait for it.

    Its output is shown as it comes and its exit code is ours (128+n if signal n
    ended it). Ctrl-C kills the task.

    Example: raftleader run --cpus 1 --mem 64 -- python3 -c 'print("hello")'
    """
    from raftleader.cli.run_task import RunRequest, run_one_task

    async def call() -> int:
        section = client_section(leader, config)
        request = RunRequest.of(
            command=command,
            cpus=cpus,
            mem_mb=mem,
            role=role,
            name=name,
            environment=env or [],
            timeout_s=timeout,
        )
        return await run_one_task(request, section.leaders, section.timeout_s)

    run_command(call)


def _list(
    what: str, leaders: list[str] | None, config: Path | None, as_json: bool
) -> None:
    from raftleader.cli.look import show_list

    async def show(client: ApiClient, output: Output) -> None:
        await show_list(client, output, what=what)

    look(show, leaders, config, as_json)


def look(
    show: Look, leaders: list[str] | None, config: Path | None, as_json: bool
) -> None:
    """Call ``show`` with a client of the cluster that the options name."""
    from raftleader.cli.api_client import open_api_client
    from raftleader.cli.output import Output

    async def call() -> int | None:
        section = client_section(leaders, config)
        async with open_api_client(
            section.leaders, timeout_s=section.timeout_s
        ) as client:
            return await show(client, Output(as_json=as_json))

    run_command(call)
