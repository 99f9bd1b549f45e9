"""A whole cluster under faults, for a few seeds and for those that found something.

In an interpreter of its own with a fixed hash seed, so that a failure replays:
``python -m chaos.sim SEED --fault-s SECONDS --trace``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOUND = [
    line.split()[0]
    for line in (Path(__file__).parent / "seeds.txt").read_text().splitlines()
    if line.strip() and not line.startswith(("#", "fast "))
]

MOST = 0.75
"""So many of the runs must have seen enough to tell, however the dice fall."""


@pytest.mark.parametrize(
    ("seeds", "fault_s"),
    [(["1-10"], "12"), (FOUND, "30")],
    ids=["fixed", "found"],
)
def test_cluster_keeps_its_promises_under_faults(
    seeds: list[str], fault_s: str
) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "chaos.sim", *seeds, "--fault-s", fault_s],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode in (0, 2), run.stdout
    assert run.stdout.count(": valid,") >= MOST * run.stdout.count("seed "), run.stdout
    assert "seed " in run.stdout
