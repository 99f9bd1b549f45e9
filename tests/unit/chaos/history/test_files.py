"""Histories on disk: what is written is read again, whatever kills the writer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chaos.history.merge import merge_histories, read_history
from chaos.history.records import (
    FaultPhase,
    FaultRecord,
    Happening,
    NodeSample,
    Op,
    OpType,
    PhaseRecord,
    ProcessEvent,
    Record,
)
from chaos.history.writer import HistoryWriter, now_ns
from raftleader.errors import InvalidInputError

EVERY_KIND: list[Record] = [
    Op(process="a/1", id=1, type=OpType.INVOKE, f="read", at_ns=5, key="k"),
    Happening(process="a", what="offer", at_ns=6, value={"id": "O-1"}),
    FaultRecord(
        id=1, fault="kill", phase=FaultPhase.INJECT, at_ns=7, targets=("leader-1",)
    ),
    NodeSample(node="leader-1", at_ns=8, is_up=True, role="leader", term=3),
    ProcessEvent(node="agent-1", what="died", at_ns=9, detail="SIGKILL"),
    PhaseRecord(name="faults", at_ns=10),
]


def event(at_ns: int, what: str = "offer") -> Happening:
    return Happening(process="a", what=what, at_ns=at_ns)


def write(path: Path, *records: Record) -> Path:
    with HistoryWriter(path) as history:
        for record in records:
            history.write(record)
    return path


def test_history_reads_back_every_kind_of_record(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *EVERY_KIND)
    assert read_history(path) == EVERY_KIND
    assert len(path.read_text().splitlines()) == len(EVERY_KIND)


def test_writer_goes_on_in_the_same_file_after_a_torn_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", event(1), event(2))
    path.write_bytes(path.read_bytes()[:-9])
    write(path, event(3))
    assert read_history(path) == [event(1), event(3)]


def test_writer_loses_nothing_when_its_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    program = (
        "import os, pathlib, signal, sys\n"
        "from chaos.history.records import Happening\n"
        "from chaos.history.writer import HistoryWriter\n"
        "history = HistoryWriter(pathlib.Path(sys.argv[1]))\n"
        "for n in range(100):\n"
        "    history.write(Happening(process='a', what='offer', at_ns=n))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode == -9
    assert [record.at_ns for record in read_history(path)] == list(range(100))


def test_writer_writes_long_records_whole(tmp_path: Path) -> None:
    long = Happening(process="a", what="offer", at_ns=1, value="x" * 300_000)
    assert read_history(write(tmp_path / "a.jsonl", long)) == [long]


def test_clock_of_histories_is_monotonic() -> None:
    assert now_ns() <= now_ns()


def test_merge_orders_by_time_and_keeps_the_order_of_each_file(tmp_path: Path) -> None:
    first = write(tmp_path / "1", event(1), event(5, "x"), event(5, "y"), event(4))
    second = write(tmp_path / "2", event(5, "z"), event(2))
    merged = merge_histories([first, second], tmp_path / "all")
    assert merged.records == 6
    assert merged.torn == {}
    assert read_history(tmp_path / "all") == [
        event(1),
        event(2),
        event(4),
        event(5, "x"),
        event(5, "y"),
        event(5, "z"),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "all"]


def test_merge_drops_and_counts_torn_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "1", event(1), event(2))
    path.write_bytes(path.read_bytes()[:-1][:-3])
    merged = merge_histories([path, tmp_path / "never-written"], tmp_path / "all")
    assert merged.records == 1
    assert merged.torn == {path: 1}
    assert read_history(tmp_path / "all") == [event(1)]


@pytest.mark.parametrize("cut", [1, 20, 40])
def test_merge_takes_a_line_cut_anywhere_for_torn(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path / "1", event(1))
    path.write_bytes(path.read_bytes()[:cut])
    assert merge_histories([path], tmp_path / "all").torn == {path: 1}


def test_merge_refuses_a_whole_line_that_is_no_record(tmp_path: Path) -> None:
    path = write(tmp_path / "1", event(1))
    with path.open("ab") as file:
        file.write(b'{"kind":"happening","process":"a"}\n')
    with pytest.raises(InvalidInputError, match=r"1:2: is no record.*what"):
        merge_histories([path], tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_reading_a_history_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_history(tmp_path / "none")
