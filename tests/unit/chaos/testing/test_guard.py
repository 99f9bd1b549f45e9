"""What a killed test leaves behind is ended."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from chaos.testing import guard
from chaos.testing.guarding import Guard

WAIT = "import time; time.sleep(60)"


@contextmanager
def process(*arguments: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    made = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", WAIT, *arguments], env=variables
    )
    try:
        wanted = f"{made.pid}"
        deadline = time.monotonic() + 5.0
        # Before the exec it still looks like ourselves.
        while WAIT not in psutil.Process(int(wanted)).cmdline():
            assert time.monotonic() < deadline
            time.sleep(0.005)
        yield made
    finally:
        made.kill()
        made.wait()


def test_guard_ends_nodes_that_do_not_and_tasks_and_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "NODES_END_WITHIN_S", 0.1)
    mine, other = tmp_path / "run", tmp_path / "run-2"
    daemon = "chaos.live.daemon"
    with (
        process(daemon, "leader", f"{mine}/nodes/leader-1") as paused,
        process("task", MESOS_SANDBOX=f"{mine}/nodes/agent-1/x") as task,
        process(daemon, f"{other}/nodes/leader-1") as other_node,
        process("tail", f"{mine}/nodes/leader-1/log") as reader,
    ):
        psutil.Process(paused.pid).suspend()
        guard.clean_up(str(mine).encode(), "rlc-none-such-")
        assert paused.wait(5.0) == -9
        assert task.wait(5.0) == -9
        assert other_node.poll() is None
        assert reader.poll() is None


def test_guard_does_nothing_when_it_is_released(tmp_path: Path) -> None:
    with process("chaos.live.daemon", f"{tmp_path}/nodes/leader-1") as node:
        watch = Guard.start(tmp_path)
        watch.release()
        watch.release()
        assert watch.process.returncode == 0
        assert node.poll() is None


def test_guard_cleans_up_when_its_owner_is_gone(tmp_path: Path) -> None:
    with process("task", MESOS_SANDBOX=f"{tmp_path}/nodes/agent-1/x") as task:
        watch = Guard.start(tmp_path)
        assert watch.process.stdin is not None
        watch.process.stdin.close()  # as the kernel does for whoever was killed
        assert task.wait(10.0) == -9
        assert watch.process.wait(10.0) == 0
