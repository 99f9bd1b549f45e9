"""``raftleader``: one parser. Exit codes are in ``exit_codes.py``.

What a command needs is imported when it is called: each of the processes of a
cluster begins here, and a node that comes back should not first load a demo.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import raftleader
from raftleader.cli import (
    commands_client,
    commands_cluster,
    commands_exec,
    commands_journal,
    commands_local,
    commands_measure,
    commands_members,
)
from raftleader.cli.exit_codes import EXIT_INTERRUPTED

app = typer.Typer(
    name="raftleader",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A cluster manager whose leader keeps everything in a Raft log.\n\n"
    "Exit codes: 0 done; 1 failed; 2 usage or configuration; 3 outcome unknown, "
    "look before you try again; 75 try again later; 130 Ctrl-C.\n\n"
    "Begin with: raftleader demo, raftleader up",
)
commands_local.register(app)
commands_client.register(app)
commands_exec.register(app)
commands_cluster.register(app)
commands_measure.register(app)
commands_members.register(app)
commands_journal.register(app)


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True)
    ] = False,
) -> None:
    if version:
        typer.echo(raftleader.__version__)
        raise typer.Exit


def main() -> None:
    """Entry point of the console script."""
    try:
        app(prog_name="raftleader")
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
