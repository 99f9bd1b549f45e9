"""What a test writes down, and reads back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from chaos.history.records import FaultPhase, FaultRecord, OpType
from chaos.history.writer import HistoryWriter
from chaos.testing.errors import BrokenPromiseError
from chaos.testing.history import ChaosHistory
from raftleader.errors import OutcomeUnknownError, UnavailableError


@pytest.fixture
def history(tmp_path: Path) -> Iterator[ChaosHistory]:
    (tmp_path / "workloads").mkdir()
    made = ChaosHistory(tmp_path, HistoryWriter(tmp_path / "workloads" / "test.jsonl"))
    yield made
    made.close()


def test_op_ends_ok_with_what_was_learnt(history: ChaosHistory) -> None:
    with history.op("submit", key="a", value=3) as op:
        op.ok({"answer": 9})
    with history.op("submit", key="b"):
        pass
    first, second = history.operations("submit")
    assert (first.key, first.value, first.answer) == ("a", 3, {"answer": 9})
    assert first.type is second.type is OpType.OK
    assert first.process == second.process


@pytest.mark.parametrize(
    ("error", "how"),
    [
        (UnavailableError("nobody leads"), OpType.FAIL),
        (OutcomeUnknownError("who knows"), OpType.INFO),
        (KeyError("x"), OpType.INFO),
    ],
)
def test_op_ends_as_its_exception_says(
    history: ChaosHistory, error: Exception, how: OpType
) -> None:
    with pytest.raises(type(error)), history.op("submit"):
        raise error
    [operation] = history.operations()
    assert operation.type is how
    assert operation.error.startswith(type(error).__name__)


def test_op_that_was_told_how_it_ended_keeps_that(history: ChaosHistory) -> None:
    with pytest.raises(RuntimeError), history.op("submit") as op:
        op.fail("refused")
        raise RuntimeError
    [operation] = history.operations()
    assert (operation.type, operation.error) == (OpType.FAIL, "refused")
    with pytest.raises(ValueError, match="ended already"):
        op.ok()


def test_a_process_in_doubt_goes_on_under_another_name(history: ChaosHistory) -> None:
    with history.op("submit") as op:
        op.info("no answer")
    with history.op("submit"):
        pass
    first, second = history.operations()
    assert first.process != second.process


def test_ops_of_many_threads_are_of_processes_that_do_one_thing_at_a_time(
    history: ChaosHistory,
) -> None:
    def work() -> None:
        for number in range(20):
            with history.op("submit", value=number):
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = history.operations()
    assert len(found) == 80
    for process in {one.process for one in found}:
        own = [one for one in found if one.process == process]
        for one, following in pairwise(own):
            assert one.ended_ns is not None
            assert one.ended_ns <= following.began_ns


def test_happenings_are_read_back_but_not_words_that_are_judged(
    history: ChaosHistory,
) -> None:
    history.happened("retried", {"job": 1})
    [happening] = history.happenings("retried")
    assert happening.value == {"job": 1}
    with pytest.raises(ValueError, match="'subscribed' is a word of our own"):
        history.happened("subscribed", {})


def test_values_must_be_those_of_json(history: ChaosHistory) -> None:
    words = "submit: the value is none of JSON"
    with pytest.raises(TypeError, match=words), history.op("submit", value=object()):
        pass


def test_faults_of_the_cluster_are_read_back(
    history: ChaosHistory, tmp_path: Path
) -> None:
    with HistoryWriter(tmp_path / "driver.jsonl") as driver:
        for phase, at_ns in ((FaultPhase.INJECT, 10), (FaultPhase.HEAL, 30)):
            driver.write(
                FaultRecord(
                    id=1, fault="kill", phase=phase, at_ns=at_ns, targets=("leader-1",)
                )
            )
    [fault] = history.faults()
    assert (fault.name, fault.began_ns, fault.ended_ns) == ("kill", 10, 30)


def test_registers_are_judged_each_for_itself(history: ChaosHistory) -> None:
    for key, value in (("x", 1), ("y", 2)):
        with history.op("write", key=key, value=value):
            pass
        with history.op("read", key=key) as op:
            op.ok(value)
    assert history.check_linearizable() == 4
    with history.op("read", key="x") as op:
        op.ok(2)
    with pytest.raises(BrokenPromiseError, match="not linearizable:\n  x: "):
        history.check_linearizable()


def test_registers_begin_as_they_are_told(history: ChaosHistory) -> None:
    with history.op("read", key="x") as op:
        op.ok(5)
    assert history.check_linearizable(initial=5) == 1
    with pytest.raises(BrokenPromiseError):
        history.check_linearizable()
