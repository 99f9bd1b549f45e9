"""Output: the same rows for people and for programs."""

from __future__ import annotations

import io
import json

import pytest

from raftleader.cli.output import Column, Output, cell

ROWS = [
    {"id": "a-1", "cpus": 1.5, "roles": ["web", "*"], "connected": True, "more": 1},
    {"id": "a-2", "cpus": 2.0, "roles": [], "connected": False, "more": None},
]
COLUMNS = [
    Column(key="id", heading="ID"),
    Column(key="cpus", heading="CPUS", right=True),
    Column(key="roles", heading="ROLES"),
    Column(key="connected", heading="CONNECTED"),
]


def outputs(*, as_json: bool) -> tuple[Output, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Output(as_json=as_json, out=out, err=err), out, err


def test_json_is_the_rows_on_one_line_and_nothing_else() -> None:
    output, out, err = outputs(as_json=True)
    output.rows(ROWS, COLUMNS)
    output.note("beside")
    assert json.loads(out.getvalue()) == ROWS
    assert out.getvalue().count("\n") == 1
    assert err.getvalue() == "beside\n"


def test_table_shows_the_named_columns_of_the_same_rows() -> None:
    output, out, _ = outputs(as_json=False)
    output.rows(ROWS, COLUMNS)
    lines = [line.split() for line in out.getvalue().splitlines()]
    assert lines == [
        ["ID", "CPUS", "ROLES", "CONNECTED"],
        ["a-1", "1.5", "web,", "*", "yes"],
        ["a-2", "2", "-", "no"],
    ]


def test_table_takes_markup_in_a_value_literally() -> None:
    output, out, _ = outputs(as_json=False)
    output.rows([{"id": "[bold]x[/nonsense]"}], COLUMNS[:1])
    assert "[bold]x[/nonsense]" in out.getvalue()


def test_record_is_one_object_or_a_table_of_keys() -> None:
    output, out, _ = outputs(as_json=True)
    output.record({"kills": 2, "median_s": 0.25})
    assert json.loads(out.getvalue()) == {"kills": 2, "median_s": 0.25}
    output, out, _ = outputs(as_json=False)
    output.record({"kills": 2, "median_s": 0.25})
    assert [line.split() for line in out.getvalue().splitlines()] == [
        ["kills", "2"],
        ["median_s", "0.25"],
    ]


def test_cell_shows_nested_values_on_one_line() -> None:
    assert cell({"tasks": 3, "agents": 2}) == "tasks 3, agents 2"
    assert cell({}) == "-"
    assert cell([0.1, 0.25]) == "0.1, 0.25"


def test_process_without_standard_output_writes_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdout", None)
    Output().table([{"a": 1}], [Column(key="a", heading="A")])


def test_row_is_one_line_however_narrow_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    output, out, _ = outputs(as_json=False)
    output.table([{"a": "x" * 300, "b": 1}], COLUMNS_WIDE)
    assert out.getvalue().splitlines()[1] == "x" * 300 + "  1"


COLUMNS_WIDE = [Column(key="a", heading="A"), Column(key="b", heading="B")]
