"""``raftleader run`` and the lists, against a cluster of real processes."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raftleader.cli.local_process import child_command

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_outputs_and_exit_code_are_the_command_s(command: Command) -> None:
    script = 'echo "to out $GREETING"; echo "to err" >&2; exit 3'
    done = command("run", "--env=GREETING=hello", "--", "sh", "-c", script)
    assert (done.stdout, done.stderr) == ("to out hello\n", "to err\n")
    assert done.returncode == 3


def test_command_ended_by_a_signal_is_128_and_its_number(command: Command) -> None:
    assert command("run", "--", "sh", "-c", "kill -9 $$").returncode == 137


def test_command_that_takes_too_long_is_killed(command: Command) -> None:
    done = command("run", "--timeout=0.5", "--", "sh", "-c", "echo begun; sleep 60")
    assert done.returncode == 124
    assert done.stdout == "begun\n"


def test_command_that_does_not_exist_fails_with_a_reason(command: Command) -> None:
    done = command("run", "--", "no-such-program-anywhere")
    assert done.returncode == 1
    assert "TASK_FAILED" in done.stderr
    assert "no-such-program-anywhere" in done.stderr


def test_interrupt_kills_the_task(
    environment: dict[str, str], command: Command, tmp_path: Path
) -> None:
    running = start_run(environment, tmp_path, "echo begun; sleep 300")
    assert running.stdout is not None
    assert running.stdout.readline() == b"begun\n"
    running.send_signal(signal.SIGINT)
    assert running.wait(20) == 130
    running.stdout.close()
    (task,) = [t for t in listed(command, "tasks") if t["name"] == "interrupted"] or [
        {"state": "TASK_KILLED"}
    ]
    assert task["state"] == "TASK_KILLED"


def test_run_goes_on_when_the_leader_is_killed(
    shared_up: Any, environment: dict[str, str], command: Command, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    script = f"echo before; until test -e {go}; do sleep 0.05; done; echo after"
    running = start_run(environment, tmp_path, script)
    assert running.stdout is not None
    assert running.stdout.readline() == b"before\n"
    rows = {row["address"]: row for row in listed(command, "status")}
    before = {address for address, row in rows.items() if row["leading"]}
    subprocess.run(["kill", "-9", str(pid_of_leader(shared_up, before))], check=True)
    go.touch()
    assert running.stdout.read() == b"after\n"
    assert running.wait(30) == 0
    running.stdout.close()
    wait_whole(command)


def test_lists_are_json_from_any_node_and_tables_for_people(
    shared_up: Any, command: Command
) -> None:
    agents = listed(command, "agents")
    assert len(agents) == 2
    for address in shared_up.leaders:
        done = command("agents", "--json", "--leader", address)
        assert [row["id"] for row in json.loads(done.stdout)] == [
            row["id"] for row in agents
        ]
    done = command("agents", "--leader=127.0.0.1:1", f"--leader={shared_up.leaders[0]}")
    assert done.returncode == 0
    assert all(row["id"] in done.stdout for row in agents)
    assert [row["up"] for row in listed(command, "status")] == [True] * 3


def start_run(
    environment: dict[str, str], folder: Path, script: str
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*child_command(), "run", "--name=interrupted", "--", "sh", "-c", script],
        stdout=subprocess.PIPE,
        cwd=folder,
        env=environment,
    )


def listed(command: Command, what: str) -> list[dict[str, Any]]:
    done = command(what, "--json")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def pid_of_leader(up: Any, addresses: set[str]) -> int:
    """The process that listens there now (it may have been restarted)."""
    import psutil

    (address,) = addresses
    port = int(address.rpartition(":")[2])
    for child in psutil.Process(up.process.pid).children():
        for connection in child.net_connections("tcp"):
            if connection.status == "LISTEN" and connection.laddr.port == port:
                return child.pid
    pytest.fail(f"nobody listens at {address}")


def wait_whole(command: Command) -> None:
    """Leave the cluster as it was: three nodes up."""
    deadline = time.monotonic() + 30
    while not all(row["up"] for row in listed(command, "status")):
        assert time.monotonic() < deadline
        time.sleep(0.2)
