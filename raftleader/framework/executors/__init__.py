"""Executors in Python: the half of a framework that runs its tasks on an agent.

Subclass ``Executor``, give it to an ``ExecutorDriver``, and ``trio.run`` its ``run``.
"""

from __future__ import annotations

from raftleader.framework.executors.driver import ExecutorDriver
from raftleader.framework.executors.environment import (
    ExecutorEnvironment,
    read_environment,
)
from raftleader.framework.executors.handlers import Executor

__all__ = ["Executor", "ExecutorDriver", "ExecutorEnvironment", "read_environment"]
