"""A whole cluster under faults, for a few seeds and for those that found something.

To look at one: ``raftleader chaos replay SEED --level whole --trace FILE``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.results import Verdict
from chaos.sim.options import Fault
from chaos.sim.report import Report, total_coverage
from chaos.sim.whole import simulate_whole
from chaos.sim.whole.engines import faults_of
from chaos.zoo.mutants import MODULES
from raftleader.errors import ConfigError
from raftleader.node import Engine

SEEDS = range(1, 9)
FOUND = [
    int(line.split()[1])
    for line in (Path(__file__).parent / "seeds.txt").read_text().splitlines()
    if line.startswith("whole ")
]
"""Seeds that found something once."""
COVERED_MIN = 24
"""Classes of faults that fire in so few runs; all of them do in fifty."""


@pytest.fixture(scope="module")
def reports() -> list[Report]:
    return [simulate_whole(seed, seconds=30.0) for seed in SEEDS]


def test_cluster_keeps_its_promises(reports: list[Report]) -> None:
    failed = [str(one) for one in reports if one.verdict is Verdict.INVALID]
    assert not failed, "\n".join(failed)


def test_most_runs_have_seen_enough_to_tell(reports: list[Report]) -> None:
    unknown = [str(one) for one in reports if one.verdict is Verdict.UNKNOWN]
    assert len(unknown) <= len(reports) / 4, "\n".join(unknown)


def test_faults_of_many_kinds_fire(reports: list[Report]) -> None:
    fired = [fault for fault, times in total_coverage(reports).items() if times]
    assert len(fired) >= COVERED_MIN


def test_report_counts_what_happened(reports: list[Report]) -> None:
    for report in reports:
        assert report.counts["elections"] >= 1
        assert {"acked", "crashes", "snapshots"} <= report.counts.keys()
        assert report.coverage.keys() == set(Fault)
        assert report.options in str(report) or report.verdict is Verdict.VALID


@pytest.mark.parametrize("seed", FOUND)
def test_seed_that_found_something_finds_nothing_now(seed: int) -> None:
    report = simulate_whole(seed)
    assert report.verdict is not Verdict.INVALID, str(report)


def test_pysyncobj_is_simulated_without_the_faults_it_cannot_have() -> None:
    report = simulate_whole(1, seconds=12.0, engine="pysyncobj")
    assert report.engine == "pysyncobj"
    assert report.counts["entries"] > 20
    assert report.coverage.keys() == set(faults_of(Engine.PYSYNCOBJ))
    assert Fault.MEMBERSHIP not in report.coverage


def test_mutant_is_planted_by_its_name() -> None:
    report = simulate_whole(2, seconds=20.0, mutant="drop-an-offer")
    assert report.verdict is Verdict.INVALID
    assert any("forgets offer" in one.message for one in report.violations)


@pytest.mark.parametrize(
    "arguments", [{"engine": "single_node"}, {"engine": "no"}, {"mutant": "no"}]
)
def test_what_does_not_exist_is_refused(arguments: dict[str, str]) -> None:
    assert "no" not in MODULES
    with pytest.raises(ConfigError):
        simulate_whole(1, **arguments)  # type: ignore[arg-type]
