"""Runs as a person starts them: short ones, of real processes, to their verdict."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from chaos.machine.capabilities import Ability, probe
from raftleader.cli.local_process import child_command, child_environment

pytestmark = pytest.mark.end_to_end
WITHIN_S = 100
SMALL = ("--agents", "2", "--workload", "churn,registry", "--seed", "3")

Finished = subprocess.CompletedProcess[str]
RunLive = Callable[..., Finished]


def chaos(folder: Path, *arguments: str) -> Finished:
    return subprocess.run(
        [*child_command(), "chaos", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=child_environment(),
        timeout=WITHIN_S,
    )


def test_a_run_is_valid_and_can_be_judged_again(tmp_path: Path) -> None:
    machine = probe()
    disks = "power-cut@majority" if machine.has(Ability.LOOP_EXT4) else "lost-disk"
    faults = f"kill@leader,{disks}"
    arguments = ("--for", "12s", "--faults", faults, *SMALL, "--report", "run")
    done = chaos(tmp_path, "live", *arguments, "--json")

    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["verdict"] == "valid"
    assert document["ending"] == "complete"
    fired = document["figures"]["faults"]
    assert fired["kill"]["fired"] and fired[disks.partition("@")[0]]["fired"]
    judged = {name for one in document["results"] for name in one["promises"]}
    assert {f"P{number}" for number in range(1, 11)} <= judged
    assert document["command"].startswith("raftleader chaos live --seed 3 --for 12s ")

    report = Path(document["report"])
    assert report == tmp_path / "run" / "report.html"
    assert "<html" in report.read_text()
    assert (tmp_path / "index.html").is_file()
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["judgement"]["verdict"] == "valid"
    for node in run["nodes"]:
        assert (tmp_path / "run" / node["log"]).is_file()

    again = chaos(tmp_path, "check", "run", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["figures"] == document["figures"]
    assert chaos(tmp_path, "report", "run").stdout.strip() == str(report)

    refused = chaos(tmp_path, "live", *arguments)
    assert refused.returncode == 2
    assert "there is something already" in refused.stderr


def test_a_run_needs_neither_root_nor_namespaces(tmp_path: Path) -> None:
    done = chaos(
        tmp_path,
        "live",
        *("--for", "8s", "--faults", "partition,reset,loss", *SMALL),
        *("--no-house", "--report", "run"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "loss" in done.stderr
    assert "TCP sends lost packets again, below a proxy" in done.stderr
    assert done.stdout.rstrip().endswith("valid")
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["drawn"]["network"] == "proxies"
    assert run["drawn"]["disks"] == "plain"


class Started:
    """A run that goes on, and what it has started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with (folder / "out").open("wb") as out:
            self.process = subprocess.Popen(
                [
                    *child_command(),
                    *("chaos", "live", "--for", "60s", "--faults", "kill,agent-kill"),
                    *(*SMALL, "--report", "run"),
                ],
                stdout=out,
                stderr=out,
                cwd=folder,
                env=child_environment(),
            )
        self.others: list[psutil.Process] = []

    def wait_faults(self) -> None:
        """Until a fault has been made."""
        records = self.folder / "run" / "driver.jsonl"
        end = time.monotonic() + WITHIN_S
        while b'"kind":"fault"' not in (
            records.read_bytes() if records.exists() else b""
        ):
            assert self.process.poll() is None, (self.folder / "out").read_text()
            assert time.monotonic() < end
            time.sleep(0.05)
        self.others = psutil.Process(self.process.pid).children(recursive=True)
        assert len(self.others) > 8

    def still_there(self) -> list[str]:
        """Of what it had started, after a moment."""
        _, alive = psutil.wait_procs(self.others, timeout=10)
        return [" ".join(one.cmdline()) for one in alive]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    one = Started(tmp_path)
    yield one
    if one.process.poll() is None:
        one.process.kill()
        one.process.wait()


def run_json(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run" / "run.json").read_text())
    return found


def test_ctrl_c_heals_and_judges_what_was_seen(
    started: Started, tmp_path: Path
) -> None:
    started.wait_faults()
    started.process.send_signal(signal.SIGINT)
    assert started.process.wait(WITHIN_S) == 130
    assert started.still_there() == []
    run = run_json(tmp_path)
    assert run["outcome"]["ending"] == "cut short"
    assert run["outcome"]["settled"]["took_s"] is not None
    verdicts = {one["checker"]: one["verdict"] for one in run["judgement"]["results"]}
    assert verdicts["P4 no resource twice"] == "valid"
    assert verdicts["the run was carried out"] == "unknown"
    assert "unknown (cut short)" in (tmp_path / "out").read_text()


def test_nothing_outlives_a_run_that_is_killed(
    started: Started, tmp_path: Path
) -> None:
    started.wait_faults()
    started.process.kill()
    started.process.wait()
    assert started.still_there() == []
    assert "judgement" not in run_json(tmp_path)
    judged = chaos(tmp_path, "check", "run")
    assert judged.returncode == 2, judged.stdout + judged.stderr
    assert "left no outcome.json" in judged.stdout
