"""What a restarted agent makes of its checkpoint. Pure.

A task without a recorded end is over: the agent cannot watch a process that is not
its child, so what is left of it is killed and it is reported failed. Nothing is
started a second time, also not a task that was taken and perhaps never started. The
same holds for executors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from agent.machine import Machine
from agent.machine.events import AgentRestarted
from agent.machine.tasks import USED_IDS_MAX, TaskTable, remember_used
from agent.records import (
    MARK_BYTES,
    EndCommitted,
    Ended,
    ExecutorEndCommitted,
    ExecutorEnded,
    ExecutorKey,
    ExecutorRun,
    ExecutorStarted,
    ExecutorTaken,
    ProcessMark,
    Record,
    Started,
    Taken,
    UsedIds,
    mark_of,
)
from raftleader.protocol.agent_rpc import ExecutorReport
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
        executor_ids: Of the unended tasks that are an executor's.
        runs: Runs of executors without an end, with the mark of the process likewise.
        reports: Ends of runs that are not known to be committed.
    """

    unended: dict[TaskKey, ProcessMark | None] = attrs.field(factory=dict)
    ended: dict[TaskKey, TaskStatus] = attrs.field(factory=dict)
    used: dict[bytes, None] = attrs.field(factory=dict)
    executor_ids: dict[TaskKey, str] = attrs.field(factory=dict)
    runs: dict[ExecutorKey, tuple[ExecutorRun, ProcessMark | None]] = attrs.field(
        factory=dict
    )
    reports: dict[ExecutorKey, ExecutorReport] = attrs.field(factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever run."""
        return not (
            self.unended or self.ended or self.used or self.runs or self.reports
        )


def recover(records: Iterable[Record]) -> Recovered:
    """Read the records in the order they were written. Total: any prefix will do."""
    found = Recovered()
    for record in records:
        match record:
            case Taken(framework_id, task_id, executor_id):
                found.unended[framework_id, task_id] = None
                if executor_id is not None:
                    found.executor_ids[framework_id, task_id] = executor_id
            case Started(framework_id, task_id, mark):
                found.unended[framework_id, task_id] = mark
            case Ended(framework_id, task_id, status):
                found.unended.pop((framework_id, task_id), None)
                found.executor_ids.pop((framework_id, task_id), None)
                found.ended[framework_id, task_id] = status
            case EndCommitted(framework_id, task_id):
                found.ended.pop((framework_id, task_id), None)
                remember_used(found.used, mark_of((framework_id, task_id)))
            case UsedIds(marks):
                for start in range(0, len(marks), MARK_BYTES):
                    remember_used(found.used, marks[start : start + MARK_BYTES])
            case _:
                _recover_executor(found, record)
    return found


def _recover_executor(
    found: Recovered,
    record: ExecutorTaken | ExecutorStarted | ExecutorEnded | ExecutorEndCommitted,
) -> None:
    match record:
        case ExecutorTaken(framework_id, executor_id, container_id):
            run = ExecutorRun(framework_id, executor_id, container_id)
            found.runs[run.key] = (run, None)
        case ExecutorStarted(framework_id, executor_id, mark):
            taken = found.runs.get((framework_id, executor_id))
            if taken is not None:
                found.runs[framework_id, executor_id] = (taken[0], mark)
        case ExecutorEnded(report):
            key = (report.framework_id, report.executor_id)
            found.runs.pop(key, None)
            found.reports[key] = report
        case ExecutorEndCommitted(framework_id, executor_id):
            found.reports.pop((framework_id, executor_id), None)


def fill_table(table: TaskTable, found: Recovered) -> AgentRestarted:
    """Restore what ended; the event reports the rest, once nothing of it runs."""
    table.used.update(found.used)
    for key, status in found.ended.items():
        table.restore_ended(key, status)
    return AgentRestarted(
        started=tuple(key for key, mark in found.unended.items() if mark),
        taken=tuple(key for key, mark in found.unended.items() if not mark),
        executors=dict(found.executor_ids),
        runs=tuple(run for run, _ in found.runs.values()),
        reports=tuple(found.reports.values()),
    )


def compacted(found: Recovered) -> Iterator[list[Record]]:
    """The fewest records that :func:`recover` reads as ``found``, in portions."""
    marks = list(found.used)[-USED_IDS_MAX:]
    for start in range(0, len(marks), MARKS_PER_RECORD):
        yield [UsedIds(b"".join(marks[start : start + MARKS_PER_RECORD]))]
    for report in found.reports.values():
        yield [ExecutorEnded(report)]
    for executor_key, (run, mark) in found.runs.items():
        taken = ExecutorTaken(*executor_key, run.container_id)
        yield [taken, ExecutorStarted(*executor_key, mark)] if mark else [taken]
    for key, status in found.ended.items():
        yield [Ended(*key, status)]
    for key, mark in found.unended.items():
        task = Taken(*key, found.executor_ids.get(key))
        yield [task, Started(*key, mark)] if mark else [task]


def recovered_of(machine: Machine) -> Recovered:
    """What a restart would find, from memory: for compaction while running."""
    table = machine.tasks
    found = Recovered(used=dict(table.used))
    for key, held in table.held.items():
        end = table.updates.last_of(key)
        if end is not None and end.state.is_terminal:
            found.ended[key] = end
            continue
        assert not held.state.is_terminal, held
        found.unended[key] = held.mark
        if held.run is not None:
            found.executor_ids[key] = held.run.executor_id
    for executor_key, row in machine.executors.rows.items():
        if not row.run.container_id:
            continue  # it never was, and is answered again when it is asked for
        if row.report is None:
            found.runs[executor_key] = (row.run, row.mark)
        else:
            found.reports[executor_key] = row.report
    return found
