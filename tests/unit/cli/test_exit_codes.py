"""Exit codes: one table for every command."""

from __future__ import annotations

import subprocess
import sys

import pytest
import trio
import typer

from raftleader.cli.exit_codes import exit_code_of, run_command, sole_error
from raftleader.errors import (
    ApiError,
    ConfigError,
    JournalDamagedError,
    NotLeaderError,
    OutcomeUnknownError,
    OverloadedError,
    UnavailableError,
)


def code_of(error: BaseException) -> int:
    async def command() -> None:
        raise error

    with pytest.raises(typer.Exit) as caught:
        run_command(command)
    return int(caught.value.exit_code)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("key"), 2),
        (OutcomeUnknownError("perhaps"), 3),
        (NotLeaderError(None), 75),
        (OverloadedError("full"), 75),
        (UnavailableError("nobody"), 75),
        (ApiError(503, "no leader"), 75),
        (ApiError(504, "perhaps"), 3),
        (ApiError(403, "no"), 1),
        (JournalDamagedError("journal", 12, "checksum"), 1),
        (OSError(98, "Address already in use"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_error_becomes_its_code_and_one_line(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(error) == code
    err = capsys.readouterr().err
    if isinstance(error, KeyboardInterrupt):
        assert err == ""
    else:
        assert err.startswith("raftleader: ")
        assert err.count("\n") == 1


def test_result_is_the_code_and_none_is_success() -> None:
    async def seven() -> int:
        return 7

    async def nothing() -> None:
        return None

    for command, code in ((seven, 7), (nothing, 0)):
        with pytest.raises(typer.Exit) as caught:
            run_command(command)
        assert caught.value.exit_code == code


def test_bug_keeps_its_traceback() -> None:
    async def command() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_command(command)


def test_error_from_a_nursery_is_found() -> None:
    async def command() -> None:
        async with trio.open_nursery() as outer, trio.open_nursery() as inner:
            outer.start_soon(trio.sleep, 0)
            inner.start_soon(fail)

    async def fail() -> None:
        raise ConfigError("key: bad")

    with pytest.raises(typer.Exit) as caught:
        run_command(command)
    assert caught.value.exit_code == 2


def test_interrupt_beside_other_errors_counts() -> None:
    group = BaseExceptionGroup("", [ConfigError("x"), KeyboardInterrupt()])
    assert exit_code_of(sole_error(group)) == 130


def test_group_with_a_bug_stays_whole() -> None:
    group = BaseExceptionGroup("", [ConfigError("x"), ValueError()])
    assert sole_error(group) is group


def test_reader_that_left_is_no_error_worth_a_word() -> None:
    program = """
import sys
import typer
from raftleader.cli.exit_codes import run_command
async def command():
    while True:
        print("line")
try:
    run_command(command)
except typer.Exit as end:
    sys.exit(end.exit_code)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141
