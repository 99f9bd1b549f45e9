from __future__ import annotations

from pathlib import Path

import pytest

from chaos.history.queries import Operation
from chaos.history.records import Happening, OpType
from chaos.judging.judgement import Figures, Judged, Judgement, Problem
from chaos.reports.diagram import DIAGRAMS_MAX, diagrams_of
from chaos.reports.diagram_events import Event, Kind
from chaos.reports.diagram_excerpt import (
    CLIENTS_MAX,
    EVENTS_MAX,
    excerpt,
    join_alike,
    join_applied,
)
from chaos.reports.material import MS, Material, read_material


def applied(at_ns: int, lane: str, index: int) -> Event:
    return Event(
        at_ns=at_ns,
        kind=Kind.APPLY,
        lane=lane,
        text=f"applies {index}",
        indexes=(index, index),
    )


def call(at_ns: int, lane: str = "a", to: str = "n", alike: str = "read") -> Event:
    return Event(
        at_ns=at_ns, kind=Kind.CALL, lane=lane, to=to, text="read 1", alike=alike
    )


def test_entries_one_after_the_other_are_one_event() -> None:
    events = [applied(1, "n", 5), applied(2, "m", 6), applied(3, "n", 7)]
    assert [event.text for event in join_applied(events)] == [
        "applies 5 to 7",
        "applies 6",
    ]


def test_entries_around_a_call_are_two_events() -> None:
    events = [applied(1, "n", 5), call(2), applied(3, "n", 6), applied(4, "n", 7)]
    assert [event.text for event in join_applied(events)] == [
        "applies 5",
        "read 1",
        "applies 6 to 7",
    ]


def test_calls_that_are_alike_are_one_event() -> None:
    events = [call(1), call(2), call(3), call(4, lane="b"), call(5, alike="")]
    assert [(one.text, one.count) for one in join_alike(events)] == [
        ("3 x read", 3),
        ("read 1", 1),
        ("read 1", 1),
    ]


def operation(number: int, began_ms: int, ended_ms: int | None, name: str) -> Operation:
    return Operation(
        process=f"{name}/1",
        id=number,
        f=f"f{number}",
        key="",
        type=OpType.OK if ended_ms else OpType.INFO,
        began_ns=began_ms * MS,
        ended_ns=ended_ms * MS if ended_ms else None,
        value=None,
        node="leader-1",
    )


def test_excerpt_has_the_nearest_events_and_few_clients() -> None:
    operations = [
        operation(number, 1000 + number, 1001 + number, f"w-{number % 9}")
        for number in range(-300, 300)
    ]
    material = Material(
        folder=Path(), operations=operations, began_ns=0, ended_ns=2000 * MS
    )
    problem = Problem(text="wrong", at_ns=1000 * MS, node="w-7/1")
    found = excerpt(material, problem)
    assert len(found.events) == EVENTS_MAX + 1
    assert found.left_out > 0
    clients = [lane for lane in found.lanes if lane.startswith("w-")]
    assert len(clients) == CLIENTS_MAX
    assert "w-7" in clients
    (mark,) = [event for event in found.events if event.kind is Kind.PROBLEM]
    assert mark.text == "wrong"
    times = [event.at_ns for event in found.events]
    assert times == sorted(times)


def test_excerpt_tells_how_the_violating_call_began_long_before() -> None:
    material = Material(
        folder=Path(),
        operations=[operation(1, 100, 8000, "w"), operation(2, 200, 8000, "v")],
        began_ns=0,
        ended_ns=9000 * MS,
    )
    found = excerpt(material, Problem(text="wrong", at_ns=8000 * MS, node="w/1"))
    calls = [event.text for event in found.events if event.kind is Kind.CALL]
    assert calls == ["f1"]


def test_excerpt_has_the_entry_in_question_with_its_commands(
    violated_run: Path,
) -> None:
    material = read_material(violated_run)
    entry = material.stream.entries[200]
    problem = Problem(
        text="wrong", at_ns=entry.at_ns, node="leader-1", index=entry.index
    )
    texts = [event.text for event in excerpt(material, problem).events]
    (found,) = [text for text in texts if text.startswith(f"applies {entry.index}:")]
    assert f"(term {entry.term})" in found


def judged(checker: str, *times_ms: int) -> Judged:
    return Judged.of(
        checker,
        ("P1",),
        checked=5,
        problems=[Problem(text="wrong", at_ns=ms * MS) for ms in times_ms],
    )


def test_diagrams_are_few_and_of_different_checks_first() -> None:
    results = [judged("one", 100, 1000, 2000, 3000), judged("two", 120, 5000)]
    material = Material(
        folder=Path(),
        judgement=Judgement.of(results, Figures()),
        began_ns=0,
        ended_ns=9000 * MS,
    )
    diagrams, shown = diagrams_of(material)
    assert len(diagrams) == DIAGRAMS_MAX
    assert shown["one", 0] == shown["two", 0] == "diagram-1"  # 20 ms apart
    assert shown["one", 1] == "diagram-2"
    assert shown["two", 1] == "diagram-3"
    assert ("one", 3) not in shown


@pytest.mark.parametrize("node", ["", "nobody", "<b>/1"])
def test_diagram_of_a_problem_that_nobody_saw_is_drawn(node: str) -> None:
    problem = Problem(text="<i>wrong</i>", at_ns=500 * MS, node=node)
    result = Judged.of("one", ("P1",), checked=1, problems=[problem])
    material = Material(
        folder=Path(),
        judgement=Judgement.of([result], Figures()),
        happenings=[Happening(process="<b>/1", what="error", at_ns=499 * MS)],
        kinds={"<b>": "<u>"},
        began_ns=0,
        ended_ns=900 * MS,
    )
    ((diagram,), _) = diagrams_of(material)
    assert "<i>" not in diagram.picture
    assert "<b>" not in diagram.picture
    assert "&lt;i&gt;wrong" in diagram.picture
