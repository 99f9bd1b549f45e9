"""The client library: frameworks in Python, from a typed scheduler to ``map``.

* ``ClusterExecutor`` runs plain functions on the cluster (concurrent.futures).
* ``SchedulerDriver`` and ``Scheduler`` are for writing a framework.
* ``HttpClient`` is the small HTTP client under both.

Nothing is imported before it is used: a task's interpreter imports this package
too, and must start in milliseconds.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # typing costs two milliseconds; checkers know the name
if TYPE_CHECKING:
    from raftleader.framework.driver import SchedulerDriver
    from raftleader.framework.errors import (
        FrameworkEndedError,
        RemoteTraceback,
        TaskFailedError,
        TaskKilledError,
        TaskLostError,
    )
    from raftleader.framework.executor import ClusterExecutor
    from raftleader.framework.handlers import Scheduler
    from raftleader.framework.http_client import HttpClient, open_http_client
    from raftleader.framework.progress import Progress
    from raftleader.framework.statistics import DriverStatistics

__all__ = [
    "ClusterExecutor",
    "DriverStatistics",
    "FrameworkEndedError",
    "HttpClient",
    "Progress",
    "RemoteTraceback",
    "Scheduler",
    "SchedulerDriver",
    "TaskFailedError",
    "TaskKilledError",
    "TaskLostError",
    "open_http_client",
]

_HOMES = {
    "ClusterExecutor": "executor",
    "DriverStatistics": "statistics",
    "FrameworkEndedError": "errors",
    "HttpClient": "http_client",
    "Progress": "progress",
    "RemoteTraceback": "errors",
    "Scheduler": "handlers",
    "SchedulerDriver": "driver",
    "TaskFailedError": "errors",
    "TaskKilledError": "errors",
    "TaskLostError": "errors",
    "open_http_client": "http_client",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
