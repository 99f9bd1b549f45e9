"""What a restarted agent makes of its checkpoint. Pure.

A task without a recorded end is over: the agent cannot watch a process that is not
its child, so what is left of it is killed and it is reported failed. Nothing is
started a second time, also not a task that was taken and perhaps never started.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from agent.machine.events import AgentRestarted
from agent.machine.tasks import USED_IDS_MAX, TaskTable, remember_used
from agent.records import (
    MARK_BYTES,
    EndCommitted,
    Ended,
    ProcessMark,
    Record,
    Started,
    Taken,
    UsedIds,
    mark_of,
)
from raftleader.protocol.ids import TaskKey
from raftleader.protocol.tasks import TaskStatus

MARKS_PER_RECORD = 4_096
"""So that a record of used ids has 64 KiB."""


@attrs.define
class Recovered:
    """What the checkpoint says.

    Attributes:
        unended: Tasks without an end, with the mark of the process if it was seen.
        ended: Ends that are not known to be committed.
        used: Marks of tasks whose end is committed, the oldest first.
    """

    unended: dict[TaskKey, ProcessMark | None] = attrs.field(factory=dict)
    ended: dict[TaskKey, TaskStatus] = attrs.field(factory=dict)
    used: dict[bytes, None] = attrs.field(factory=dict)


def recover(records: Iterable[Record]) -> Recovered:
    """Read the records in the order they were written. Total: any prefix will do."""
    found = Recovered()
    for record in records:
        match record:
            case Taken(framework_id, task_id):
                found.unended[framework_id, task_id] = None
            case Started(framework_id, task_id, mark):
                found.unended[framework_id, task_id] = mark
            case Ended(framework_id, task_id, status):
                found.unended.pop((framework_id, task_id), None)
                found.ended[framework_id, task_id] = status
            case EndCommitted(framework_id, task_id):
                found.ended.pop((framework_id, task_id), None)
                remember_used(found.used, mark_of((framework_id, task_id)))
            case UsedIds(marks):
                for start in range(0, len(marks), MARK_BYTES):
                    remember_used(found.used, marks[start : start + MARK_BYTES])
    return found


def fill_table(table: TaskTable, found: Recovered) -> AgentRestarted:
    """Restore what ended; the event reports the rest, once nothing of it runs."""
    table.used.update(found.used)
    for key, status in found.ended.items():
        table.restore_ended(key, status)
    return AgentRestarted(
        started=tuple(key for key, mark in found.unended.items() if mark),
        taken=tuple(key for key, mark in found.unended.items() if not mark),
    )


def compacted(found: Recovered) -> Iterator[list[Record]]:
    """The fewest records that :func:`recover` reads as ``found``, in portions."""
    marks = list(found.used)[-USED_IDS_MAX:]
    for start in range(0, len(marks), MARKS_PER_RECORD):
        yield [UsedIds(b"".join(marks[start : start + MARKS_PER_RECORD]))]
    for key, status in found.ended.items():
        yield [Ended(*key, status)]
    for key, mark in found.unended.items():
        yield [Taken(*key), Started(*key, mark)] if mark else [Taken(*key)]


def recovered_of(table: TaskTable) -> Recovered:
    """What a restart would find, from memory: for compaction while running."""
    found = Recovered(used=dict(table.used))
    for key, held in table.held.items():
        end = table.updates.last_of(key)
        if end is not None and end.state.is_terminal:
            found.ended[key] = end
        else:
            assert not held.state.is_terminal, held
            found.unended[key] = held.mark
    return found
