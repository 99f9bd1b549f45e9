"""The tasks of a framework as it knows them itself."""

from __future__ import annotations

import pytest

from chaos.workloads import book as book_module
from chaos.workloads.book import Launch, TaskBook
from raftleader.protocol.ids import AgentId, TaskId
from raftleader.protocol.tasks import Source, TaskInfo, TaskState, TaskStatus

T1, T2 = TaskId("t1"), TaskId("t2")
AGENT = AgentId("A-1")


def info(task_id: TaskId) -> TaskInfo:
    return TaskInfo(name="t", task_id=task_id, agent_id=AGENT)


def status(
    state: TaskState, task_id: TaskId = T1, *, uuid: bytes | None = b"u" * 16
) -> TaskStatus:
    return TaskStatus(
        task_id=task_id,
        state=state,
        source=Source.AGENT,
        agent_id=AGENT,
        uuid=uuid,
    )


@pytest.fixture
def book() -> TaskBook:
    book = TaskBook()
    book.asked([info(T1)], now_ns=5)
    return book


def test_task_is_left_until_its_end_is_acknowledged(book: TaskBook) -> None:
    book.accepted([T1])
    book.heard(status(TaskState.RUNNING), 6)
    assert [task.task_id for task in book.live] == [T1]
    book.heard(status(TaskState.FINISHED), 7)
    assert book.live == []
    assert book.left() == [
        {
            "task_id": "t1",
            "agent_id": "A-1",
            "state": "TASK_FINISHED",
            "launch": "accepted",
        }
    ]
    book.acknowledged(T1)
    assert book.left() == []
    assert book.ended == {T1: TaskState.FINISHED}
    assert book.is_known(T1)


def test_acknowledging_what_is_no_end_ends_nothing(book: TaskBook) -> None:
    book.heard(status(TaskState.RUNNING), 6)
    book.acknowledged(T1)
    assert [task.task_id for task in book.live] == [T1]


def test_end_without_uuid_needs_no_acknowledgement(book: TaskBook) -> None:
    book.heard(status(TaskState.FINISHED, uuid=None), 6)
    assert book.left() == []
    assert book.heard(status(TaskState.FINISHED), 7) is None
    assert book.left() == []


def test_refused_launch_leaves_nothing(book: TaskBook) -> None:
    book.refused([T1])
    assert book.left() == []
    assert not book.is_known(T1)


@pytest.mark.parametrize(
    ("launch", "is_left"),
    [(Launch.ASKED, True), (Launch.ACCEPTED, True), (Launch.DOUBTFUL, False)],
)
def test_unknown_ends_only_what_is_doubtful(
    book: TaskBook, launch: Launch, is_left: bool
) -> None:
    if launch is Launch.ACCEPTED:
        book.accepted([T1])
    elif launch is Launch.DOUBTFUL:
        book.doubted([T1])
    assert book.heard(status(TaskState.UNKNOWN, uuid=None), 6) is None
    assert bool(book.left()) is is_left


def test_a_task_that_is_not_there_yet_has_not_ended(book: TaskBook) -> None:
    # Its ACCEPT is on its way, or will be repeated; then it may be refused.
    assert book.heard(status(TaskState.GONE, uuid=None), 6) is None
    assert book.tasks[T1].launch is Launch.ASKED
    book.heard(status(TaskState.DROPPED), 7)
    assert book.ended == {T1: TaskState.DROPPED}


def test_a_task_in_doubt_that_is_not_there_is_forgotten(book: TaskBook) -> None:
    book.doubted([T1])
    assert book.heard(status(TaskState.GONE, uuid=None), 6) is None
    assert T1 not in book.tasks


def test_a_task_that_was_there_and_is_gone_has_ended(book: TaskBook) -> None:
    book.accepted([T1])
    book.heard(status(TaskState.GONE, uuid=None), 6)
    assert book.ended == {T1: TaskState.GONE}


def test_news_of_a_task_show_that_it_was_launched(book: TaskBook) -> None:
    book.doubted([T1])
    book.heard(status(TaskState.STAGING, uuid=None), 6)
    assert book.tasks[T1].launch is Launch.ACCEPTED
    book.doubted([T1])
    assert book.tasks[T1].launch is Launch.ACCEPTED


def test_task_of_an_earlier_life_is_taken_over() -> None:
    book = TaskBook()
    task = book.heard(status(TaskState.RUNNING, T2, uuid=None), 9)
    assert task is not None
    assert (task.launch, task.since_ns) == (Launch.ACCEPTED, 9)
    assert [t.task_id for t in book.live] == [T2]


def test_end_of_an_earlier_life_waits_for_its_acknowledgement() -> None:
    book = TaskBook()
    assert book.heard(status(TaskState.FINISHED, T1, uuid=None), 9) is None
    assert book.left() == []
    book.heard(status(TaskState.FAILED, T2), 9)
    assert [line["task_id"] for line in book.left()] == ["t2"]
    book.acknowledged(T2)
    assert book.left() == []


def test_task_on_an_unreachable_agent_lives(book: TaskBook) -> None:
    book.heard(status(TaskState.UNREACHABLE), 6)
    assert [task.state for task in book.live] == [TaskState.UNREACHABLE]


def test_ended_tasks_are_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_module, "ENDED_MAX", 2)
    book = TaskBook()
    for name in ("a", "b", "c"):
        book.heard(status(TaskState.FINISHED, TaskId(name)), 1)
        book.acknowledged(TaskId(name))
    assert list(book.ended) == ["b", "c"]
