"""Frameworks, executors and tasks of the agent as messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from agent.view import AgentView, ExecutorState, ExecutorView, FrameworkView, TaskView
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.json_v1_executors import executor_info_to_json
from raftleader.protocol.json_v1_fields import JsonObject
from raftleader.protocol.json_v1_frameworks import framework_info_to_json
from raftleader.protocol.json_v1_kinds import ReservationForm
from raftleader.protocol.json_v1_resources import resources_to_json
from raftleader.protocol.json_v1_statuses import task_status_to_json
from raftleader.protocol.json_v1_tasks import task_info_to_json
from raftleader.protocol.tasks import TaskStatus

_OF_TASK_INFO = ("container", "discovery", "health_check", "kill_policy", "labels")


def framework_to_json(framework: FrameworkView) -> JsonObject:
    """A ``FrameworkInfo`` that has its id."""
    message = framework_info_to_json(framework.info)
    message["id"] = {"value": framework.framework_id}
    return message


def executor_to_json(executor: ExecutorView) -> JsonObject:
    """An ``ExecutorInfo`` that has its framework's id."""
    message = executor_info_to_json(executor.info, form=ReservationForm.BOTH)
    message["framework_id"] = {"value": executor.framework_id}
    return message


def status_to_json(view: AgentView, status: TaskStatus) -> JsonObject:
    """A ``TaskStatus``; names the container that its container is in."""
    message = task_status_to_json(status)
    if status.container_id is not None:
        named = message["container_status"]["container_id"]
        found = view.find_container(status.container_id)
        if found is not None and found.parent is not None and "parent" not in named:
            named["parent"] = {"value": found.parent}
    return message


def task_to_json(view: AgentView, task: TaskView) -> JsonObject:
    """A ``Task``."""
    info = task_info_to_json(task.info)
    message: JsonObject = {
        "name": task.info.name,
        "task_id": {"value": task.info.task_id},
        "framework_id": {"value": task.framework_id},
        "agent_id": {"value": task.info.agent_id},
        "state": task.state.value,
        "resources": resources_to_json(
            task.info.resources, allocated_to=task.role, form=ReservationForm.BOTH
        ),
        "statuses": [status_to_json(view, status) for status in task.statuses],
    }
    if task.executor_id:
        message["executor_id"] = {"value": task.executor_id}
    if task.statuses:
        latest = task.statuses[-1]
        message["status_update_state"] = latest.state.value
        if latest.uuid is not None:
            message["status_update_uuid"] = latest.uuid
    if task.info.command is not None and task.info.command.user:
        message["user"] = task.info.command.user
    message |= {name: info[name] for name in _OF_TASK_INFO if name in info}
    return message


def frameworks_tree(view: AgentView) -> JsonObject:
    """A ``GetFrameworks``; one without executors has completed."""
    found = [
        (bool(framework.executors), {"framework_info": framework_to_json(framework)})
        for framework in view.frameworks()
    ]
    return _without_empty(
        frameworks=[tree for is_active, tree in found if is_active],
        completed_frameworks=[tree for is_active, tree in found if not is_active],
    )


def executors_tree(view: AgentView) -> JsonObject:
    """A ``GetExecutors``."""

    def trees(executors: Iterable[ExecutorView]) -> list[JsonObject]:
        return [{"executor_info": executor_to_json(each)} for each in executors]

    frameworks = view.frameworks()
    running = [e for framework in frameworks for e in framework.executors]
    completed = [e for framework in frameworks for e in framework.completed_executors]
    return _without_empty(
        executors=trees(e for e in running if e.state is not ExecutorState.TERMINATED),
        completed_executors=trees(
            [*(e for e in running if e.state is ExecutorState.TERMINATED), *completed]
        ),
    )


def tasks_tree(view: AgentView) -> JsonObject:
    """A ``GetTasks``. Nothing is ever pending: a task is taken at once."""
    executors = [
        executor
        for framework in view.frameworks()
        for executor in (*framework.executors, *framework.completed_executors)
    ]

    def trees(of: Callable[[ExecutorView], tuple[TaskView, ...]]) -> list[JsonObject]:
        return [task_to_json(view, task) for each in executors for task in of(each)]

    return _without_empty(
        queued_tasks=trees(lambda executor: executor.queued),
        launched_tasks=trees(lambda executor: executor.launched),
        terminated_tasks=trees(lambda executor: executor.terminated),
        completed_tasks=trees(lambda executor: executor.completed),
    )


def state_tree(view: AgentView) -> JsonObject:
    """A ``GetState``."""
    return {
        "get_tasks": tasks_tree(view),
        "get_executors": executors_tree(view),
        "get_frameworks": frameworks_tree(view),
    }


def roles_of(info: FrameworkInfo) -> JsonObject:
    """``roles``, or the one ``role`` of a framework that knows only one."""
    if info.is_capable("MULTI_ROLE"):
        return {"roles": list(info.roles)}
    return {"role": info.roles[0] if info.roles else "*"}


def _without_empty(**lists: list[JsonObject]) -> JsonObject:
    return {name: items for name, items in lists.items() if items}
