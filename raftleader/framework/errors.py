"""What a framework is told when its session or its tasks end badly.

RaftLeaderError
|- FrameworkEndedError   unknown    the leader refuses this framework for good
|- ExecutorEndedError    unknown    the agent refuses this executor for good
|- TaskFailedError       definite   the task ended without a result
|  `- TaskKilledError    definite   it was killed because we asked
`- TaskLostError         unknown    it may have run, it may still run

An exception a function raised on the cluster is none of these: it is raised as
itself, with a RemoteTraceback as its cause.
"""

from __future__ import annotations

from concurrent.futures import CancelledError

from raftleader.errors import RaftLeaderError


class FrameworkEndedError(RaftLeaderError):
    """The leader ended the session with an ERROR event: do not come back.

    Another scheduler took over, the framework was torn down, or what it asked
    for is not allowed. The message is the leader's. A call that was on its way
    then may have been carried out.
    """

    definite = False


class ExecutorEndedError(RaftLeaderError):
    """The agent ended an executor's session with an ERROR event, or refused it.

    The message is the agent's. Updates on their way then may have been taken.
    """

    definite = False


class TaskFailedError(RaftLeaderError):
    """A task ended, and left no result. The message says what is known."""

    def __init__(self, task_id: str, problem: str) -> None:
        super().__init__(f"task {task_id}: {problem}")
        self.task_id = task_id
        self.problem = problem

    def __reduce__(self) -> tuple[type[TaskFailedError], tuple[str, str]]:
        return type(self), (self.task_id, self.problem)


class TaskKilledError(TaskFailedError, CancelledError):
    """A task was killed because its owner asked; a kind of CancelledError."""


class TaskLostError(RaftLeaderError):
    """The cluster lost sight of a task: it may have run, it may still run."""

    definite = False

    def __init__(self, task_id: str, problem: str) -> None:
        super().__init__(f"task {task_id}: {problem}")
        self.task_id = task_id
        self.problem = problem

    def __reduce__(self) -> tuple[type[TaskLostError], tuple[str, str]]:
        return type(self), (self.task_id, self.problem)


class RemoteTraceback(Exception):
    """The traceback of an exception as it was on the machine of the task."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'
