"""The demo on a small scale."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from raftleader.cli.local_process import child_command, child_environment


def test_demo_with_a_kill_keeps_every_promise(tmp_path: Path) -> None:
    done = subprocess.run(
        [*child_command(), "demo", "--json", "--kills=1", "--tasks=60"],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
        env=child_environment(),
    )
    assert done.stdout.count("\n") == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["problems"] == []
    assert report["ok"] is True
    assert done.returncode == 0
    assert (report["tasks"], report["failovers"]) == (60, 1)
    assert report["tasks_run_twice"] == 0
    assert len(report["leaderless_s"]) == len(report["offers_carried"]) == 1
    assert report["offers_carried"][0] >= 1
    assert 0 < report["leaderless_s"][0] < 5
