"""The agent in numbers, under Mesos' names."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable

import attrs
import psutil

from agent.nested.containers import NestedContainers
from agent.operator_api.statistics import sums_by_name
from agent.view import AgentView, ExecutorState
from raftleader.protocol.tasks import TaskState

_LIVE = (TaskState.STAGING, TaskState.STARTING, TaskState.RUNNING, TaskState.KILLING)
_ENDED = (TaskState.FINISHED, TaskState.FAILED, TaskState.KILLED, TaskState.LOST)
_NAMES = ("cpus", "gpus", "mem", "disk")
_COUNTED = (
    "valid_status_updates",
    "invalid_status_updates",
    "valid_framework_messages",
    "invalid_framework_messages",
    "executors_terminated",
    "executors_preempted",
    "recovery_time_secs",
    "container_launch_errors",
    "recovery_errors",
    *(f"tasks_{state.name.lower()}" for state in (*_ENDED, TaskState.GONE)),
)


@attrs.define(eq=False)
class Metrics:
    """Makes the snapshot.

    Attributes:
        is_registered: Whether a leader knows the agent just now.
        streams_cut: How many executors' streams were cut since they were not read.
    """

    view: AgentView
    nested: NestedContainers
    is_registered: Callable[[], bool]
    streams_cut: Callable[[], int]

    def snapshot(self) -> dict[str, float]:
        """All metrics, by name, in order."""
        numbers = {f"slave/{name}": value for name, value in self._of_agent().items()}
        numbers["containerizer/mesos/container_destroy_errors"] = 0.0
        return dict(sorted((numbers | _of_system() | self._of_nested()).items()))

    def _of_agent(self) -> dict[str, float]:
        view = self.view
        numbers: dict[str, float] = dict.fromkeys(_COUNTED, 0.0)
        numbers |= {name: float(count) for name, count in view.counters().items()}
        numbers["uptime_secs"] = max(0.0, time.time() - view.start_time_s)
        numbers["registered"] = float(self.is_registered())
        numbers["executor_streams_cut_slow"] = float(self.streams_cut())
        frameworks = view.frameworks()
        numbers["frameworks_active"] = float(sum(bool(f.executors) for f in frameworks))
        executors = [e for framework in frameworks for e in framework.executors]
        by_state = Counter(executor.state for executor in executors)
        for state in ExecutorState:
            if state is not ExecutorState.TERMINATED:
                numbers[f"executors_{state.value.lower()}"] = float(by_state[state])
        tasks = Counter(t.state for e in executors for t in (*e.queued, *e.launched))
        for task_state in _LIVE:
            numbers[f"tasks_{task_state.name.lower()}"] = float(tasks[task_state])
        total = sums_by_name(view.info.resources)
        used: Counter[str] = Counter()
        for executor in executors:
            used.update(sums_by_name(executor.resources))
        for name in _NAMES:
            amount, in_use = total.get(name, 0) / 1000, used[name] / 1000
            numbers[f"{name}_total"] = amount
            numbers[f"{name}_used"] = in_use
            numbers[f"{name}_percent"] = in_use / amount if amount else 0.0
            for what in ("total", "used", "percent"):
                numbers[f"{name}_revocable_{what}"] = 0.0
        return numbers

    def _of_nested(self) -> dict[str, float]:
        containers = self.nested.all()
        return {
            "nested_containers/running": float(
                sum(container.pid is not None for container in containers)
            ),
            "nested_containers/launch_errors": float(self.nested.launch_error_count),
            "nested_containers/readers_cut": float(
                sum(container.output.cut_count for container in containers)
            ),
        }


def _of_system() -> dict[str, float]:
    one, five, fifteen = os.getloadavg()
    memory = psutil.virtual_memory()
    return {
        "system/cpus_total": float(os.cpu_count() or 1),
        "system/load_1min": one,
        "system/load_5min": five,
        "system/load_15min": fifteen,
        "system/mem_total_bytes": float(memory.total),
        "system/mem_free_bytes": float(memory.free),
    }
