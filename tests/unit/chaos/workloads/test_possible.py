"""Which answers to a reconciliation can be true."""

from __future__ import annotations

import pytest

from chaos.workloads.possible import Knowledge, problem_with
from raftleader.protocol.tasks import TaskState

S = TaskState


def problem(
    answer: TaskState,
    knowledge: Knowledge,
    heard: TaskState | None = None,
    *,
    has_agent: bool = True,
) -> str | None:
    return problem_with(answer, knowledge=knowledge, heard=heard, has_agent=has_agent)


@pytest.mark.parametrize("answer", list(TaskState))
def test_task_that_never_was_is_nowhere(answer: TaskState) -> None:
    nowhere = {S.UNKNOWN, S.GONE, S.GONE_BY_OPERATOR, S.UNREACHABLE}
    found = problem(answer, Knowledge.NEVER_LAUNCHED)
    assert (found is None) is (answer in nowhere)
    found = problem(answer, Knowledge.NEVER_LAUNCHED, has_agent=False)
    assert (found is None) is (answer is S.UNKNOWN)


@pytest.mark.parametrize("answer", list(TaskState))
def test_task_that_ended_has_ended_so_for_ever(answer: TaskState) -> None:
    found = problem(answer, Knowledge.ENDED, S.FAILED)
    assert (found is None) is (answer is S.FAILED)


def test_launched_task_is_never_unknown() -> None:
    assert problem(S.UNKNOWN, Knowledge.LAUNCHED) == (
        "its launch was answered, and it is said to be unknown"
    )


@pytest.mark.parametrize("answer", [s for s in TaskState if s is not S.UNKNOWN])
def test_launched_task_may_be_anything_before_it_was_heard_of(
    answer: TaskState,
) -> None:
    assert problem(answer, Knowledge.LAUNCHED) is None


@pytest.mark.parametrize(
    ("heard", "answer", "is_possible"),
    [
        (S.STAGING, S.STAGING, True),
        (S.STARTING, S.STAGING, False),
        (S.STARTING, S.STARTING, True),
        (S.RUNNING, S.STARTING, False),
        (S.RUNNING, S.STAGING, False),
        (S.RUNNING, S.RUNNING, True),
        (S.RUNNING, S.KILLING, True),
        (S.RUNNING, S.FINISHED, True),
        (S.RUNNING, S.UNREACHABLE, True),
        (S.UNREACHABLE, S.RUNNING, True),
    ],
)
def test_state_of_a_live_task_does_not_go_back(
    heard: TaskState, answer: TaskState, is_possible: bool
) -> None:
    assert (problem(answer, Knowledge.LAUNCHED, heard) is None) is is_possible
