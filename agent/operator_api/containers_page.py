"""All containers of the agent with what they use: GET_CONTAINERS, ``/containers``."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from agent.checkpoint import RunBlocking
from agent.nested.container import Kind
from agent.nested.containers import NestedContainers
from agent.nested.names import ContainerName
from agent.operator_api.calls import name_to_json
from agent.operator_api.statistics import Usage, measure, statistics_to_json
from agent.view import AgentView, ContainerView
from raftleader.protocol.json_v1_fields import JsonObject
from raftleader.protocol.resources import Resources


@attrs.frozen(kw_only=True)
class Row:
    """A container on the page.

    Attributes:
        view: Of the agent itself; None for one that operators started.
    """

    name: ContainerName
    view: ContainerView | None
    pids: tuple[int, ...]
    usage: Usage
    resources: Resources | None = None


async def container_rows(
    view: AgentView,
    nested: NestedContainers,
    run_blocking: RunBlocking,
    *,
    shows_nested: bool,
    shows_standalone: bool,
    wanted: Callable[[ContainerView], bool] = lambda container: True,
) -> list[Row]:
    """Those of executors first, with what their nested ones use."""
    rows: list[Row] = []
    containers = view.containers()
    for container in containers:
        if not wanted(container) or (container.parent and not shows_nested):
            continue
        inner = [c for c in containers if c.parent == container.container_id]
        pids = [c.pid for c in (container, *inner) if c.pid is not None]
        parts = (container.parent, container.container_id)
        name = ContainerName(tuple(part for part in parts if part))
        rows.append(
            Row(
                name=name,
                view=container,
                pids=tuple(pids),
                usage=Usage(),
                resources=container.resources,
            )
        )
    for one in nested.all():
        is_shown = shows_standalone if one.kind is Kind.STANDALONE else shows_nested
        if one.pid is not None and is_shown:
            rows.append(Row(name=one.name, view=None, pids=(one.pid,), usage=Usage()))
    found = await run_blocking(measure, [pid for row in rows for pid in row.pids])
    for row in rows:
        for pid in row.pids:
            row.usage.add(found[pid])
    return rows


def row_to_message(row: Row, ip: str) -> JsonObject:
    """A ``GetContainers.Container``; ``ip`` is the machine's address."""
    message: JsonObject = {
        "container_id": name_to_json(row.name),
        "container_status": _status(row, ip),
        "resource_statistics": statistics_to_json(row.usage, row.resources),
    }
    if row.view is not None:
        message["framework_id"] = {"value": row.view.framework_id}
        message["executor_id"] = {"value": row.view.executor_id}
        message["executor_name"] = row.view.executor_name
    return message


def row_to_v0(row: Row, ip: str) -> JsonObject:
    """An element of ``/containers``."""
    assert row.view is not None, "the page shows those of executors only"
    return {
        "framework_id": row.view.framework_id,
        "executor_id": row.view.executor_id,
        "executor_name": row.view.executor_name,
        "source": row.view.executor_id,
        "container_id": row.name.own,
        "status": _status(row, ip),
        "statistics": statistics_to_json(row.usage, row.resources),
    }


def row_to_statistics(row: Row, ip: str) -> JsonObject:
    """An element of ``/monitor/statistics``."""
    element = row_to_v0(row, ip)
    del element["container_id"], element["status"]
    return element


def _status(row: Row, ip: str) -> JsonObject:
    """A ``ContainerStatus``. There is no network but the machine's."""
    status: JsonObject = {
        "container_id": name_to_json(row.name),
        "network_infos": [{"ip_addresses": [{"ip_address": ip}]}],
    }
    own_pid = row.view.pid if row.view is not None else row.pids[0]
    if own_pid is not None:
        status["executor_pid"] = own_pid
    return status
