"""What an agent holds against what the log says: who must do what. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter

import attrs

from raftleader.protocol.agent_rpc import (
    AgentHello,
    AgentUpdate,
    HeldExecutor,
    HeldTask,
    digest_of_executors,
    digest_of_tasks,
)
from raftleader.protocol.ids import AgentId, FrameworkId, TaskKey
from raftleader.protocol.tasks import TaskState
from raftleader.state.cluster import Agent, ClusterState
from raftleader.state.queries import (
    confirmed_executors,
    confirmed_live_tasks,
    executors_of,
    unconfirmed_tasks,
)
from raftleader.state.task_lifecycle import FROM_AGENT


@attrs.frozen(kw_only=True)
class Difference:
    """What follows from a list of held tasks.

    Attributes:
        lost: In the log as confirmed and alive; the agent does not know them.
        foreign: The agent runs them; the log does not know them, or ended them.
        returned: The log says UNREACHABLE; the agent has them still.
    """

    lost: tuple[TaskKey, ...] = ()
    foreign: tuple[TaskKey, ...] = ()
    returned: tuple[HeldTask, ...] = ()


@attrs.frozen(kw_only=True)
class ExecutorDifference:
    """What follows from a list of held executors.

    Attributes:
        lost: In the log; the agent does not know them.
        foreign: The agent has them; the log does not know them.
    """

    lost: tuple[tuple[FrameworkId, str], ...] = ()
    foreign: tuple[tuple[FrameworkId, str], ...] = ()


def registered_agent(state: ClusterState, hello: AgentHello) -> Agent | None:
    """The agent's row if the log already says all that registering would write."""
    agent_id = state.agent_ids_by_key.get(hello.key)
    agent = state.agents.get(agent_id) if agent_id is not None else None
    if agent is None or agent.unreachable_ms is not None or agent.info != hello.info:
        return None
    if hello.agent_id not in (None, agent.id):
        return None
    return agent


def digest_is_equal(
    state: ClusterState, agent_id: AgentId, digest: bytes, executors: bytes = b""
) -> bool:
    """Whether the agent holds what the log says, so that no list need travel.

    Not while the log takes one of its tasks for UNREACHABLE: its true state is
    only in the list. ``executors`` is the digest of its executors.
    """
    known = confirmed_live_tasks(state, agent_id)
    if any(task.state is TaskState.UNREACHABLE for task in known):
        return False
    confirmed = [
        (executor.framework_id, executor.info.executor_id)
        for executor in confirmed_executors(state, agent_id)
    ]
    return (
        digest_of_tasks([task.key for task in known]) == digest
        and digest_of_executors(confirmed) == executors
    )


def compare_tasks(
    state: ClusterState, agent_id: AgentId, tasks: Iterable[HeldTask]
) -> Difference:
    """Compare a list with the log.

    A task in STAGING is neither lost nor foreign: it may be on its way.
    """
    by_key = {(task.framework_id, task.task_id): task for task in tasks}
    foreign: list[TaskKey] = []
    returned: list[HeldTask] = []
    for key, held in sorted(by_key.items(), key=itemgetter(0)):
        row = state.tasks.get(key)
        if row is None or row.info.agent_id != agent_id or row.state.is_terminal:
            if not held.state.is_terminal:
                foreign.append(key)
        elif row.state is TaskState.UNREACHABLE and held.state in FROM_AGENT:
            returned.append(held)
    known = confirmed_live_tasks(state, agent_id)
    return Difference(
        lost=tuple(task.key for task in known if task.key not in by_key),
        foreign=tuple(foreign),
        returned=tuple(returned),
    )


def compare_executors(
    state: ClusterState, agent_id: AgentId, executors: Iterable[HeldExecutor]
) -> ExecutorDifference:
    """Compare a list with the log.

    An executor that no task was seen running in, and that has one in STAGING, is
    not lost: its first launch may be on its way.
    """
    held = {(one.framework_id, one.executor_id) for one in executors}
    known = {
        (executor.framework_id, executor.info.executor_id): executor
        for executor in executors_of(state, agent_id)
    }
    missing = sorted(known.keys() - held)
    on_their_way = _executors_of_new_tasks(state, agent_id) if missing else set()
    return ExecutorDifference(
        lost=tuple(
            name
            for name in missing
            if known[name].is_confirmed or name not in on_their_way
        ),
        foreign=tuple(sorted(held - known.keys())),
    )


def _executors_of_new_tasks(
    state: ClusterState, agent_id: AgentId
) -> set[tuple[FrameworkId, str]]:
    return {
        (task.framework_id, task.info.executor.executor_id)
        for task in unconfirmed_tasks(state, agent_id)
        if task.info.executor is not None
    }


def is_in_log(state: ClusterState, update: AgentUpdate) -> bool:
    """Whether taking this update again would write nothing new."""
    key = (update.framework_id, update.status.task_id)
    task = state.tasks.get(key)
    if task is None:
        return key in state.completed_tasks
    return update.status.uuid in task.uuids
