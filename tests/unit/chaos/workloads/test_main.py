"""The command line of a workload."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.workloads.main import EXIT_USAGE, main


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """As they were: the program holds USR1 back."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run(tmp_path: Path, *more: str, kind: str = "churn") -> int:
    return main(
        [
            *(kind, "--name", "w-1", "--seed", "1"),
            *("--history", str(tmp_path / "h"), "--state", str(tmp_path / "s")),
            *(more or ("--leaders", "127.0.0.1:1")),
        ]
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--leaders", "nowhere"), "w-1: address: 'nowhere' is not HOST:PORT"),
        (
            ("--leaders", "127.0.0.1:1", "--via", "x"),
            "w-1: --via: expected HOST:PORT=HOST:PORT, got 'x'",
        ),
    ],
)
def test_bad_arguments_are_named(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    problem: str,
) -> None:
    assert run(tmp_path, *arguments) == EXIT_USAGE
    assert capsys.readouterr().err.strip() == problem
    assert not list(tmp_path.iterdir())


def test_unknown_kind_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, kind="hoard") == EXIT_USAGE
    assert "did you mean hoarder?" in capsys.readouterr().err


def test_state_of_somebody_else_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s").write_text("[]")
    assert run(tmp_path) == EXIT_USAGE
    assert str(tmp_path / "s") in capsys.readouterr().err


@pytest.mark.parametrize("pace", ["0", "-1", "inf", "nan"])
def test_pace_is_a_positive_number(tmp_path: Path, pace: str) -> None:
    with pytest.raises(SystemExit) as ended:
        run(tmp_path, "--leaders", "127.0.0.1:1", "--pace", pace)
    assert ended.value.code == EXIT_USAGE
