"""``bench log``: its rows, from real processes, and what it refuses."""

from __future__ import annotations

import json
import os
from io import StringIO
from pathlib import Path

import pytest
import trio

from raftleader.cli.bench_log import ENGINES, bench_log
from raftleader.cli.bench_log_node import CountingMachine, Lines
from raftleader.cli.output import Output
from raftleader.errors import ConfigError


@pytest.mark.end_to_end
async def test_bench_log_measures_every_engine_at_every_concurrency(
    tmp_path: Path,
) -> None:
    out = StringIO()
    output = Output(as_json=True, out=out, err=StringIO())
    await bench_log(ENGINES, [1, 8], 0.2, tmp_path, output)
    rows = json.loads(out.getvalue())["rows"]
    assert [(row["engine"], row["concurrency"]) for row in rows] == [
        ("raft", 1),
        ("raft", 8),
        ("pysyncobj", 1),
        ("pysyncobj", 8),
    ]
    for row in rows:
        assert row.keys() == {"engine", "concurrency", "per_s", "p50_ms", "p99_ms"}
        assert row["per_s"] > 0
        assert 0 < row["p50_ms"] <= row["p99_ms"]
    assert await trio.to_thread.run_sync(os.listdir, tmp_path) == []


@pytest.mark.parametrize(
    ("engines", "concurrencies"), [(["paxos"], [1]), ([], [1]), (["raft"], [0])]
)
async def test_bench_log_refuses_what_cannot_be_measured(
    engines: list[str], concurrencies: list[int]
) -> None:
    with pytest.raises(ConfigError):
        await bench_log(engines, concurrencies, 1, None, Output())


def test_counting_machine_comes_back_from_a_snapshot() -> None:
    machine, other = CountingMachine(), CountingMachine()
    for index in range(1, 13):
        machine.apply(index, 1, b"")
    restoration = other.restore()
    for chunk in machine.capture():
        restoration.feed(chunk[:1])
        restoration.feed(chunk[1:])
    assert other.count == 0
    restoration.finish()
    assert other.count == 12


async def test_lines_are_read_whole_however_they_come() -> None:
    left, right = trio.testing.memory_stream_pair()
    await left.send_all(b"one\ntw")
    await left.send_all(b"o\nthree")
    await left.send_eof()
    assert [line async for line in Lines(right)] == [b"one", b"two"]
