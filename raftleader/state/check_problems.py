"""What is wrong with a task's check or health check, in Mesos' words."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Kind = Literal["health check", "check"]
_DURATIONS = (
    "delay_seconds",
    "grace_period_seconds",
    "interval_seconds",
    "timeout_seconds",
)


def check_problem(encoded: bytes, kind: Kind) -> str | None:
    """Why the message (canonical JSON, in snake case) cannot be honoured."""
    try:
        check = msgspec.json.decode(encoded, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return str(error)
    name = check_type(check)
    if name is None:
        message = "HealthCheck" if kind == "health check" else "CheckInfo"
        return f"{message} must specify 'type'"
    if name not in ("COMMAND", "HTTP", "TCP"):
        return f"'{name}' is not a valid {kind} type"
    part = check.get(name.lower())
    if not isinstance(part, dict):
        return f"Expecting '{name.lower()}' to be set for {name} {kind}"
    if name == "COMMAND":
        problem = _command_problem(part, kind)
    elif name == "HTTP":
        problem = _http_problem(part, kind)
    else:
        problem = _port_problem(part)
    if problem is not None:
        return problem
    for field in _DURATIONS:
        value = check.get(field, 0)
        if not isinstance(value, int | float) or not value >= 0:
            return f"Expecting '{field}' to be non-negative"
    failures = check.get("consecutive_failures", 0)
    if not isinstance(failures, int) or failures < 0:
        return "Expecting 'consecutive_failures' to be non-negative"
    return None


def check_type(check: dict[str, Any]) -> str | None:
    """The type, said or (as Mesos guesses it) to be seen from what is set."""
    name = check.get("type")
    if isinstance(name, str):
        return name
    has_command, has_http = "command" in check, "http" in check
    if has_command == has_http:
        return None
    return "COMMAND" if has_command else "HTTP"


def _command_problem(part: dict[str, Any], kind: Kind) -> str | None:
    command = part if kind == "health check" else part.get("command")
    if not isinstance(command, dict) or not isinstance(command.get("value"), str):
        is_shell = not isinstance(command, dict) or command.get("shell", True)
        what = "'shell command'" if is_shell else "'executable path'"
        return f"Command {kind} must contain {what}"
    return None


def _http_problem(part: dict[str, Any], kind: Kind) -> str | None:
    scheme, path = part.get("scheme", "http"), part.get("path", "/")
    if scheme not in ("http", "https"):
        return f"Unsupported HTTP {kind} scheme: '{scheme}'"
    if not isinstance(path, str) or not path.startswith("/"):
        return f"The path '{path}' of HTTP {kind} must start with '/'"
    return _port_problem(part)


def _port_problem(part: dict[str, Any]) -> str | None:
    port = part.get("port")
    if not isinstance(port, int) or not 0 < port < 65_536:
        return f"Expecting 'port' to be between 1 and 65535, not {port}"
    return None
