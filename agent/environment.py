"""What processes of tasks and executors are started with. Pure.

Nothing of the agent's own environment, but for LIBPROCESS_IP as in Mesos. Variables
that the agent sets cannot be set by a command: what is left of a task is known by them.
"""

from __future__ import annotations

from collections.abc import Mapping

from agent.records import ExecutorRun, ProcessKey
from agent.time_text import duration_text
from raftleader.protocol.tasks import CommandInfo

PATH_DEFAULT = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

RECOVERY_TIMEOUT_MS = 15 * 60 * 1000
"""How long an executor of a framework that checkpoints tries to reach its agent."""
SUBSCRIPTION_BACKOFF_MS_MAX = 2 * 1000
"""Longest pause between two of its tries. Both are Mesos' own values."""


def process_environment(
    key: ProcessKey,
    command: CommandInfo,
    *,
    sandbox: str,
    agent_id: str,
    variables: Mapping[str, str],
) -> dict[str, str]:
    """All variables of a process; ``variables`` are further ones of the agent's."""
    environment = {
        "PATH": PATH_DEFAULT,
        **dict(command.environment),
        "MESOS_SANDBOX": sandbox,
        "MESOS_DIRECTORY": sandbox,
    }
    if isinstance(key, ExecutorRun):
        environment["MESOS_FRAMEWORK_ID"] = key.framework_id
        environment["MESOS_EXECUTOR_ID"] = key.executor_id
        environment["MESOS_SLAVE_ID"] = agent_id
    else:
        environment["MESOS_FRAMEWORK_ID"], environment["MESOS_TASK_ID"] = key
        environment["MESOS_AGENT_ID"] = agent_id
    return environment | dict(variables)


def executor_variables(
    *,
    endpoint: str,
    role: str,
    is_checkpointing: bool,
    shutdown_grace_ms: int,
    libprocess_ip: str | None,
) -> dict[str, str]:
    """What an executor finds its agent by. ``endpoint`` is ``ip:port``."""
    variables = {
        "LIBPROCESS_PORT": "0",
        "MESOS_SLAVE_PID": f"slave(1)@{endpoint}",
        "MESOS_AGENT_ENDPOINT": endpoint,
        "MESOS_CHECKPOINT": "1" if is_checkpointing else "0",
        "MESOS_HTTP_COMMAND_EXECUTOR": "0",
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": duration_text(shutdown_grace_ms),
        "MESOS_ALLOCATION_ROLE": role,
    }
    if libprocess_ip is not None:
        variables["LIBPROCESS_IP"] = libprocess_ip
    if is_checkpointing:
        variables["MESOS_RECOVERY_TIMEOUT"] = duration_text(RECOVERY_TIMEOUT_MS)
        variables["MESOS_SUBSCRIPTION_BACKOFF_MAX"] = duration_text(
            SUBSCRIPTION_BACKOFF_MS_MAX
        )
    return variables
