"""``raftleader up``: its first line, and how it ends."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from raftleader.cli.local_process import child_command, child_environment

StartUp = Callable[..., Any]
Gone = Callable[[list[int]], list[int]]


def test_first_line_is_the_contract_and_term_ends_all(
    start_up: StartUp, gone: Gone
) -> None:
    up = start_up("--leaders=3", "--agents=3")
    document = up.document
    assert list(document) == ["leaders", "agents"]
    assert len(document["leaders"]) == len(document["agents"]) == 3
    assert all(set(n) == {"address", "pid", "leading"} for n in document["leaders"])
    assert all(set(node) == {"address", "pid"} for node in document["agents"])
    assert [node["leading"] for node in document["leaders"]].count(True) == 1
    assert {psutil.Process(pid).ppid() for pid in up.pids} == {up.process.pid}

    assert up.stop(signal.SIGTERM) == 0
    assert up.rest == b""
    assert gone(up.pids) == []


def test_node_that_dies_is_restarted_and_children_outlive_up_by_no_means(
    start_up: StartUp, gone: Gone
) -> None:
    up = start_up("--leaders=1", "--agents=1")
    agent = psutil.Process(up.document["agents"][0]["pid"])
    agent.kill()
    deadline = time.monotonic() + 20
    children: list[psutil.Process] = []
    while len(children) < 2 or agent.pid in [child.pid for child in children]:
        assert time.monotonic() < deadline, "the agent is not started again"
        time.sleep(0.05)
        children = [
            child
            for child in psutil.Process(up.process.pid).children()
            if child.status() != psutil.STATUS_ZOMBIE
        ]
    assert "agent-1 died (signal SIGKILL)" in up.errors.read_text()

    assert up.stop(signal.SIGKILL) == -signal.SIGKILL
    assert gone([child.pid for child in children]) == []


def test_interrupt_ends_all_with_130_and_a_dead_node_stays_dead_if_told(
    start_up: StartUp, gone: Gone
) -> None:
    up = start_up("--leaders=1", "--agents=1", "--no-restart")
    psutil.Process(up.document["agents"][0]["pid"]).kill()
    assert gone([up.document["agents"][0]["pid"]]) == []
    time.sleep(1.3)
    assert len(psutil.Process(up.process.pid).children()) == 1
    assert up.stop(signal.SIGINT) == 130
    assert gone(up.pids) == []


def test_node_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "leader-1").mkdir()
    (tmp_path / "leader-1" / "data").write_text("a file where a folder should be")
    done = subprocess.run(
        [*child_command(), "up", "--json", "--leaders=1", "--dir", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        env=child_environment(),
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "leader-1 ended with exit code" in done.stderr
    assert "raftleader: data_dir: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        (
            "[leader]\ndata_dri = 'x'\n",
            "[leader]: unknown key 'data_dri'; did you mean 'data_dir'?",
        ),
        (
            "[leader]\ndata_dir = 7\n",
            "[leader] data_dir: expected a path (a string), got 7",
        ),
        ("[leaders]\n", "unknown section [leaders]; did you mean 'leader'?"),
    ],
)
def test_config_written_by_hand_is_told_what_is_wrong(
    tmp_path: Path, section: str, problem: str
) -> None:
    file = tmp_path / "raftleader.toml"
    file.write_text(section)
    done = subprocess.run(
        [*child_command(), "leader", "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        env=child_environment(),
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.strip().endswith(problem)
    assert done.stderr.count("\n") == 1
