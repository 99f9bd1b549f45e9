"""The programs of ``examples/``, as a reader would start them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
TIMEOUT_S = 40

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(
    environment: dict[str, str], shared_up: Any, tmp_path: Path
) -> Iterator[Start]:
    """Starts ``examples/NAME.py LEADER... ARGUMENTS...``."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str, *arguments: str, leaders: int = 3) -> subprocess.Popen[str]:
        program = [sys.executable, str(EXAMPLES / f"{name}.py")]
        process = subprocess.Popen(
            [*program, *shared_up.leaders[:leaders], *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=tmp_path,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def run(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Exit code, and the lines it said in their alphabetical order."""
    output, errors = process.communicate(timeout=TIMEOUT_S)
    assert errors == ""
    return process.returncode, sorted(output.splitlines())


def test_hello_framework_says_hello(start: Start) -> None:
    code, lines = run(start("hello_framework", "--count=2"))
    assert code == 0
    finished = [line.split()[0] for line in lines if "TASK_FINISHED" in line]
    assert finished == ["hello-0", "hello-1"]


def test_batch_tries_thrice_and_says_what_became_of_each_line(
    start: Start, tmp_path: Path
) -> None:
    jobs = tmp_path / "jobs.txt"
    marks = tmp_path / "marks"
    jobs.write_text(f"echo one >> {marks}\n\necho two >> {marks}\nexit 3\n")
    code, lines = run(start("batch", str(jobs)))
    assert code == 1
    assert sorted(marks.read_text().split()) == ["one", "two"]
    states = [line.split(": ")[1].split()[0] for line in lines]
    assert states == ["TASK_FINISHED", "TASK_FINISHED", *["TASK_FAILED"] * 3]


def test_service_keeps_its_copies_alive_also_over_its_own_death(
    start: Start, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    arguments = ["--copies=2", "--state=service.id"]
    arguments.append(f"--command=echo $$ >> {pids}; exec sleep 1000")

    def alive(started: int) -> list[int]:
        """The processes of the copies, once so many were started in all."""
        deadline = time.monotonic() + TIMEOUT_S
        while not pids.exists() or len(pids.read_text().split()) < started:
            assert time.monotonic() < deadline, "too few copies"
            time.sleep(0.05)
        known = [int(pid) for pid in pids.read_text().split()]
        assert len(known) == started
        return [pid for pid in known if psutil.pid_exists(pid)]

    first = start("service", *arguments)
    one, two = alive(started=2)
    psutil.Process(one).kill()
    _, three = alive(started=3)
    first.kill()
    first.wait()

    second = start("service", *arguments)
    assert second.stdout is not None
    # It hears of both copies before it looks whether any is missing.
    running: set[str] = set()
    while len(running) < 2:
        name, state = second.stdout.readline().split()
        assert state in ("TASK_STARTING", "TASK_RUNNING")
        if state == "TASK_RUNNING":
            running.add(name)
    time.sleep(1.5)
    assert alive(started=3) == [two, three]
    second.send_signal(signal.SIGINT)
    assert second.wait(TIMEOUT_S) == 0
    assert not (tmp_path / "service.id").exists()
    copies = [psutil.Process(pid) for pid in (two, three) if psutil.pid_exists(pid)]
    _, left = psutil.wait_procs(copies, timeout=15)
    assert left == []


def test_custom_executor_answers_several_tasks_in_one_process(start: Start) -> None:
    code, lines = run(start("custom_executor", "10", "100", "1000", leaders=1))
    assert code == 0
    assert lines == [
        "168 primes below 1000",
        "25 primes below 100",
        "4 primes below 10",
    ]
