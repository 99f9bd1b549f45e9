from __future__ import annotations

import io
from pathlib import Path

import msgspec

from raftleader.cli.bench_snapshot import bench_snapshot, measure
from raftleader.cli.output import Output
from raftleader.cli.synthetic_state import synthetic_state
from raftleader.state.invariants import violations


def test_synthetic_state_is_one_that_can_be() -> None:
    shown: list[int] = []
    state = synthetic_state(7, 30, shown.append)
    assert (len(state.agents), len(state.tasks), len(state.offers)) == (7, 30, 7)
    assert violations(state) == []
    assert shown[-1] == 37


async def test_measure_restores_what_it_captured(tmp_path: Path) -> None:
    output = Output(out=io.StringIO(), err=io.StringIO())
    figures = await measure(synthetic_state(7, 30), str(tmp_path), output)
    assert (figures.agents, figures.tasks) == (7, 30)
    assert figures.bytes > 10_000
    pauses = (
        figures.longest_capture_step_ms,
        figures.longest_restore_step_ms,
        figures.capture_call_ms,
    )
    assert figures.longest_pause_ms == max(pauses) > 0


async def test_bench_snapshot_prints_one_record() -> None:
    out = io.StringIO()
    await bench_snapshot(3, 10, Output(as_json=True, out=out, err=io.StringIO()))
    record = msgspec.json.decode(out.getvalue())
    assert record["agents"] == 3
    assert record["tasks"] == 10
    assert record["longest_pause_ms"] > 0
