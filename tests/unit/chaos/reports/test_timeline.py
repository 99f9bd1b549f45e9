from __future__ import annotations

from pathlib import Path

from chaos.history.queries import Operation
from chaos.history.records import OpType
from chaos.reports.material import Material
from chaos.reports.panels.panel import TIME, Axis
from chaos.reports.panels.timeline import LANES_MAX, MARKS_MAX, chosen, timeline

MS = 1_000_000
AXIS = Axis(name=TIME, begin=0.0, end=1000.0)


def operation(
    number: int,
    *,
    began_ms: float,
    took_ms: float | None = 1.0,
    type: OpType = OpType.OK,
    error: str = "",
) -> Operation:
    began_ns = round(began_ms * MS)
    return Operation(
        process="churn-1/1",
        id=number,
        f="accept",
        key="agent-1",
        type=type,
        began_ns=began_ns,
        ended_ns=None if took_ms is None else began_ns + round(took_ms * MS),
        value=None,
        error=error,
    )


def material(operations: list[Operation]) -> Material:
    return Material(
        folder=Path(), operations=operations, began_ns=0, ended_ns=1000 * MS
    )


def test_chosen_are_all_that_went_wrong_and_the_longest() -> None:
    operations = [operation(n, began_ms=n / 100) for n in range(1000)]
    operations[300] = operation(300, began_ms=3.0, type=OpType.INFO, took_ms=None)
    operations[500] = operation(500, began_ms=5.0, type=OpType.FAIL)
    operations[700] = operation(700, began_ms=7.0, took_ms=90.0)
    kept = chosen(operations, most=100)
    assert len(kept) == 100
    assert {300, 500, 700} <= {one.id for one in kept}
    assert kept == sorted(kept, key=lambda one: one.began_ns)
    ids = sorted(one.id for one in kept)
    assert ids[0] < 50 and ids[-1] > 950  # from everywhere, not from the beginning


def test_chosen_are_no_more_than_asked_for_even_if_all_went_wrong() -> None:
    operations = [
        operation(n, began_ms=n, type=OpType.FAIL, took_ms=n) for n in range(1, 50)
    ]
    assert [one.id for one in chosen(operations, most=5)] == [45, 46, 47, 48, 49]


def test_timeline_says_what_is_not_drawn() -> None:
    few = timeline(material([operation(1, began_ms=5.0)]), AXIS)
    assert few.panel.note == ""
    many = [operation(n, began_ms=n / 20) for n in range(MARKS_MAX + 2000)]
    drawn = timeline(material(many), AXIS)
    assert len(drawn.marks["rows"]) == MARKS_MAX
    assert "Of 12,000 operations 2,000" in drawn.panel.note


def test_timeline_draws_operations_at_the_same_time_above_each_other() -> None:
    together = [operation(n, began_ms=n, took_ms=500.0) for n in range(20)]
    rows = timeline(material(together), AXIS).marks["rows"]
    assert len({row[2] for row in rows}) == LANES_MAX
    after = [operation(n, began_ms=n * 10, took_ms=5.0) for n in range(20)]
    rows = timeline(material(after), AXIS).marks["rows"]
    assert len({row[2] for row in rows}) == 1


def test_timeline_draws_what_never_ended_to_the_end() -> None:
    lost = operation(1, began_ms=400.0, took_ms=None, type=OpType.INFO, error="x" * 999)
    drawn = timeline(material([lost]), AXIS)
    (row,) = drawn.marks["rows"]
    assert row[:2] == [400.0, 1000.0]
    assert row[3] == -1.0
    assert drawn.marks["error"] == ["x" * 160]
