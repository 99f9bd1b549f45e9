"""Programs on clients that others wrote, and a cluster for them."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.client_environment import ClientEnvironmentError, client_python
from support.up_cluster import UpCluster, eventually

PROGRAMS = Path(__file__).parent / "programs"
PROGRAM_TIMEOUT_S = 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.end_to_end)
            # The first of them installs the clients.
            item.add_marker(pytest.mark.timeout(400))


@pytest.fixture(scope="session")
def interpreter(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Python with the clients. What keeps it from being made is a failure: these
    tests are the proof that other people's frameworks run."""
    cache = getattr(request.config, "cache", None)
    if cache is None:
        folder = tmp_path_factory.mktemp("clients")
    else:
        folder = Path(cache.mkdir("interop-clients"))
    try:
        return client_python(folder)
    except ClientEnvironmentError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpCluster]:
    resources = "cpus:4;mem:2048;disk:4096"
    cluster = UpCluster(
        tmp_path_factory.mktemp("cluster"),
        "--leaders=3",
        "--agents=2",
        f"--agent-resources={resources}",
    )
    yield cluster
    assert cluster.end() == 0


@pytest.fixture
def cluster(shared_cluster: UpCluster) -> UpCluster:
    """Three leaders, all of them there, and two agents."""
    shared_cluster.wait_whole()
    return shared_cluster


class Program:
    """A program on one of the clients, running."""

    def __init__(
        self, command: list[str], output: Path, variables: dict[str, str]
    ) -> None:
        self._output = output
        with output.open("wb") as file:
            self._process = subprocess.Popen(
                command,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=output.parent,
                env={**os.environ, **variables},
            )
        self._deadline = time.monotonic() + PROGRAM_TIMEOUT_S

    @property
    def output(self) -> str:
        """What it has said, errors included."""
        return self._output.read_text(errors="replace")

    def wait_line(self, line: str) -> None:
        """Until it has said this."""

        def look() -> bool:
            lines = self.output.splitlines()
            assert self._process.poll() is None or line in lines, self.output
            return line in lines

        eventually(look, f"line {line!r}", self._deadline - time.monotonic())

    def assert_passes(self) -> None:
        """Wait for its end, which must be a good one."""
        try:
            code = self._process.wait(max(0.1, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            code = None
        assert code == 0, f"exit code {code}\n{self.output}"

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


Start = Callable[..., Program]


@pytest.fixture
def start(interpreter: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts ``programs/NAME.py ARGUMENTS...`` with these variables, too."""
    started: list[Program] = []

    def start(name: str, *arguments: str, **variables: str) -> Program:
        command = [str(interpreter), "-u", str(PROGRAMS / f"{name}.py"), *arguments]
        output = tmp_path / f"{name}-{len(started)}.out"
        started.append(Program(command, output, variables))
        return started[-1]

    yield start
    for program in started:
        program.end()
