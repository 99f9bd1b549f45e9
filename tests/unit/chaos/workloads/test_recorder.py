"""What a workload writes down."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from chaos.history.merge import read_history
from chaos.history.queries import operations
from chaos.history.records import Happening, Op, OpType
from chaos.history.writer import HistoryWriter
from chaos.workloads.recorder import Recorder, earlier_lives
from raftleader.errors import ApiError, OutcomeUnknownError, UnavailableError

REFUSED = ApiError(400, "no")
LOST = OutcomeUnknownError("the answer was lost")
NEVER_SENT = UnavailableError("nobody there")


class History:
    """A recorder, and what it wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recorder = Recorder("churn-1", HistoryWriter(path))

    def end_with(self, error: Exception | None, *, is_read: bool = False) -> OpType:
        operation = self.recorder.operation("accept", is_read=is_read)
        with operation:
            if error is not None:
                raise error
        assert operation.type is not None
        assert operation.problem is error
        return operation.type

    @property
    def ops(self) -> list[Op]:
        return [op for op in read_history(self.path) if isinstance(op, Op)]


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "history.jsonl")


def test_operation_is_an_invocation_and_its_end(history: History) -> None:
    with history.recorder.operation(
        "read", key="k", value={"of": 1}, node="h:1"
    ) as operation:
        operation.node = "h:2"
        operation.answer = 7
    assert operation.is_ok
    begun, ended = history.ops
    assert (begun.type, begun.value, begun.node) == (OpType.INVOKE, {"of": 1}, "h:1")
    assert (ended.type, ended.value, ended.node) == (OpType.OK, 7, "h:2")
    assert begun.process == ended.process == "churn-1/1"
    assert (begun.id, begun.key) == (ended.id, ended.key)
    assert begun.at_ns <= ended.at_ns


@pytest.mark.parametrize(
    ("error", "of_write", "of_read"),
    [
        (None, OpType.OK, OpType.OK),
        (REFUSED, OpType.FAIL, OpType.FAIL),
        (NEVER_SENT, OpType.FAIL, OpType.FAIL),
        (LOST, OpType.INFO, OpType.FAIL),
    ],
)
def test_operation_ends_as_its_error_says(
    history: History, error: Exception | None, of_write: OpType, of_read: OpType
) -> None:
    assert history.end_with(error) is of_write
    assert history.end_with(error, is_read=True) is of_read


def test_operation_has_no_answer_if_it_did_not_end_well(history: History) -> None:
    with history.recorder.operation("write") as operation:
        operation.answer = 7
        raise LOST
    assert history.ops[-1].value is None
    assert history.ops[-1].error == "OutcomeUnknownError: the answer was lost"


def test_definite_error_in_doubt_is_unknown(history: History) -> None:
    with history.recorder.operation("accept") as operation:
        operation.is_in_doubt = True
        raise NEVER_SENT
    assert operation.type is OpType.INFO


async def test_cancelled_operation_is_unknown_and_stays_cancelled(
    history: History, autojump_clock: trio.testing.MockClock
) -> None:
    with trio.move_on_after(1) as scope, history.recorder.operation("accept"):
        await trio.sleep_forever()
    assert scope.cancelled_caught
    assert [op.type for op in history.ops] == [OpType.INVOKE, OpType.INFO]


def test_bug_in_an_operation_is_let_out(history: History) -> None:
    with pytest.raises(ZeroDivisionError), history.recorder.operation("accept"):
        raise ZeroDivisionError
    assert history.ops[-1].type is OpType.INFO


def test_processes_do_one_thing_after_the_other(history: History) -> None:
    recorder = history.recorder
    with recorder.operation("a"):
        with recorder.operation("b"):
            pass
        with recorder.operation("c"):
            pass
    with recorder.operation("d"):
        pass
    names = [op.process for op in history.ops if op.type is OpType.INVOKE]
    assert names == ["churn-1/1", "churn-1/2", "churn-1/2", "churn-1/1"]
    assert len(operations(history.ops)) == 4


def test_process_that_was_told_info_is_never_used_again(history: History) -> None:
    for error in (LOST, None, LOST, REFUSED, None):
        history.end_with(error)
    names = [op.process for op in history.ops if op.type is OpType.INVOKE]
    assert names == ["churn-1/1", "churn-1/2", "churn-1/2", "churn-1/3", "churn-1/3"]


def test_recorder_counts_ends_and_tells_happenings(history: History) -> None:
    for error in (LOST, None, None):
        history.end_with(error)
    history.recorder.tell("offer", id="O-1")
    assert history.recorder.summary() == {"accept": {"info": 1, "ok": 2}}
    told = read_history(history.path)[-1]
    assert isinstance(told, Happening)
    assert (told.process, told.what, told.value) == ("churn-1", "offer", {"id": "O-1"})


def test_next_life_goes_on_behind_the_processes_of_the_last(history: History) -> None:
    assert earlier_lives(history.path.with_name("none")) == (0, 0)
    history.recorder.tell("began", kind="churn")
    history.end_with(LOST)
    history.end_with(LOST)
    assert earlier_lives(history.path) == (1, 2)
    again = Recorder("churn-1", HistoryWriter(history.path), first_process=3)
    with again.operation("accept"):
        pass
    assert history.ops[-1].process == "churn-1/3"
    assert len(operations(history.ops)) == 3
