"""``bench state``: a real leader with a cluster that was made up."""

from __future__ import annotations

import io

import msgspec
import pytest

from raftleader.cli.bench_state import bench_state
from raftleader.cli.output import Output


@pytest.mark.end_to_end
async def test_bench_state_measures_the_page_of_the_cluster_it_was_given() -> None:
    out = io.StringIO()
    await bench_state(20, 100, 2, Output(as_json=True, out=out, err=io.StringIO()))
    record = msgspec.json.decode(out.getvalue())
    assert (record["agents"], record["tasks"], record["reads"]) == (20, 100, 2)
    assert record["bytes"] > 50_000
    assert 0 < record["first_byte_s"] <= record["max_s"]
    assert record["median_s"] <= record["max_s"]
    assert record["longest_pause_ms"] > 0
