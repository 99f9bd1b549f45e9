"""What an agent tells an executor before the first word: environment variables.

Names and forms are Mesos'; its durations are text: ``15mins``, ``2.5secs``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from raftleader.errors import ConfigError, InvalidInputError
from raftleader.framework.addresses import parse_address
from raftleader.protocol.ids import AgentId, FrameworkId

TOKEN_VARIABLE = "MESOS_EXECUTOR_AUTHENTICATION_TOKEN"
SHUTDOWN_GRACE_S = 5.0
"""If the agent does not say; Mesos' own value."""
BACKOFF_S_MAX = 2.0
"""Longest pause between two attempts to subscribe, if the agent does not say."""

_UNITS_S = {
    "ns": 1e-9,
    "us": 1e-6,
    "ms": 1e-3,
    "secs": 1.0,
    "mins": 60.0,
    "hrs": 3600.0,
    "days": 86_400.0,
    "weeks": 604_800.0,
}


@attrs.frozen(kw_only=True)
class ExecutorEnvironment:
    """Who this executor is, and what is expected of it.

    Attributes:
        agent: ``HOST:PORT`` of the agent's HTTP API.
        directory: The executor's sandbox; "" if not told.
        is_checkpointed: The agent may come back after a loss: wait for it.
        recovery_timeout_s: For so long.
        backoff_s_max: Longest pause between two attempts meanwhile.
        shutdown_grace_s: Between SHUTDOWN and the end of our process group.
        token: For the ``Authorization`` header, if the agent wants one.
        role: Whose resources these are, if the agent tells.
    """

    agent: str
    framework_id: FrameworkId
    executor_id: str
    agent_id: AgentId | None = None
    directory: str = ""
    is_checkpointed: bool = False
    recovery_timeout_s: float = 0.0
    backoff_s_max: float = BACKOFF_S_MAX
    shutdown_grace_s: float = SHUTDOWN_GRACE_S
    token: str | None = attrs.field(default=None, repr=False)
    role: str | None = None


def read_environment(environ: Mapping[str, str]) -> ExecutorEnvironment:
    """What these variables say. Raises ConfigError that names the variable."""
    is_checkpointed = environ.get("MESOS_CHECKPOINT") == "1"
    agent_id = environ.get("MESOS_SLAVE_ID")
    return ExecutorEnvironment(
        agent=_agent(environ),
        framework_id=FrameworkId(_needed(environ, "MESOS_FRAMEWORK_ID")),
        executor_id=_needed(environ, "MESOS_EXECUTOR_ID"),
        agent_id=AgentId(agent_id) if agent_id else None,
        directory=environ.get("MESOS_SANDBOX") or environ.get("MESOS_DIRECTORY", ""),
        is_checkpointed=is_checkpointed,
        recovery_timeout_s=(
            _duration(environ, "MESOS_RECOVERY_TIMEOUT") if is_checkpointed else 0.0
        ),
        backoff_s_max=_duration(
            environ, "MESOS_SUBSCRIPTION_BACKOFF_MAX", BACKOFF_S_MAX
        ),
        shutdown_grace_s=_duration(
            environ, "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", SHUTDOWN_GRACE_S
        ),
        token=environ.get(TOKEN_VARIABLE) or None,
        role=environ.get("MESOS_ALLOCATION_ROLE") or None,
    )


def parse_duration(text: str) -> float:
    """Seconds of Mesos' text form. Raises InvalidInputError."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", text)
    if found is None or found[2] not in _UNITS_S:
        raise InvalidInputError(
            "", f"{text!r} is no duration; units are {', '.join(_UNITS_S)}"
        )
    return float(found[1]) * _UNITS_S[found[2]]


def _agent(environ: Mapping[str, str]) -> str:
    """``MESOS_AGENT_ENDPOINT``; older agents have only ``slave(1)@IP:PORT``."""
    name = "MESOS_AGENT_ENDPOINT"
    address = environ.get(name)
    if not address:
        name = "MESOS_SLAVE_PID"
        address = _needed(environ, name).rpartition("@")[2]
    try:
        parse_address(address)
    except InvalidInputError as error:
        raise ConfigError(f"{name}: {error.problem}") from error
    return address


def _needed(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name)
    if not value:
        raise ConfigError(f"{name} is not set: executors are started by an agent")
    return value


def _duration(
    environ: Mapping[str, str], name: str, default_s: float | None = None
) -> float:
    if default_s is not None and not environ.get(name):
        return default_s
    try:
        return parse_duration(_needed(environ, name))
    except InvalidInputError as error:
        raise ConfigError(f"{name}: {error.problem}") from error
