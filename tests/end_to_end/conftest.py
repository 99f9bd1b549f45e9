"""Real processes: a cluster made by ``raftleader up``, and commands against it."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from raftleader.cli.local_process import child_command, child_environment

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.end_to_end)


class Up:
    """A running ``raftleader up --json``."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.errors = folder / "up.err"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*child_command(), "up", "--json", "--dir", str(folder), *arguments],
                stdout=subprocess.PIPE,
                stderr=errors,
                env=child_environment(),
                cwd=folder,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"up said nothing; its errors: {self.errors.read_text()}"
        self.document: dict[str, Any] = json.loads(line)

    @property
    def leaders(self) -> list[str]:
        return [leader["address"] for leader in self.document["leaders"]]

    @property
    def pids(self) -> list[int]:
        nodes = [*self.document["leaders"], *self.document["agents"]]
        return [node["pid"] for node in nodes]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal; returns the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(STOP_TIMEOUT_S)
        assert self.process.stdout is not None
        self.rest = self.process.stdout.read()
        self.process.stdout.close()
        return code

    def end(self) -> None:
        """Whatever a test left of it."""
        if self.process.poll() is None:
            self.stop()


def wait_gone(pids: list[int]) -> list[int]:
    """Of these processes, those that are still there after some seconds."""
    there = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(there, timeout=15)
    return [process.pid for process in alive]


@pytest.fixture
def start_up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    """Starts clusters of a test's own."""
    started: list[Up] = []

    def start(*arguments: str) -> Up:
        started.append(Up(tmp_path, *arguments))
        return started[-1]

    yield start
    for up in started:
        up.end()


@pytest.fixture(scope="session")
def shared_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One cluster for all tests that leave it as it was."""
    up = Up(
        tmp_path_factory.mktemp("up"),
        "--agents=2",
        "--agent-resources=cpus:4;mem:1024",
    )
    yield up
    assert up.stop() == 0
    assert wait_gone(up.pids) == []


Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def command(shared_up: Up, tmp_path: Path) -> Command:
    """Runs ``raftleader ARGUMENTS...`` against the shared cluster."""

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*child_command(), *arguments],
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
            cwd=tmp_path,
            env={
                **child_environment(),
                "RAFTLEADER_LEADERS": ",".join(shared_up.leaders),
                **more,
            },
        )

    return run


@pytest.fixture
def gone() -> Callable[[list[int]], list[int]]:
    return wait_gone


@pytest.fixture
def environment(shared_up: Up) -> dict[str, str]:
    """For processes a test starts by itself."""
    return {
        **child_environment(),
        "RAFTLEADER_LEADERS": ",".join(shared_up.leaders),
    }
