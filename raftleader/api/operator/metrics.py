"""Figures under Mesos' names: ``/metrics/snapshot`` and GET_METRICS.

Every node answers for itself; one that does not lead tells little but
``master/elected``. Figures of the cluster are counted from its tables, so they are
those of the log, whoever leads. Numbers of ended tasks are of those remembered. What
Mesos has no name for is under ``raftleader/``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from itertools import chain
from urllib.parse import quote

import psutil

from raftleader.api.holdings import Tables
from raftleader.api.rendering import TURN, Pieces
from raftleader.leader.interface import LeaderNode
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.resource_keys import is_shared_key, kind_of_key
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import TaskState
from raftleader.state.cluster import ClusterState, CompletedTask, Task

Metrics = dict[str, float]

_RESOURCES = ("cpus", "gpus", "mem", "disk")
_ROWS_PER_TURN = 500
_STATES = tuple(state for state in TaskState if state is not TaskState.UNKNOWN)
_STARTED_S = time.monotonic()


def fill_metrics(metrics: Metrics, node: LeaderNode) -> Pieces:
    """Put all figures into ``metrics``. Yields nothing but turns."""
    log = node.statistics()
    is_leading = node.leadership.leading
    metrics |= _system()
    metrics |= {
        "master/elected": float(is_leading),
        "master/uptime_secs": time.monotonic() - _STARTED_S,
        "registrar/registry_size_bytes": log.journal_bytes,
        "registrar/queued_operations": max(0, log.last_index - log.applied_index),
        "registrar/log/recovered": 1.0,
        "registrar/log/ensemble_size": len(log.peers_connected) + 1,
        "raftleader/term": log.term,
        "raftleader/commit_index": log.commit_index,
        "raftleader/applied_index": log.applied_index,
    }
    events = node.events_counted()
    metrics |= {f"raftleader/events/{name}": value for name, value in events.items()}
    unreachable = events.get("agents_unreachable", 0)
    metrics |= {
        "allocator/mesos/allocation_runs": events.get("allocator_runs", 0),
        "master/slave_unreachable_scheduled": unreachable,
        "master/slave_unreachable_completed": unreachable,
        "master/slave_removals": unreachable,
        "master/slave_removals/reason_unhealthy": unreachable,
    }
    lag = node.loop_lag.figures()
    metrics["raftleader/loop_lag_max_ms"] = lag.max_ms
    metrics["raftleader/loop_lag_p99_ms"] = lag.p99_ms
    if is_leading:
        yield from _cluster(metrics, node)


def _system() -> Metrics:
    memory = psutil.virtual_memory()
    one, five, fifteen = os.getloadavg()
    return {
        "system/cpus_total": psutil.cpu_count() or 1,
        "system/load_1min": one,
        "system/load_5min": five,
        "system/load_15min": fifteen,
        "system/mem_total_bytes": memory.total,
        "system/mem_free_bytes": memory.available,
    }


def _cluster(metrics: Metrics, node: LeaderNode) -> Pieces:
    state = node.state
    tables = Tables.copied(state)
    metrics["master/outstanding_offers"] = len(tables.offers)
    metrics |= _roles(state)
    metrics |= _frameworks(state)
    yield TURN
    yield from _agents(metrics, tables, node)
    yield from _tasks(metrics, tables)


def _frameworks(state: ClusterState) -> Metrics:
    rows = state.frameworks.values()
    connected = sum(row.connected for row in rows)
    metrics: Metrics = {
        "master/frameworks_active": connected,
        "master/frameworks_connected": connected,
        "master/frameworks_inactive": len(rows) - connected,
        "master/frameworks_disconnected": len(rows) - connected,
    }
    for row in rows:
        prefix = _framework_prefix(row.info.name, row.id)
        metrics[f"{prefix}subscribed"] = float(row.connected)
        for role in row.info.roles:
            is_suppressed = role in row.suppressed_roles
            metrics[f"{prefix}roles/{role}/suppressed"] = float(is_suppressed)
    return metrics


def _framework_prefix(name: str, framework_id: str) -> str:
    return f"master/frameworks/{quote(name, safe='-_.~')}/{framework_id}/"


def _roles(state: ClusterState) -> Metrics:
    metrics: Metrics = {}
    for role, by_framework in state.allocated.items():
        held: dict[str, int] = {}
        for amounts in by_framework.values():
            for name, millis in amounts.items():
                held[name] = held.get(name, 0) + millis
        shares = [
            millis / state.capacity[name]
            for name, millis in held.items()
            if state.capacity.get(name)
        ]
        share = max(shares, default=0)
        metrics[f"allocator/mesos/roles/{role}/shares/dominant"] = share
        for name, millis in held.items():
            if role in state.quotas:
                key = f"allocator/mesos/quota/roles/{role}/resources/{name}"
                metrics[f"{key}/offered_or_allocated"] = millis / 1000
    for role, quota in state.quotas.items():
        for kind, amounts in (("guarantee", quota.guarantees), ("limit", quota.limits)):
            for name, millis in amounts.items():
                key = f"allocator/mesos/quota/roles/{role}/resources/{name}/{kind}"
                metrics[key] = millis / 1000
    return metrics


def _agents(metrics: Metrics, tables: Tables, node: LeaderNode) -> Pieces:
    reachable = active = connected = 0
    total, used, offered = _Sums(), _Sums(), _Sums()
    for number, agent in enumerate(tables.agents.values()):
        connected += node.agent_is_connected(agent.id)
        if agent.unreachable_ms is None:
            reachable += 1
            active += not (agent.is_deactivated or agent.drain)
            total.add(agent.total)
            used.add(agent.used)
            offered.add(agent.offered)
        if number % _ROWS_PER_TURN == _ROWS_PER_TURN - 1:
            yield TURN
    metrics |= {
        "master/slaves_active": active,
        "master/slaves_inactive": reachable - active,
        "master/slaves_connected": connected,
        "master/slaves_disconnected": max(0, reachable - connected),
        "master/slaves_unreachable": len(tables.agents) - reachable,
    }
    for name in _RESOURCES:
        for suffix in ("", "_revocable"):
            key = name + suffix
            all_of, in_use = total.millis.get(key, 0), used.millis.get(key, 0)
            metrics[f"master/{key}_total"] = all_of / 1000
            metrics[f"master/{key}_used"] = in_use / 1000
            metrics[f"master/{key}_percent"] = in_use / all_of if all_of else 0.0
        held = used.millis.get(name, 0) + offered.millis.get(name, 0)
        metrics[f"allocator/mesos/resources/{name}/total"] = (
            total.millis.get(name, 0) / 1000
        )
        metrics[f"allocator/mesos/resources/{name}/offered_or_allocated"] = held / 1000


class _Sums:
    """Sums of scalars by name; what is revocable under a name of its own."""

    def __init__(self) -> None:
        self.millis: dict[str, int] = {}

    def add(self, resources: Resources) -> None:
        for key, millis in resources.scalars.items():
            if is_shared_key(key):
                continue
            name = key.partition("(")[0]
            if "|" in key:
                kind = kind_of_key(key)
                name = f"{kind.name}_revocable" if kind.is_revocable else kind.name
            self.millis[name] = self.millis.get(name, 0) + millis


def _tasks(metrics: Metrics, tables: Tables) -> Pieces:
    counted: dict[TaskState, int] = {}
    by_framework: dict[tuple[FrameworkId, TaskState], int] = {}
    rows: Iterable[Task | CompletedTask] = chain(tables.tasks, tables.completed)
    for number, row in enumerate(rows):
        counted[row.state] = counted.get(row.state, 0) + 1
        key = (row.framework_id, row.state)
        by_framework[key] = by_framework.get(key, 0) + 1
        if number % _ROWS_PER_TURN == _ROWS_PER_TURN - 1:
            yield TURN
    for told in _STATES:
        name = told.value.removeprefix("TASK_").lower()
        metrics[f"master/tasks_{name}"] = counted.get(told, 0)
    prefixes = {f.id: _framework_prefix(f.info.name, f.id) for f in tables.frameworks}
    for (framework_id, state), number in by_framework.items():
        prefix = prefixes.get(framework_id)
        if prefix is not None:
            kind = "terminal" if state.is_terminal else "active"
            metrics[f"{prefix}tasks/{kind}/{state.value}"] = number
