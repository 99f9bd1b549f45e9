"""Where a task runs: its agent's address, and the container it is in."""

from __future__ import annotations

import json
from typing import Any

import attrs

from raftleader.cli.api_client import API, ApiClient
from raftleader.cli.rows import rows_of
from raftleader.errors import ApiError, InvalidInputError, UnavailableError

AGENT_API = "/api/v1"
_JSON = (("Content-Type", "application/json"), ("Accept", "application/json"))


@attrs.frozen(kw_only=True)
class Target:
    """A container that runs.

    Attributes:
        agent: ``HOST:PORT`` of its agent.
        container_id: As Mesos' ``ContainerID`` in JSON.
    """

    agent: str
    container_id: dict[str, Any]


async def find_target(
    client: ApiClient, task_id: str, framework_id: str | None
) -> Target:
    """Where the task runs.

    Raises InvalidInputError if there is no such task, or there are several and no
    framework was named; UnavailableError if it does not run (yet).
    """
    tasks = [
        row
        for row in rows_of(await client.get(f"{API}/tasks"), "tasks")
        if row["id"] == task_id and framework_id in (None, row["framework_id"])
    ]
    if not tasks:
        raise InvalidInputError("", _unknown(task_id, framework_id))
    if len(tasks) > 1:
        frameworks = ", ".join(sorted(row["framework_id"] for row in tasks))
        problem = (
            f"several frameworks have a task {task_id!r}: name one with --framework "
            f"({frameworks})"
        )
        raise InvalidInputError("", problem)
    (task,) = tasks
    agents = rows_of(await client.get(f"{API}/agents"), "agents")
    found = [row for row in agents if row["id"] == task["agent_id"]]
    if not found:
        raise UnavailableError(f"the agent of task {task_id!r} is gone")
    agent = str(found[0]["address"])
    answer = await call_agent(client, agent, {"type": "GET_TASKS"})
    launched = answer.get("get_tasks", {}).get("launched_tasks", [])
    for row in launched:
        ids = (row["framework_id"]["value"], row["task_id"]["value"])
        if ids != (task["framework_id"], task_id):
            continue
        for status in reversed(row.get("statuses", [])):
            container = status.get("container_status", {}).get("container_id")
            if container is not None:
                return Target(agent=agent, container_id=container)
    raise UnavailableError(f"task {task_id!r} does not run: it is {task['state']}")


def _unknown(task_id: str, framework_id: str | None) -> str:
    whose = f" of framework {framework_id!r}" if framework_id is not None else ""
    return f"there is no task {task_id!r}{whose}; `raftleader tasks` shows all"


async def call_agent(
    client: ApiClient, agent: str, call: dict[str, Any], *, timeout_s: float = 10.0
) -> dict[str, Any]:
    """One call of the agent's operator API and its answer. Raises ApiError, and like
    ``HttpClient.request``."""
    answer = await client.http.request(
        agent,
        "POST",
        AGENT_API,
        headers=_JSON,
        body=json.dumps(call).encode(),
        timeout_s=timeout_s,
    )
    if answer.status not in (200, 202):
        raise ApiError(answer.status, answer.text)
    found = json.loads(answer.body) if answer.body else {}
    if not isinstance(found, dict):
        raise InvalidInputError(agent, "is no agent's API")
    return found
