"""What the end of a task means as an exit code."""

from __future__ import annotations

import pytest

from raftleader.cli.task_end import exit_code_of_task
from raftleader.protocol.ids import TaskId
from raftleader.protocol.tasks import Source, TaskState, TaskStatus


@pytest.mark.parametrize(
    ("state", "message", "code"),
    [
        (TaskState.FINISHED, "Command exited with status 0", 0),
        (TaskState.FAILED, "Command exited with status 42", 42),
        (TaskState.FAILED, "Command terminated by signal SIGKILL", 137),
        (TaskState.FAILED, "Command terminated by signal 15", 143),
        (TaskState.FAILED, "there is no program nonsense", 1),
        (TaskState.KILLED, "Command exited with status 0; killed by an operator", 1),
        (TaskState.LOST, None, 1),
        (TaskState.FINISHED, None, 0),
    ],
)
def test_end_of_the_task_is_our_exit_code(
    state: TaskState, message: str | None, code: int
) -> None:
    end = TaskStatus(
        task_id=TaskId("t-1"), state=state, source=Source.AGENT, message=message
    )
    assert exit_code_of_task(end) == code
