"""The parser's half of ``journal``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from raftleader.cli.exit_codes import run_command
from raftleader.cli.options import Json

if TYPE_CHECKING:
    from raftleader.cli.output import Output

journal_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look into the journal of a leader node, also while it runs.\n\n"
    "Example: raftleader journal check /var/lib/raftleader",
)

Directory = Annotated[
    Path,
    typer.Argument(metavar="DIR", help="A node's data_dir, or the journal in it."),
]


def register(app: typer.Typer) -> None:
    """Add these commands to the parser."""
    app.add_typer(journal_app, name="journal")


@journal_app.command()
def check(directory: Directory, as_json: Json = False) -> None:
    """Read all of it and say whether a node could start on it. Changes nothing.

    Exit code 0: it could; an unfinished write at the end, which a start would cut, is
    told. 1: it is damaged; file and offset are told, and what is readable behind. The
    snapshots beside it are read, too, and count where it cannot do without them.

    Example: raftleader journal check /var/lib/raftleader --json
    """
    from raftleader.cli.journal import check_journal

    _run(lambda output: check_journal(directory, output), as_json=as_json)


@journal_app.command()
def dump(
    directory: Directory,
    as_json: Json = False,
    first: Annotated[
        int | None,
        typer.Option("--from", min=1, metavar="I", help="First log index.  [all]"),
    ] = None,
    last: Annotated[
        int | None,
        typer.Option("--to", min=1, metavar="I", help="Last log index.  [all]"),
    ] = None,
) -> None:
    """Print its records in the order in which they were written, damage or not.

    An entry that was truncated later is printed too. With --from or --to only entries,
    truncations and resets that touch that part of the log. With --json one object a
    line, with the bytes of each entry in base64. Exit code 1 if it is damaged.

    Example: raftleader journal dump /var/lib/raftleader --from 100 --to 120
    """
    from raftleader.cli.journal import dump_journal

    _run(
        lambda output: dump_journal(directory, output, first=first, last=last),
        as_json=as_json,
    )


def _run(look: Callable[[Output], int], *, as_json: bool) -> NoReturn:
    from raftleader.cli.output import Output

    async def run() -> int:
        return look(Output(as_json=as_json))

    run_command(run)
