"""The parser: help with examples, and mistakes that are told in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import raftleader
from raftleader.cli.main import app

COMMANDS = [
    ["up"],
    ["demo"],
    ["status"],
    ["frameworks"],
    ["agents"],
    ["tasks"],
    ["run"],
    ["exec"],
    ["leader"],
    ["agent"],
    ["bench", "failover"],
    ["bench", "launch"],
    ["bench", "log"],
    ["bench", "snapshot"],
    ["bench", "steady"],
    ["members"],
    ["members", "add"],
    ["members", "promote"],
    ["members", "remove"],
    ["transfer"],
    ["bench", "http"],
    ["bench", "state"],
    ["journal", "check"],
    ["journal", "dump"],
]

runner = CliRunner()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_of_every_command_has_an_example(command: list[str]) -> None:
    done = runner.invoke(app, [*command, "--help"])
    assert done.exit_code == 0
    assert f"Example: raftleader {' '.join(command)}" in " ".join(done.stdout.split())


def test_every_command_is_among_those_with_an_example() -> None:
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    names = {
        (command.name or command.callback.__name__,)
        for command in app.registered_commands
    }
    for name, group in groups.items():
        names |= {
            (name, command.name or command.callback.__name__)
            for command in group.registered_commands
        }
    assert names == {tuple(one) for one in COMMANDS if one != ["members"]}


def test_version_is_the_package_s() -> None:
    assert runner.invoke(app, ["--version"]).stdout == f"{raftleader.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["agent", "--work-dir", "w"], "leaders is missing"),
        (
            ["agent", "--work-dir", "w", "--leader", "nonsense://x"],
            "no transport for 'nonsense'",
        ),
        (["leader"], "data_dir is missing"),
        (["leader", "--data-dir", "d", "--peer", "x"], "'x' is not NODE_ID="),
        (["status", "--config", "none.toml"], "none.toml: No such file"),
        (["run", "--env", "A", "--", "true"], "--env: 'A' is not K=V"),
        (["up", "--log-level", "loud"], "--log-level: 'loud' is none of debug"),
        (["up", "--dir", "/dev/null"], "--dir: /dev/null: File exists"),
        (["status", "--leader", "h"], "leaders: 'h' is not HOST:PORT"),
        (["tasks", "--leader", "http://h:1"], "leaders: 'http://h:1' is not HOST:PORT"),
        (["leader", "--data-dir", "d", "--http", "h"], "http: 'h' is not HOST:PORT"),
        (
            ["leader", "--data-dir", "d", "--node-id", "a/b"],
            "node_id: must not contain",
        ),
        (["up", "--leaders", "0"], "--leaders: expected 1 to 9"),
        (["up", "--agent-resources", "cpus"], "--agent-resources: cpus: expected"),
    ],
)
def test_mistake_is_told_in_one_line_with_exit_code_2(
    arguments: list[str],
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = runner.invoke(app, arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("raftleader: ")
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["up", "--leaders", "many"],
        [],
        # Not taken for an option of the command, so it must not be passed over.
        ["members", "--leader", "127.0.0.1:1", "remove", "leader-1"],
    ],
)
def test_usage_error_has_exit_code_2(arguments: list[str]) -> None:
    assert runner.invoke(app, arguments).exit_code == 2


def test_no_cluster_is_try_again_later_and_every_node_is_named() -> None:
    done = runner.invoke(
        app, ["status", "--json", "--leader", "127.0.0.1:1", "--leader", "127.0.0.1:2"]
    )
    assert done.exit_code == 75
    assert done.stdout.count('"up":false') == 2
