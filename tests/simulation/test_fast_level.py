"""The fast level: seeds that must pass, runs that repeat themselves, their options."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.results import Verdict
from chaos.sim.fast import simulate_fast
from chaos.sim.options import Fault, draw_options
from chaos.sim.report import Report, total_coverage

SEEDS = range(1, 41)
FOUND = [
    int(line.split()[1])
    for line in (Path(__file__).parent / "seeds.txt").read_text().splitlines()
    if line.startswith("fast ")
]
"""Seeds that found something once."""


@pytest.fixture(scope="module")
def reports() -> list[Report]:
    return [simulate_fast(seed) for seed in SEEDS]


def test_cluster_keeps_its_promises(reports: list[Report]) -> None:
    failed = [str(one) for one in reports if one.verdict is Verdict.INVALID]
    assert not failed, "\n".join(failed)


def test_nearly_every_run_has_seen_enough_to_tell(reports: list[Report]) -> None:
    unknown = [str(one) for one in reports if one.verdict is Verdict.UNKNOWN]
    assert len(unknown) <= 0.05 * len(reports), "\n".join(unknown)


def test_every_class_of_faults_fires(reports: list[Report]) -> None:
    coverage = total_coverage(reports)
    rare = {Fault.TORN_WRITES, Fault.BIT_FLIPS}  # it takes a cut in the middle of one
    never = [fault.label for fault in Fault if not coverage[fault]]
    assert set(never) <= {fault.label for fault in rare}


@pytest.mark.parametrize("seed", FOUND)
def test_seed_that_found_something_finds_nothing_now(seed: int) -> None:
    report = simulate_fast(seed)
    assert report.verdict is Verdict.VALID, str(report)


def run_of(seed: int) -> tuple[Report, list[str]]:
    lines: list[str] = []
    return simulate_fast(seed, seconds=20.0, trace=lines.append), lines


def test_seed_gives_the_same_run_twice_and_another_seed_another() -> None:
    first, lines = run_of(7)
    again, same_lines = run_of(7)
    other, other_lines = run_of(8)
    assert first == again
    assert lines == same_lines
    assert len(lines) > 300
    assert first.trace_hash != other.trace_hash
    assert lines != other_lines


def test_trace_is_as_without_anybody_who_reads_it() -> None:
    traced, _ = run_of(7)
    assert simulate_fast(7, seconds=20.0) == traced


def test_seed_gives_the_same_run_in_processes_with_other_orders_of_sets() -> None:
    program = (
        "from chaos.sim.fast import simulate_fast\n"
        "print([simulate_fast(seed, seconds=30.0).trace_hash for seed in (3, 4)])"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-P", "-c", program],
            env={
                **os.environ,
                "PYTHONHASHSEED": hash_seed,
                "PYTHONPATH": str(Path(__file__).parents[2]),
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "7", "random")
    }
    assert len(hashes) == 1


def test_options_follow_from_the_seed_and_switch_some_faults_off() -> None:
    drawn = [draw_options(seed, level="fast", seconds=60.0) for seed in range(200)]
    assert drawn[5] == draw_options(5, level="fast", seconds=60.0)
    assert drawn[5] != draw_options(5, level="whole", seconds=60.0)
    assert all(len(one.faults) < len(Fault) for one in drawn)
    assert any(len(one.faults) <= 5 for one in drawn)
    for fault in Fault:
        assert 40 < sum(one.is_on(fault) for one in drawn) < 160
    text = str(drawn[5])
    assert all(fault.label in text for fault in Fault)
    assert text.startswith("seed 5 (fast): ")


def test_options_draw_only_what_is_available() -> None:
    few = (Fault.CRASH, Fault.DROP)
    for seed in range(50):
        options = draw_options(seed, level="fast", seconds=1.0, available=few)
        assert set(options.faults) <= set(few)
