"""Figures that a leader counted, under Mesos' names: see ``leader/figures.py``.

Each node tells what it counted itself, whether it leads just now or not: over all
nodes nothing is counted twice. What can never happen here is told as 0: there are
dashboards that look for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raftleader.api.operator.metric_names import (
    OPERATION_TYPES,
    Metrics,
    reason_name,
    source_name,
)
from raftleader.leader.figures import Figures, Times
from raftleader.protocol.offers import OperationState
from raftleader.protocol.scheduler_api import (
    Acknowledge,
    AcknowledgeOperation,
    Decline,
    Kill,
    Reconcile,
    ReconcileOperations,
    RequestResources,
    Revive,
    SendMessage,
    Subscribe,
    Suppress,
    Teardown,
)
from raftleader.protocol.tasks import TaskState

PERCENTILES = {
    "p50": 0.5,
    "p90": 0.9,
    "p95": 0.95,
    "p99": 0.99,
    "p999": 0.999,
    "p9999": 0.9999,
}
_MESSAGES: dict[str, type] = {
    "kill_task": Kill,
    "status_update_acknowledgement": Acknowledge,
    "operation_status_update_acknowledgement": AcknowledgeOperation,
    "resource_request": RequestResources,
    "revive_offers": Revive,
    "suppress_offers": Suppress,
    "reconcile_tasks": Reconcile,
    "reconcile_operations": ReconcileOperations,
    "framework_to_executor": SendMessage,
    "unregister_framework": Teardown,
}
_NEVER = (
    "http_cache_hits",
    "messages_authenticate",
    "messages_deactivate_framework",
    "messages_operation_status_update",
    "messages_unregister_slave",
    "messages_update_slave",
    "valid_operation_status_updates",
    "invalid_operation_status_updates",
    "slave_removals/reason_registered",
    "slave_removals/reason_unregistered",
    "slave_shutdowns_canceled",
    "slave_shutdowns_completed",
    "slave_shutdowns_scheduled",
    "slave_unreachable_canceled",
    "event_queue_messages",
    "event_queue_http_requests",
)
_OPERATION_STATES = (
    OperationState.PENDING,
    OperationState.RECOVERING,
    OperationState.UNREACHABLE,
    OperationState.FINISHED,
    OperationState.FAILED,
    OperationState.ERROR,
    OperationState.DROPPED,
    OperationState.GONE_BY_OPERATOR,
)


def counted(figures: Figures, events: Mapping[str, int]) -> Metrics:
    """All of them but those of single frameworks. ``events`` are the node's."""
    queues = figures.queues
    metrics = {f"master/{name}": 0.0 for name in _NEVER}
    metrics |= {f"master/{name}": n for name, n in _messages(figures, events).items()}
    metrics |= {f"master/{name}": n for name, n in _agents(figures, events).items()}
    metrics |= _tasks(figures)
    metrics |= _operations(figures)
    metrics |= {
        "master/event_queue_dispatches": queues.commands(),
        "allocator/event_queue_dispatches": queues.agents(),
        "allocator/mesos/event_queue_dispatches": queues.agents(),
        "allocator/mesos/allocation_runs": events.get("allocator_runs", 0),
    }
    for name, times in (
        ("allocator/mesos/allocation_run", figures.allocation),
        ("allocator/mesos/allocation_run_latency", figures.allocation_latency),
        ("registrar/state_fetch", figures.begin),
        ("registrar/state_store", figures.commit),
    ):
        metrics |= times_of(f"{name}_ms", times)
    return metrics


def times_of(name: str, times: Times) -> Metrics:
    """The latest time and, of more than one, what Mesos tells of them."""
    values = sorted(times.latest_ms)
    if not values:
        return {}
    metrics = {name: times.latest_ms[-1]}
    if len(values) > 1:
        metrics[f"{name}/count"] = len(values)
        metrics[f"{name}/min"] = values[0]
        metrics[f"{name}/max"] = values[-1]
        for label, part in PERCENTILES.items():
            metrics[f"{name}/{label}"] = percentile(values, part)
    return metrics


def percentile(values: Sequence[float], part: float) -> float:
    """Of sorted values, between the two that are nearest."""
    place = part * (len(values) - 1)
    lower = int(place)
    upper = min(lower + 1, len(values) - 1)
    return values[lower] + (values[upper] - values[lower]) * (place - lower)


def _messages(figures: Figures, events: Mapping[str, int]) -> Metrics:
    calls, invalid = figures.calls, figures.invalid_calls
    acknowledged, operations = figures.acknowledged, figures.operations_acknowledged
    passed_on = events.get("messages_from_executors", 0)
    for_nobody = events.get("messages_for_nobody", 0)
    received, unknown = events.get("updates_received", 0), events.get("updates_unknown")
    return {
        **{f"messages_{name}": calls[kind] for name, kind in _MESSAGES.items()},
        "messages_register_framework": figures.subscribed_anew,
        "messages_reregister_framework": calls[Subscribe] - figures.subscribed_anew,
        "messages_launch_tasks": figures.launches,
        "messages_decline_offers": calls[Decline] + figures.void_launches,
        "messages_executor_to_framework": passed_on + for_nobody,
        "valid_executor_to_framework_messages": passed_on,
        "invalid_executor_to_framework_messages": for_nobody,
        "valid_framework_to_executor_messages": events.get("messages_to_executors", 0),
        "invalid_framework_to_executor_messages": events.get("messages_dropped", 0)
        + invalid["message"],
        "valid_status_update_acknowledgements": acknowledged[True],
        "invalid_status_update_acknowledgements": acknowledged[False]
        + invalid["acknowledge"],
        "valid_operation_status_update_acknowledgements": operations[True],
        "invalid_operation_status_update_acknowledgements": operations[False]
        + invalid["acknowledge_operation_status"],
        "messages_status_update": received,
        "valid_status_updates": received - (unknown or 0),
        "invalid_status_updates": unknown or 0,
        "messages_exited_executor": events.get("executor_reports", 0),
        "messages_register_slave": events.get("hellos_new", 0),
        "messages_reregister_slave": events.get("hellos_known", 0),
        "dropped_messages": sum(
            events.get(name, 0)
            for name in ("agents_cut_garbage", "agents_cut_no_hello", "agents_refused")
        ),
    }


def _agents(figures: Figures, events: Mapping[str, int]) -> Metrics:
    lost, gone = figures.agents_lost, figures.agents_gone
    return {
        "slave_registrations": events.get("agents_registered", 0),
        "slave_reregistrations": events.get("agents_reregistered", 0),
        "slave_removals": lost + gone,
        "slave_removals/reason_unhealthy": lost,
        "slave_unreachable_scheduled": lost,
        "slave_unreachable_completed": lost,
        "recovery_slave_removals": events.get("agents_never_back", 0),
    }


def _tasks(figures: Figures) -> Metrics:
    metrics: Metrics = {}
    for state in TaskState:
        if state.is_terminal:
            name = state.name.lower()
            metrics[f"master/tasks_{name}"] = figures.ended[state]
    for (state, source, reason), number in list(figures.reasons.items()):
        where = f"{source_name(source)}/{reason_name(reason)}"
        metrics[f"master/task_{state.name.lower()}/{where}"] = number
    return metrics


def _operations(figures: Figures) -> Metrics:
    metrics: Metrics = {}
    totals = dict.fromkeys(_OPERATION_STATES, 0)
    for type_ in OPERATION_TYPES:
        if type_.startswith("LAUNCH"):
            continue
        total = 0
        for state in _OPERATION_STATES:
            number = figures.operations[type_, state]
            metrics[f"master/operations/{type_.lower()}/{state.name.lower()}"] = number
            totals[state] += number
            total += number
        metrics[f"master/operations/{type_.lower()}/total"] = total
    for state, number in totals.items():
        metrics[f"master/operations/{state.name.lower()}"] = number
    metrics["master/operations/total"] = sum(totals.values())
    return metrics
