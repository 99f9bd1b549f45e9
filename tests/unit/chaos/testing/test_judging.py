"""What is said of a test, and not of a run that sets out to show everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.history.merge import merge_histories
from chaos.history.writer import HistoryWriter
from chaos.judging.check import NOTHING_SEEN
from chaos.judging.judge import judge
from chaos.judging.judgement import Judgement
from chaos.live.outcome import SETTLED, Bound, Ending, Outcome
from chaos.live.run_file import HISTORY, RUN, VERSION, write_json
from chaos.results import Verdict
from chaos.testing.history import ChaosHistory

ANSWERED = "P1 answered means in the log"


def judged(folder: Path, **keys: str) -> Judgement:
    """Without nodes: what was asked for cannot be in any log."""
    write_json(folder / RUN, {"version": VERSION, "nodes": [], **keys})
    path = folder / "workloads" / "test.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.touch()
    merge_histories([path], folder / HISTORY)
    return judge(folder)


def unseen(judgement: Judgement) -> set[str]:
    return {
        one.checker
        for one in judgement.results
        if [problem.text for problem in one.problems] == [NOTHING_SEEN]
    }


def test_a_test_need_not_show_everything(tmp_path: Path) -> None:
    of_run, of_test = judged(tmp_path), judged(tmp_path, test="x.py::test_x")
    assert ANSWERED in unseen(of_run)
    assert not unseen(of_test)
    assert unseen(of_run) <= set(of_test.figures.not_judged)
    assert "enough was seen" in of_test.figures.not_judged
    assert "enough was seen" not in of_run.figures.not_judged


@pytest.mark.parametrize(
    ("f", "value", "verdict"),
    [
        ("accept", {"tasks": [{"task_id": "t1"}]}, Verdict.INVALID),
        ("accept", {"tasks": ["t1"]}, None),
        ("accept", "t1", None),
        ("kill", {"task_id": "t1"}, Verdict.INVALID),
        ("kill", "leader", None),
        ("write", 3, None),
    ],
)
def test_operations_of_a_test_are_judged_if_they_say_what_they_are_about(
    tmp_path: Path, f: str, value: object, verdict: Verdict | None
) -> None:
    folder = tmp_path / "workloads"
    folder.mkdir()
    history = ChaosHistory(tmp_path, HistoryWriter(folder / "test.jsonl"))
    with history.op(f, key="weight web", value=value):
        pass
    history.close()
    judgement = judged(tmp_path, test="x.py::test_x")
    found = {one.checker: one.verdict for one in judgement.results}
    assert found.get(ANSWERED) is verdict


def test_without_workloads_nothing_has_to_settle() -> None:
    outcome = Outcome(ending=Ending.COMPLETE, ready=Bound(within_s=1.0, took_s=0.1))
    assert SETTLED in [one.checker for one in outcome.judged()]
    outcome.nodes = [{"name": "leader-1", "kind": "leader", "log": "x"}]
    assert SETTLED not in [one.checker for one in outcome.judged()]
    outcome.nodes.append({"name": "framework-1", "kind": "framework", "log": "y"})
    assert SETTLED in [one.checker for one in outcome.judged()]
