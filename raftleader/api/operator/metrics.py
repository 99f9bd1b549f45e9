"""Figures under Mesos' names: ``/metrics/snapshot`` and GET_METRICS.

Every node answers for itself; one that does not lead tells little but
``master/elected``, and what it counted when it led. Gauges of the cluster are made of
its tables, so they are those of the log, whoever leads; counters are the node's own
(``metrics_counted.py``). What Mesos has no name for is under ``raftleader/``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

import psutil

from raftleader.api.holdings import Tables
from raftleader.api.operator.metric_names import Metrics
from raftleader.api.operator.metrics_counted import counted
from raftleader.api.operator.metrics_frameworks import count_active, fill_frameworks
from raftleader.api.operator.roles import Roles
from raftleader.api.rendering import TURN, Pieces, write_json
from raftleader.leader.interface import LeaderNode
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.resource_keys import is_shared_key, kind_of_key
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import TaskState
from raftleader.state.cluster import ClusterState

_RESOURCES = ("cpus", "gpus", "mem", "disk")
_ROWS_PER_TURN = 500
_GAUGES = (
    TaskState.STAGING,
    TaskState.STARTING,
    TaskState.RUNNING,
    TaskState.KILLING,
    TaskState.UNREACHABLE,
)
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
    metrics |= counted(node.figures, events)
    lag = node.loop_lag.figures()
    metrics["raftleader/loop_lag_max_ms"] = lag.max_ms
    metrics["raftleader/loop_lag_p99_ms"] = lag.p99_ms
    if is_leading:
        yield from _cluster(metrics, node)


def metrics_pieces(metrics: Metrics) -> Pieces:
    """All of them in the order of their names, as one JSON object."""
    rows = sorted(metrics.items())
    for first in range(0, len(rows), _ROWS_PER_TURN):
        part = write_json(dict(rows[first : first + _ROWS_PER_TURN]))
        yield (b"," if first else b"{") + part[1:-1]
        yield TURN
    yield b"}"


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
    metrics |= _filters(state, node.figures.queues.filters())
    yield TURN
    yield from _quotas(metrics, state)
    yield from _agents(metrics, tables, node)
    yield from _tasks(metrics, tables, node)


def _frameworks(state: ClusterState) -> Metrics:
    rows = state.frameworks.values()
    connected = sum(row.connected for row in rows)
    return {
        "master/frameworks_active": connected,
        "master/frameworks_connected": connected,
        "master/frameworks_inactive": len(rows) - connected,
        "master/frameworks_disconnected": len(rows) - connected,
    }


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
    return metrics


def _quotas(metrics: Metrics, state: ClusterState) -> Pieces:
    """Of the roles that have one; what is in the roles below is theirs too."""
    if not state.quotas:
        return
    roles = Roles()
    yield from roles.fill(state)
    for row in roles.rows:
        if row.name not in state.quotas:
            continue
        key = f"allocator/mesos/quota/roles/{row.name}/resources"
        guarantees, limits = row.quota.guarantees, row.quota.limits
        for what, amounts in (
            ("guarantee", guarantees),
            ("limit", limits),
            ("consumed", row.consumed),
        ):
            for name, millis in amounts.items():
                metrics[f"{key}/{name}/{what}"] = millis / 1000
        for name in {**guarantees, **limits}:
            held = row.allocated.get(name, 0) + row.offered.get(name, 0)
            metrics[f"{key}/{name}/offered_or_allocated"] = held / 1000


def _filters(state: ClusterState, short: Mapping[str, int]) -> Metrics:
    """Refusals that hide something now, by role."""
    counted = dict(short)
    for framework in state.frameworks.values():
        for role in framework.info.roles:
            counted.setdefault(role, 0)
        for durable in framework.filters:
            if durable.until_ms > state.clock_ms:
                counted[durable.role] = counted.get(durable.role, 0) + 1
    return {
        f"allocator/mesos/offer_filters/roles/{role}/active": number
        for role, number in counted.items()
    }


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


def _tasks(metrics: Metrics, tables: Tables, node: LeaderNode) -> Pieces:
    active: dict[FrameworkId, dict[TaskState, int]] = {}
    yield from count_active(tables.tasks, active)
    for state in _GAUGES:
        number = sum(by_state.get(state, 0) for by_state in active.values())
        metrics[f"master/tasks_{state.name.lower()}"] = number
    yield from fill_frameworks(metrics, tables.frameworks, node.figures, active)
