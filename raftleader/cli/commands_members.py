"""The parser's half of ``members`` and ``transfer``: who keeps the log."""

from __future__ import annotations

from typing import Annotated

import typer

from raftleader.cli.commands_client import look
from raftleader.cli.options import Config, Json, Leaders

members_app = typer.Typer(
    no_args_is_help=False,
    invoke_without_command=True,
    rich_markup_mode=None,
    help="List the leader nodes that keep the log, or change them one at a time.\n\n"
    "A lost machine is replaced so: remove it, start a new one with "
    "raftleader leader --join, add it, promote it.\n\n"
    "Example: raftleader members",
)

Node = Annotated[str, typer.Argument(metavar="NODE", help="Its node id.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the parser."""
    app.add_typer(members_app, name="members")
    app.command()(transfer)


@members_app.callback()
def members(
    context: typer.Context,
    leader: Leaders = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    if context.invoked_subcommand is not None:
        if leader or config or as_json:
            raise typer.BadParameter(
                "options stand behind the command: raftleader members "
                f"{context.invoked_subcommand} ... --leader HOST:PORT"
            )
    else:
        from raftleader.cli.members import show_members

        look(show_members, leader, config, as_json)


@members_app.command()
def add(
    member: Annotated[
        str,
        typer.Argument(metavar="NODE=tcp://HOST:PORT", help="Its id and peer address."),
    ],
    leader: Leaders = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Add a node that receives the log, without a vote until it is promoted.

    Start it with --join and the same peers, itself included.

    Example: raftleader members add leader-4=tcp://10.0.0.4:5250
    """
    node_id, _, address = member.partition("=")
    if not node_id or "://" not in address:
        raise typer.BadParameter(f"{member!r}: want NODE=tcp://HOST:PORT")
    _change({"add": {"id": node_id, "address": address}}, leader, config, as_json)


@members_app.command()
def promote(
    node: Node, leader: Leaders = None, config: Config = None, as_json: Json = False
) -> None:
    """Give a node that was added a vote, once it has nearly all of the log.

    Example: raftleader members promote leader-4
    """
    _change({"promote": node}, leader, config, as_json)


@members_app.command()
def remove(
    node: Node, leader: Leaders = None, config: Config = None, as_json: Json = False
) -> None:
    """Take a node out of the group; the leader itself may go, too.

    Example: raftleader members remove leader-1
    """
    _change({"remove": node}, leader, config, as_json)


def transfer(
    node: Node, leader: Leaders = None, config: Config = None, as_json: Json = False
) -> None:
    """Hand leadership over to another node.

    Before the leader's machine is restarted, say: nobody has to notice that a leader
    is gone. It must be a voter that answers.

    Example: raftleader transfer leader-2
    """
    _change({"transfer": node}, leader, config, as_json)


def _change(
    change: dict[str, object],
    leader: list[str] | None,
    config: Config,
    as_json: bool,
) -> None:
    from raftleader.cli.members import change_members

    look(
        lambda client, output: change_members(client, output, change),
        leader,
        config,
        as_json,
    )
