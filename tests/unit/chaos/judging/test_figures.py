from pathlib import Path

import pytest
from support.synthetic_history import make_synthetic_run

from chaos.judging.judge import judge


def test_figures_tell_of_faults_rates_and_recovery(tmp_path: Path) -> None:
    figures = judge(make_synthetic_run(tmp_path, 1)).figures

    assert {name: one.fired for name, one in figures.faults.items()} == {
        "kill": 1,
        "partition": 1,
        "pause": 1,
    }
    assert figures.kills == 1
    assert figures.elections == 4
    kill = figures.recovery["kill"]
    assert kill.count == 1
    assert 0.4 < kill.to_leader_s[0] < 0.8
    assert kill.to_leader_s[0] <= kill.to_commit_s[0] <= kill.to_reoffer_s[0] < 1.0
    churn = figures.ops["churn-1"]
    assert churn.kind == "churn"
    assert churn.ok > 100
    assert churn.per_s == pytest.approx(churn.ok / 20, rel=0.5)
    assert churn.required_per_s > 0
    gap_s = figures.availability.longest_gap_s["churn-1"]
    assert 0.4 < gap_s < 1.5
    assert figures.availability.longest_gap_by_fault_s["kill"] > 0.4
    assert figures.entries > 1000
    assert figures.offers > 100
    assert "quota is kept" in figures.not_judged


def test_figures_are_empty_when_there_is_nothing_to_measure(tmp_path: Path) -> None:
    figures = judge(tmp_path).figures

    assert figures.entries == 0
    assert figures.recovery == {}
