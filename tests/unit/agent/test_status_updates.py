"""Streams of updates: bounded messages, a task never split between two."""

from __future__ import annotations

from agent.status_updates import (
    MESSAGE_BYTES_MAX,
    UPDATES_PER_MESSAGE_MAX,
    UpdateStreams,
)
from raftleader.limits import RESULT_BYTES_MAX
from raftleader.protocol.ids import FrameworkId, TaskId, TaskKey
from raftleader.protocol.tasks import Source, TaskState, TaskStatus


def key_of(number: int) -> TaskKey:
    return (FrameworkId("fw"), TaskId(f"t{number}"))


def status_of(number: int, *, step: int = 0, data: bytes | None = None) -> TaskStatus:
    return TaskStatus(
        task_id=TaskId(f"t{number}"),
        state=TaskState.RUNNING,
        source=Source.AGENT,
        uuid=(number * 10 + step).to_bytes(16, "big"),
        data=data,
    )


def test_messages_are_bounded_in_count_and_never_split_a_task() -> None:
    streams = UpdateStreams()
    for number in range(UPDATES_PER_MESSAGE_MAX):
        for step in range(3):
            streams.add(key_of(number), status_of(number, step=step))

    messages = streams.take_ready()
    updates = [u for m in messages for u in m.updates]
    assert len(updates) == 3 * UPDATES_PER_MESSAGE_MAX
    assert max(len(m.updates) for m in messages) <= UPDATES_PER_MESSAGE_MAX
    seen: set[str] = set()
    for message in messages:
        tasks = {u.status.task_id for u in message.updates}
        assert not tasks & seen
        seen |= tasks


def test_messages_are_bounded_in_bytes() -> None:
    streams = UpdateStreams()
    for number in range(40):
        streams.add(key_of(number), status_of(number, data=b"x" * RESULT_BYTES_MAX))

    messages = streams.take_ready()
    for message in messages:
        size = sum(len(u.status.data or b"") for u in message.updates)
        assert size <= MESSAGE_BYTES_MAX
    assert sum(len(m.updates) for m in messages) == 40


def test_commit_of_a_later_update_leaves_the_earlier_one_in_flight() -> None:
    streams = UpdateStreams()
    first, second, third = (status_of(1, step=step) for step in range(3))
    streams.add(key_of(1), first)
    streams.add(key_of(1), second)
    streams.take_ready()
    assert second.uuid is not None
    assert first.uuid is not None

    assert streams.commit(second.uuid) == (key_of(1), second)
    streams.add(key_of(1), third)
    assert streams.take_ready() == []
    assert streams.commit(first.uuid) == (key_of(1), first)
    (message,) = streams.take_ready()
    assert [u.status for u in message.updates] == [third]


def test_commit_of_what_is_not_ours_is_ignored() -> None:
    streams = UpdateStreams()
    streams.add(key_of(1), status_of(1))

    assert streams.commit(b"?" * 16) is None
    assert streams.pending_count == 1


def test_drop_forgets_every_update_of_a_task() -> None:
    streams = UpdateStreams()
    streams.add(key_of(1), status_of(1))
    streams.add(key_of(2), status_of(2))
    streams.drop(key_of(1))

    (message,) = streams.take_ready()
    assert [u.status.task_id for u in message.updates] == ["t2"]
    assert streams.pending_count == 1
    assert streams.commit((10).to_bytes(16, "big")) is None
