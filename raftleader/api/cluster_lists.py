"""``/raftleader/v1/{frameworks,agents,tasks,offers}``: flat rows for our own tools.

Answered by the leader, after a barrier: what was answered before is in the list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from raftleader.api.answers import guarded, json_answer, method_problem, not_leading
from raftleader.api.json_rows import encoded_rows
from raftleader.api.routing import Endpoint
from raftleader.httpd.messages import Answer, Deferred, Request
from raftleader.leader.interface import LeaderNode
from raftleader.state.cluster import Agent, Framework, OutstandingOffer, Task

ROOT = "/raftleader/v1"
JsonRow = dict[str, Any]


def list_endpoints(node: LeaderNode) -> dict[str, Endpoint]:
    """The four lists, by path."""

    def frameworks() -> tuple[Iterable[Framework], Callable[[Framework], JsonRow]]:
        state = node.state
        tasks = {key: len(keys) for key, keys in state.tasks_by_framework.items()}
        offers = {key: len(keys) for key, keys in state.offers_by_framework.items()}
        return list(state.frameworks.values()), lambda row: {
            **_framework_row(row),
            "tasks": tasks.get(row.id, 0),
            "offers": offers.get(row.id, 0),
        }

    def agents() -> tuple[Iterable[Agent], Callable[[Agent], JsonRow]]:
        state = node.state
        tasks = {key: len(keys) for key, keys in state.tasks_by_agent.items()}
        return list(state.agents.values()), lambda row: {
            **_agent_row(row),
            "connected": node.agent_is_connected(row.id),
            "tasks": tasks.get(row.id, 0),
        }

    def tasks() -> tuple[Iterable[Task], Callable[[Task], JsonRow]]:
        return list(node.state.tasks.values()), _task_row

    def offers() -> tuple[
        Iterable[OutstandingOffer], Callable[[OutstandingOffer], JsonRow]
    ]:
        state = node.state
        hostnames = {agent.id: agent.info.hostname for agent in state.agents.values()}
        return list(state.offers.values()), lambda row: {
            **_offer_row(row),
            "hostname": hostnames.get(row.agent_id),
        }

    sources: dict[str, Callable[[], tuple[Iterable[Any], Callable[[Any], JsonRow]]]]
    sources = {
        "frameworks": frameworks,
        "agents": agents,
        "tasks": tasks,
        "offers": offers,
    }
    return {
        f"{ROOT}/{name}": _list_endpoint(node, name, source)
        for name, source in sources.items()
    }


def _list_endpoint(
    node: LeaderNode,
    name: str,
    source: Callable[[], tuple[Iterable[Any], Callable[[Any], JsonRow]]],
) -> Endpoint:
    def endpoint(request: Request) -> Answer | Deferred:
        if not node.leadership.leading:
            return not_leading(node, request)
        problem = method_problem(request, "GET", "HEAD")
        if problem is not None:
            return problem

        async def build() -> Answer:
            await node.barrier()
            index = node.state.index
            rows, to_json = source()
            encoded = await encoded_rows(rows, to_json)
            return json_answer({"index": index, name: encoded})

        return guarded(node, request, build)

    return endpoint


def _framework_row(row: Framework) -> JsonRow:
    return {
        "id": row.id,
        "name": row.info.name,
        "user": row.info.user,
        "principal": row.info.principal,
        "roles": row.info.roles,
        "suppressed_roles": row.suppressed_roles,
        "capabilities": row.info.capabilities,
        "failover_timeout_s": row.info.failover_timeout_ms / 1000,
        "connected": row.connected,
        "registered_ms": row.registered_ms,
        "subscribed_ms": row.subscribed_ms,
        "deadline_ms": row.deadline_ms,
    }


def _agent_row(row: Agent) -> JsonRow:
    return {
        "id": row.id,
        "hostname": row.info.hostname,
        "address": f"{row.info.ip}:{row.info.port}",
        "state": "reachable" if row.unreachable_ms is None else "unreachable",
        "deactivated": row.is_deactivated,
        "drain": None if row.drain is None else row.drain.state.value,
        "resources": str(row.info.resources),
        "used": str(row.used),
        "offered": str(row.offered),
        "version": row.info.version,
        "registered_ms": row.registered_ms,
        "reregistered_ms": row.reregistered_ms,
        "unreachable_ms": row.unreachable_ms,
    }


def _task_row(row: Task) -> JsonRow:
    return {
        "id": row.info.task_id,
        "name": row.info.name,
        "framework_id": row.framework_id,
        "agent_id": row.info.agent_id,
        "state": row.state.value,
        "role": row.role,
        "resources": str(row.info.resources),
        "launched_ms": row.launched_ms,
        "kill_wanted": row.kill_wanted,
        "updates_pending": len(row.pending),
    }


def _offer_row(row: OutstandingOffer) -> JsonRow:
    return {
        "id": row.id,
        "framework_id": row.framework_id,
        "agent_id": row.agent_id,
        "role": row.role,
        "resources": str(row.resources),
        "granted_ms": row.granted_ms,
        "expires_ms": row.expires_ms,
    }
