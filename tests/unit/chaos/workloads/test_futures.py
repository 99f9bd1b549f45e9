"""Which ends of a future are right."""

from __future__ import annotations

import random
from concurrent.futures import CancelledError

import pytest

from chaos.workloads import functions
from chaos.workloads.futures import LARGE, Call, describe, draw_call
from raftleader.framework.errors import TaskFailedError, TaskLostError


def call(name: str, number: int = 12) -> Call:
    draws = (draw_call(random.Random(seed), number) for seed in range(1000))
    return next(each for each in draws if each.name == name)


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("square", 144, [12, None, ValueError("12"), TaskFailedError("t", "x")]),
        ("fail", ValueError("12"), [ValueError("13"), TypeError("12"), None]),
        ("quit", TaskFailedError("t", "exited"), [None, TaskLostError("t", "x")]),
        ("nap", 12, [13, ValueError("12")]),
        ("nap", CancelledError(), [TaskFailedError("t", "x")]),
        ("repeat", "2" * LARGE, ["2" * (LARGE - 1), "3" * LARGE]),
    ],
)
def test_call_knows_what_is_right(
    name: str, right: object, wrong: list[object]
) -> None:
    drawn = call(name)
    assert drawn.check(right)
    assert [end for end in wrong if drawn.check(end)] == []
    assert drawn.is_killed is (name == "nap")


@pytest.mark.parametrize("name", ["square", "nap", "repeat"])
def test_functions_do_what_is_right(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    drawn = call(name)
    assert drawn.check(drawn.function(*drawn.arguments))


def test_failing_function_raises_what_is_right() -> None:
    with pytest.raises(ValueError, match="12") as raised:
        functions.fail(12)
    assert call("fail").check(raised.value)


def test_ends_are_described_in_a_few_words() -> None:
    assert describe(7) == "7"
    assert describe(ValueError("x")) == "ValueError: x"
    assert describe("y" * 100) == f"'{'y' * 39}... (102 characters)"
