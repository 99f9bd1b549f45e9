"""Options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from raftleader.cli.sections import ClientSection
from raftleader.cli.settings import load_section
from raftleader.errors import ConfigError, InvalidInputError
from raftleader.framework.addresses import parse_address

Json = Annotated[
    bool, typer.Option("--json", help="JSON on standard output, nothing else there.")
]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="TOML file of settings."),
]
LogLevel = Annotated[
    str | None,
    typer.Option("--log-level", help="debug, info, warning or error.  [info]"),
]
Leaders = Annotated[
    list[str] | None,
    typer.Option(
        "--leader",
        metavar="HOST:PORT",
        help="API of a leader node; repeat for more. Any one that is up will do. "
        "Or RAFTLEADER_LEADERS, separated by commas.  [127.0.0.1:5050]",
    ),
]
Lifeline = Annotated[
    int | None,
    typer.Option(
        "--die-with-fd",
        metavar="N",
        hidden=True,
        help="End when this inherited descriptor is closed at its other end.",
    ),
]


def client_section(
    leaders: list[str] | None, config: Path | None, *, timeout_s: float | None = None
) -> ClientSection:
    """How to reach the cluster. Raises ConfigError."""
    section = load_section(
        ClientSection,
        "client",
        flags={"leaders": leaders, "timeout_s": timeout_s},
        environ=os.environ,
        file=config,
    )
    if not section.leaders:
        raise ConfigError("leaders: name at least one HOST:PORT")
    for address in section.leaders:
        try:
            parse_address(address)
        except InvalidInputError as error:
            raise ConfigError(f"leaders: {error.problem}") from error
    return section
