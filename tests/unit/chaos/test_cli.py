"""The parser of ``raftleader chaos``, and that the console script knows it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chaos.cli import chaos_app

ROOT = Path(__file__).parents[3]
runner = CliRunner()


@pytest.mark.parametrize("command", ["sim", "replay", "live"])
def test_help_of_every_command_has_an_example_and_the_exit_codes(command: str) -> None:
    done = runner.invoke(chaos_app, [command, "--help"])
    assert done.exit_code == 0
    text = " ".join(done.stdout.split())
    assert f"Example: raftleader chaos {command}" in text
    assert "Exit codes: 0 no promise was broken; 1 one was" in text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["sim", "--seeds", "2:1"], "--seeds: 2:1 is empty; B is not included"),
        (["sim", "--seeds", "1", "--seconds", "0.5"], "--seconds: a run is 1 to"),
        (
            ["sim", "--seeds", "1", "--engine", "pysyncobj"],
            "possible are fast with raft, whole with raft, whole with pysyncobj",
        ),
        (["replay", "1", "--engine", "pysyncobj"], "there is no such simulation"),
        (["replay", "1", "--json", "--trace", "-"], "--json has standard output"),
        (["replay", "1", "--trace", "/"], "--trace /: Is a directory"),
        (["replay", "1", "--trace", "/no/such/trace"], "No such file or directory"),
        (["live", "--for", "soon"], "--for: 'soon' is no time such as 60s"),
        (["live", "--for", "0.1s"], "--for: expected 1 to"),
        (["live", "--faults", "kil"], "unknown fault 'kil'; did you mean kill"),
        (["live", "--faults", "kill@agent"], "kill cannot hit agent"),
        (["live", "--workload", "chrun"], "--workload: there is no workload 'chrun'"),
        (["live", "--network", "avian"], "--network: 'avian' is none of auto"),
        (["live", "--report", "/dev/null"], "--report /dev/null: "),
        (["check", "/no/such/run"], "/no/such/run: no run's folder"),
        (["report", "/"], "/: no run's folder"),
    ],
)
def test_mistake_is_told_in_one_line_with_exit_code_2(
    arguments: list[str],
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = runner.invoke(chaos_app, arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("raftleader: ")
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["sim"],
        ["sim", "--seeds", "1", "--level", "medium"],
        ["sim", "--seeds", "1", "--jobs", "0"],
        ["replay"],
        ["replay", "--", "-1"],
    ],
)
def test_usage_error_has_exit_code_2(arguments: list[str]) -> None:
    assert runner.invoke(chaos_app, arguments).exit_code == 2


def test_console_script_knows_chaos() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "raftleader", "chaos", "sim", "--seeds", "2:1"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("raftleader: --seeds: 2:1 is empty")


def test_replay_says_once_what_was_drawn() -> None:
    done = runner.invoke(chaos_app, ["replay", "3", "--seconds", "5"])
    assert done.stdout.count("seed 3 (fast):") == 1


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = runner.invoke(chaos_app, ["proxy", "--port", str(port)])
    assert done.exit_code == 2
    assert done.stderr == f"raftleader: 127.0.0.1:{port}: Address already in use\n"
