"""``raftleader exec`` against a cluster of real processes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from raftleader.cli.local_process import child_command

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def task_id(
    environment: dict[str, str], command: Command, tmp_path: Path
) -> Iterator[str]:
    """A task that runs."""
    line = "echo begun; exec sleep 300"
    with subprocess.Popen(
        [*child_command(), "run", "--name=looked-into", "--", "sh", "-c", line],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
    ) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == b"begun\n"
            (row,) = [
                row
                for row in json.loads(command("tasks", "--json").stdout)
                if row["name"] == "looked-into" and row["state"] == "TASK_RUNNING"
            ]
            yield row["id"]
        finally:
            running.terminate()


def test_command_runs_beside_the_task(command: Command, task_id: str) -> None:
    line = "cat stdout; echo $MESOS_TASK_ID; echo to err >&2; exit 4"
    done = command("exec", task_id, "--", "sh", "-c", line)
    assert done.stdout == f"begun\n{task_id}\n"
    assert (done.stderr, done.returncode) == ("to err\n", 4)


def test_shell_in_a_terminal_is_typed_into(
    environment: dict[str, str], task_id: str, tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*child_command(), "exec", "-it", task_id, "--", "sh"],
        env=environment,
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as running:
        os.write(ours, b"echo $((6*7)) $(cat stdout); exit 5\r")
        shown = b""
        until = time.monotonic() + 20
        while b"42 begun" not in shown and time.monotonic() < until:
            shown += os.read(ours, 1000)
        assert b"42 begun" in shown
        assert running.wait(20) == 5
    os.close(ours)
    os.close(theirs)


def test_task_that_is_not_there_is_a_matter_of_usage(command: Command) -> None:
    done = command("exec", "no-such-task", "--", "true")
    assert done.returncode == 2
    assert "there is no task 'no-such-task'" in done.stderr
