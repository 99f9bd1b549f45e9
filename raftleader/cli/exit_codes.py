"""Exit codes of every command, and the one place where errors become them."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NoReturn

import trio
import typer

from raftleader.errors import (
    ApiError,
    ConfigError,
    InvalidInputError,
    NotLeaderError,
    OutcomeUnknownError,
    OverloadedError,
    RaftLeaderError,
    UnavailableError,
)
from transports.errors import BadAddressError

EXIT_OK = 0
EXIT_FAILED = 1
"""It did not work, or the answer is no."""
EXIT_USAGE = 2
"""The command line or the configuration cannot be used."""
EXIT_OUTCOME_UNKNOWN = 3
"""It may have happened: look before you try again."""
EXIT_TRY_AGAIN = 75
"""It did not happen, and the same may work later."""
EXIT_INTERRUPTED = 130
"""Ctrl-C."""
EXIT_BROKEN_PIPE = 141
"""Whoever read our output has enough of it."""

_CODES: tuple[tuple[type[Exception], int], ...] = (
    (ConfigError, EXIT_USAGE),
    (InvalidInputError, EXIT_USAGE),
    (BadAddressError, EXIT_USAGE),
    (OutcomeUnknownError, EXIT_OUTCOME_UNKNOWN),
    (NotLeaderError, EXIT_TRY_AGAIN),
    (OverloadedError, EXIT_TRY_AGAIN),
    (UnavailableError, EXIT_TRY_AGAIN),
    (RaftLeaderError, EXIT_FAILED),
    (BrokenPipeError, EXIT_BROKEN_PIPE),
    (OSError, EXIT_FAILED),
)
"""First match counts."""

_STATUSES_TRY_AGAIN = frozenset({307, 429, 503})
_STATUSES_UNKNOWN = frozenset({500, 504})


def exit_code_of(error: BaseException) -> int | None:
    """The code for an error a user may meet, or None for a bug."""
    if isinstance(error, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    if isinstance(error, ApiError):
        if error.status in _STATUSES_TRY_AGAIN:
            return EXIT_TRY_AGAIN
        return (
            EXIT_OUTCOME_UNKNOWN if error.status in _STATUSES_UNKNOWN else EXIT_FAILED
        )
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return None


def sole_error(error: BaseException) -> BaseException:
    """The error inside a group that holds one, however deep; else the error."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, BaseExceptionGroup):
        leaves = list(leaves_of(error))
        if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
            return KeyboardInterrupt()
        if all(exit_code_of(leaf) is not None for leaf in leaves):
            return leaves[0]
    return error


def leaves_of(error: BaseException) -> list[BaseException]:
    """The single errors of a group, in order; of another error, itself."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for inner in error.exceptions for leaf in leaves_of(inner)]


def run_command(command: Callable[[], Awaitable[int | None]]) -> NoReturn:
    """Run one command to its exit code. A bug keeps its traceback.

    Leaves by ``typer.Exit`` always; what the command returns is the code, None
    meaning success.
    """
    run_sync_command(lambda: trio.run(command))


def run_sync_command(command: Callable[[], int | None]) -> NoReturn:
    """The same for a command that needs no event loop, or brings its own."""
    try:
        code = command()
    except BaseException as error:
        cause = sole_error(error)
        known = exit_code_of(cause)
        if known is None:
            raise
        if isinstance(cause, BrokenPipeError):
            _forget_stdout()
        elif not isinstance(cause, KeyboardInterrupt):
            typer.echo(f"raftleader: {one_line(cause)}", err=True)
            for note in getattr(cause, "__notes__", ()):
                typer.echo(note, err=True)
            if detail := getattr(cause, "detail", ""):
                typer.echo(detail, err=True)
        raise typer.Exit(known) from error
    raise typer.Exit(EXIT_OK if code is None else code)


def _forget_stdout() -> None:
    """What is still in its buffer must not fail again when the process ends."""
    with suppress(OSError, AttributeError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def one_line(error: BaseException) -> str:
    """What happened, in one line, also for errors of the operating system."""
    if isinstance(error, OSError) and error.strerror:
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__
