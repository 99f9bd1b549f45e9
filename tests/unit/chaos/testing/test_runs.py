"""A run's folder, and what is said of it."""

from __future__ import annotations

from pathlib import Path

from chaos.judging.judgement import Figures, Judged, Judgement, Problem
from chaos.testing.plugin import repeat_command
from chaos.testing.request import request_of
from chaos.testing.runs import Run, new_folder


def made(folder: Path, *results: Judged) -> Run:
    run = Run(request_of({}, seed=7), folder, "pytest x.py::test_x", "x.py::test_x")
    run.judgement = Judgement.of(results, Figures(not_judged={"P5": "nothing"}))
    return run


def test_folders_of_the_same_name_are_different(tmp_path: Path) -> None:
    names = [new_folder(tmp_path / "a", "x.py::test[a/b]-7").name for _ in range(3)]
    assert names == ["x.py-test-a-b-7", "x.py-test-a-b-7-2", "x.py-test-a-b-7-3"]
    assert new_folder(tmp_path, "///").name == "test"


def test_failure_names_seed_command_report_and_logs(tmp_path: Path) -> None:
    assert made(tmp_path).lines() == [
        "seed    7",
        "repeat  pytest x.py::test_x",
        f"report  {tmp_path}/report.html",
        f"logs    {tmp_path}/nodes/*/log",
    ]


def test_verdict_has_what_is_broken_and_why_something_is_unknown(
    tmp_path: Path,
) -> None:
    problems = [Problem(text=f"bad {number}", node="leader-1") for number in range(7)]
    run = made(
        tmp_path / "gone",
        Judged.of("P1 kept", ("P1",), checked=3, problems=()),
        Judged.of("P4 broken", ("P4", "I4"), checked=9, problems=problems),
        Judged.unknown("P6 cannot tell", ("P6",), "a log is torn"),
    )
    assert run.verdict_lines() == [
        "x.py::test_x, seed 7: 1 checks found nothing wrong, 1 found a broken promise,"
        " 1 cannot tell, 1 had nothing to look at",
        "invalid: P4 broken (P4 I4)",
        *(f"  leader-1: bad {number}" for number in range(5)),
        "  and 2 more; see the report",
        "unknown: P6 cannot tell (P6)",
        "  a log is torn",
    ]


def test_command_can_be_pasted_into_a_shell() -> None:
    assert repeat_command("a/x.py::test_y[seed1]", 7, options=()) == (
        "pytest 'a/x.py::test_y[seed1]' --raftleader-seed 7"
    )
