"""The pytest plugin, as a stranger uses it: pytest in a process of its own."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.plugin_loading import plugin_arguments

from raftleader.cli.local_process import child_environment

pytestmark = pytest.mark.end_to_end
pytest_plugins = ["pytester"]
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "chaos_test.py"
GONE_WITHIN_S = 30.0
READY_WITHIN_S = 60.0

FAILING = """
import time
import pytest

@pytest.mark.raftleader(leaders=1, agents=1)
@pytest.mark.chaos_duration("3s")
def test_fails(raftleader_cluster, nemesis, chaos_history):
    with nemesis.schedule("kill,pause", every_s=1) as schedule:
        for one in schedule.injections:
            print("DRAWN", one)
        with chaos_history.op("wait"):
            time.sleep(1.2)
    assert schedule.fired
    raftleader_cluster.wait_ready(timeout_s=60)
    assert [one.name for one in chaos_history.faults()] == list(schedule.fired)
    assert "is ready" in "not what a log says"

@pytest.mark.raftleader(leaders=1, agents=0, seed=7)
def test_lies(chaos_history):
    with chaos_history.op("accept", value={"tasks": [{"task_id": "never"}]}):
        pass

@pytest.mark.raftleader(leaders=1, agents=0)
def test_passes(raftleader_cluster):
    cluster = raftleader_cluster
    assert cluster.leader == "leader-1"
    assert cluster.leaders == [cluster.leader_address] == [cluster.address("leader-1")]
    assert cluster.env["RAFTLEADER_LEADERS"] == cluster.leader_address
    assert cluster.status()["leader-1"]["leading"]
    assert cluster.operator({"type": "GET_AGENTS"})["type"] == "GET_AGENTS"
    code, said = cluster.command("status", "--json")
    assert code == 0 and "leader-1" in said
    assert cluster.log("leader-1") and cluster.pid("leader-1")
    with pytest.raises(ValueError, match="no node is called 'agent-1'"):
        cluster.log("agent-1")
"""

SHARED = """
import asyncio
import pytest
import trio
from raftleader.framework import ClusterExecutor

@pytest.fixture(scope="module")
def cluster(raftleader_cluster_factory):
    with raftleader_cluster_factory(leaders=3, agents=1, network="proxies") as cluster:
        yield cluster

def test_partition(cluster):
    with ClusterExecutor(cluster.leaders, cpus=0.1) as executor:
        cut = cluster.nemesis.partition("leader", for_s=None)
        assert cluster.wait_leader(besides=cut.targets[0]) != cut.targets[0]
        cut.heal()
        assert cut.is_healed
        assert executor.submit(lambda: 2).result(timeout=60) == 2

def test_framework_cut(cluster):
    with ClusterExecutor(cluster.leaders, cpus=0.1) as executor:
        assert executor.submit(lambda: 1).result(timeout=60) == 1
        with cluster.nemesis.fault("framework-cut"):
            pass
        assert executor.submit(lambda: 2).result(timeout=60) == 2

def test_trio(cluster):
    async def main():
        return await trio.to_thread.run_sync(cluster.wait_ready, 60)
    assert trio.run(main) in cluster.leader_names

def test_asyncio(cluster):
    async def main():
        return await asyncio.to_thread(cluster.wait_ready, 60)
    assert asyncio.run(main()) in cluster.leader_names
    assert cluster.history.faults()
"""

HANGING = """
import contextlib, pathlib, time
import pytest
from raftleader.framework import ClusterExecutor

@pytest.mark.raftleader(leaders=1, agents=1, seed=7)
def test_hangs(raftleader_cluster, nemesis, request):
    folder = pathlib.Path(request.config.rootpath)
    with contextlib.ExitStack() as stack:
        if folder.name == "killed":
            executor = ClusterExecutor(raftleader_cluster.leaders, cpus=0.1)
            running = folder / "running"
            stack.enter_context(executor)
            executor.submit(lambda: (running.touch(), time.sleep(600)))
            while not running.exists():
                time.sleep(0.05)
        nemesis.pause("leader", for_s=None)
        (folder / "ready").touch()
        time.sleep(600)
"""


@pytest.fixture
def stranger(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    """A folder of theirs; they have us installed, or so it seems."""
    pytester.plugins = []
    if path := child_environment().get("PYTHONPATH"):
        monkeypatch.setenv("PYTHONPATH", path)
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider")
    return pytester


def run(stranger: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    command = [sys.executable, "-m", "pytest", *plugin_arguments(), *arguments]
    return stranger.run(*command)


def lines_after(result: pytest.RunResult, word: str) -> list[str]:
    return [
        line.partition(" ")[2].strip()
        for line in result.outlines
        if line.startswith(word + " ")
    ]


def test_example_passes_with_the_leader_killed(stranger: pytest.Pytester) -> None:
    result = run(stranger, str(EXAMPLE), "-rP", "--rootdir", str(stranger.path))
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["*raftleader teardown*", "* checks found nothing wrong, *"]
    )


def test_failing_test_tells_seed_report_and_the_command_that_repeats_it(
    stranger: pytest.Pytester,
) -> None:
    file = stranger.makepyfile(test_mine=FAILING)
    reports = stranger.path / "reports"
    result = run(stranger, "--raftleader-report", str(reports), str(file))
    result.assert_outcomes(failed=1, passed=2, errors=1)

    # That of the one that failed comes after that of the one whose cluster "lied".
    [repeat] = [one for one in set(lines_after(result, "repeat")) if "fails" in one]
    assert "test_mine.py::test_fails --raftleader-seed" in repeat
    [report] = [one for one in set(lines_after(result, "report")) if "fails" in one]
    assert "test_fails" in Path(report).read_text()
    assert (Path(report).parent / "nodes" / "leader-1" / "log").is_file()
    result.stdout.fnmatch_lines(
        [
            "*the cluster broke a promise (seed 7):*",
            "invalid: P1 answered means in the log*",
            "*the launch of never was answered and is in no log*",
        ]
    )
    kept = sorted(path.name for path in reports.iterdir() if path.is_dir())
    assert [name.rpartition("-")[0] for name in kept] == [
        "test_mine.py-test_fails",
        "test_mine.py-test_lies",
    ]

    program, *arguments = shlex.split(repeat)
    assert program == "pytest"
    again = stranger.run(sys.executable, "-m", "pytest", *arguments)
    again.assert_outcomes(failed=1)
    drawn = lines_after(result, "DRAWN")
    assert len(drawn) >= 2
    assert lines_after(again, "DRAWN") == drawn


def test_cluster_of_a_module_is_cut_and_asked_from_any_loop(
    stranger: pytest.Pytester,
) -> None:
    file = stranger.makepyfile(test_shared=SHARED)
    run(stranger, str(file)).assert_outcomes(passed=4)


def processes_of(folder: Path) -> list[psutil.Process]:
    """All that work in the folder or below it: nodes, tasks, pytest itself."""
    found = []
    for process in psutil.process_iter():
        try:
            known = [*process.cmdline(), process.environ().get("MESOS_SANDBOX", "")]
        except psutil.Error:
            continue
        if any(f"{folder}/" in word for word in known):
            found.append(process)
    return found


@pytest.fixture
def hanging(stranger: pytest.Pytester) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two at once, with one seed, in ``interrupted`` and ``killed``."""
    made = []
    for name in ("interrupted", "killed"):
        folder = stranger.path / name
        folder.mkdir()
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "test_hang.py").write_text(HANGING)
        command = [sys.executable, "-m", "pytest", *plugin_arguments()]
        command += ["--basetemp", str(folder / "temporary"), f"{folder}/test_hang.py"]
        log = (folder / "log").open("wb")
        with log:
            made.append(
                subprocess.Popen(
                    command, cwd=folder, env=os.environ, stdout=log, stderr=log
                )
            )
    yield made
    for process in made:
        process.kill()
        process.wait()


def test_nothing_is_left_after_ctrl_c_and_after_a_kill(
    stranger: pytest.Pytester, hanging: list[subprocess.Popen[bytes]]
) -> None:
    folders = [stranger.path / "interrupted", stranger.path / "killed"]
    deadline = time.monotonic() + READY_WITHIN_S
    while not all((folder / "ready").exists() for folder in folders):
        assert all(process.poll() is None for process in hanging)
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # pytest and its guard, a leader node and an agent; an executor with its task
    assert len(processes_of(folders[0])) >= 4
    assert len(processes_of(folders[1])) >= 5
    hanging[0].send_signal(signal.SIGINT)
    hanging[1].send_signal(signal.SIGKILL)
    assert hanging[0].wait(GONE_WITHIN_S) == pytest.ExitCode.INTERRUPTED
    assert processes_of(folders[0]) == []
    deadline = time.monotonic() + GONE_WITHIN_S
    while left := processes_of(folders[1]):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
