"""``raftleader chaos replay``: a seed is one run, to the last byte, in any process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def replay(seed: int, *options: str, hash_seed: int, trace: Path) -> Any:
    """Its report. Another process, and another order of sets, for each hash seed."""
    command = [sys.executable, "-P", "-m", "raftleader", "chaos", "replay", str(seed)]
    done = subprocess.run(
        [*command, *options, "--json", "--trace", str(trace)],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=trace.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(hash_seed)},
    )
    assert done.returncode in (0, 1, 2), done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "options",
    [
        ("--level", "fast", "--seconds", "20"),
        ("--level", "whole", "--seconds", "5"),
        ("--level", "whole", "--engine", "pysyncobj", "--seconds", "5"),
    ],
    ids=["fast", "whole", "whole-pysyncobj"],
)
def test_replay_gives_the_same_trace_in_another_process(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    first, again, other = (tmp_path / name for name in ("first", "again", "other"))
    reports = [
        replay(3, *options, hash_seed=1, trace=first),
        replay(3, *options, hash_seed=2, trace=again),
    ]
    assert first.read_bytes() == again.read_bytes()
    assert reports[0] == reports[1]
    assert len(first.read_text().splitlines()) > 100
    replay(4, *options, hash_seed=1, trace=other)
    assert other.read_bytes() != first.read_bytes()
    # Nothing of a simulated node is on a real disk.
    assert sorted(tmp_path.iterdir()) == sorted([first, again, other])
