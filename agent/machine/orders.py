"""What orders of a leader say, and how ends are put into words. Pure."""

from __future__ import annotations

from agent.checks.definition import task_problem
from agent.machine.events import ProcessExit
from raftleader.protocol.agent_rpc import TaskOrder
from raftleader.protocol.tasks import ExecutorType


def problem_of(order: TaskOrder) -> str | None:
    """Why this task cannot be run here, whoever tries."""
    task = order.task
    unsupported = task.unsupported
    if task.executor is not None:
        unsupported = (*unsupported, *task.executor.unsupported)
    if unsupported:
        return f"not supported by this agent: {', '.join(unsupported)}"
    if order.group and task.executor is None:
        return "a task of a group needs an executor"
    if is_run_by_agent(order) and (task.command is None or not task.command.value):
        return "the task has no command"
    return task_problem(task)


def is_run_by_agent(order: TaskOrder) -> bool:
    """Whether no program of the framework runs it."""
    executor = order.task.executor
    return executor is None or executor.type is ExecutorType.DEFAULT


def describe_exit(exit_: ProcessExit) -> str:
    """As Mesos' executors put it."""
    if exit_.signal is not None:
        return f"terminated by signal {exit_.signal}"
    return f"exited with status {exit_.code}"
