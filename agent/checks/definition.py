"""What a framework asks to be checked: ``CheckInfo`` and ``HealthCheck`` as values.

Pure. Defaults and refusals are Mesos'.
"""

from __future__ import annotations

import enum
from typing import Any

import attrs
import msgspec

from raftleader.errors import InvalidInputError
from raftleader.protocol.json_v1_commands import read_command
from raftleader.protocol.json_v1_fields import Fields
from raftleader.protocol.tasks import CommandInfo, TaskInfo

SECONDS_MAX = 365 * 24 * 3600.0
"""Longest delay, interval and timeout that is kept exactly; a longer one is this."""

_encoder = msgspec.json.Encoder(order="deterministic")


class Kind(enum.Enum):
    """How it is checked."""

    COMMAND = "COMMAND"
    HTTP = "HTTP"
    TCP = "TCP"


@attrs.frozen(kw_only=True)
class Probe:
    """One way to look at a task, again and again.

    Attributes:
        command: Of a COMMAND: run in the task's sandbox.
        port, path, scheme, is_ipv6: Of HTTP and TCP: looked at on this machine.
        delay_s: From the task's start to the first look.
        interval_s: From the end of one look to the next.
        timeout_s: For one look; None is for ever.
    """

    kind: Kind
    command: CommandInfo | None = None
    port: int = 0
    path: str = "/"
    scheme: str = "http"
    is_ipv6: bool = False
    delay_s: float = 15.0
    interval_s: float = 10.0
    timeout_s: float | None = 20.0


@attrs.frozen(kw_only=True)
class HealthDefinition:
    """A probe whose failures count.

    Attributes:
        failures_max: So many in a row end the task.
        grace_s: Failures so soon after its start do not count, until one look was good.
    """

    probe: Probe
    failures_max: int = 3
    grace_s: float = 10.0


def read_health_check(text: bytes) -> HealthDefinition:
    """A ``HealthCheck``. Raises InvalidInputError with Mesos' words."""
    fields = _fields(text, "health_check")
    kind = _kind(fields, "HealthCheck must specify 'type'")
    probe = _timed(fields, _probe_of_health(fields, kind))
    failures = fields.integer("consecutive_failures", least=0)
    return HealthDefinition(
        probe=probe,
        failures_max=3 if failures is None else max(1, failures),
        grace_s=_seconds(fields, "grace_period_seconds", 10.0),
    )


def read_check(text: bytes) -> Probe:
    """A ``CheckInfo``. Raises InvalidInputError with Mesos' words."""
    fields = _fields(text, "check")
    kind = _kind(fields, "CheckInfo must specify 'type'")
    part = fields.child(kind.value.lower())
    if part is None:
        name = kind.value.lower()
        raise InvalidInputError(
            "", f"Expecting '{name}' to be set for {kind.value} check"
        )
    if kind is Kind.COMMAND:
        command = part.child("command")
        probe = Probe(kind=kind, command=_command(command, "Command check"))
    else:
        probe = Probe(kind=kind, port=_port(part), path=_path(part, "HTTP check"))
    return _timed(fields, probe)


def task_problem(task: TaskInfo) -> str | None:
    """Why the checks of this task cannot be done, or None."""
    try:
        if task.health_check is not None:
            read_health_check(task.health_check)
        if task.check is not None:
            read_check(task.check)
    except InvalidInputError as error:
        return str(error)
    return None


def no_result(check: bytes) -> bytes:
    """The CheckStatusInfo of a check that has found nothing yet."""
    return result_of(read_check(check).kind, {})


def result_of(kind: Kind, found: dict[str, Any]) -> bytes:
    """A CheckStatusInfo as canonical JSON."""
    return _encoder.encode({"type": kind.value, kind.value.lower(): found})


def _fields(text: bytes, name: str) -> Fields:
    try:
        tree = msgspec.json.decode(text)
    except msgspec.MsgspecError as error:
        raise InvalidInputError(name, str(error)) from error
    if not isinstance(tree, dict):
        raise InvalidInputError(name, "is not an object")
    return Fields(tree)


def _kind(fields: Fields, problem: str) -> Kind:
    text = fields.text("type")
    if text is None:
        raise InvalidInputError("", problem)
    try:
        return Kind(text)
    except ValueError:
        raise InvalidInputError("", f"'{text}' is not a valid check type") from None


def _probe_of_health(fields: Fields, kind: Kind) -> Probe:
    if kind is Kind.COMMAND:
        command = fields.child("command")
        if command is None:
            raise InvalidInputError(
                "", "Expecting 'command' to be set for COMMAND health check"
            )
        return Probe(kind=kind, command=_command(command, "Command health check"))
    part = fields.child(kind.value.lower())
    if part is None:
        name = kind.value.lower()
        raise InvalidInputError(
            "", f"Expecting '{name}' to be set for {kind.value} health check"
        )
    scheme = part.text("scheme") or "http"
    if kind is Kind.HTTP and scheme not in ("http", "https"):
        raise InvalidInputError("", f"Unsupported HTTP health check scheme: '{scheme}'")
    return Probe(
        kind=kind,
        port=_port(part),
        path=_path(part, "HTTP health check"),
        scheme=scheme,
        is_ipv6=part.text("protocol") == "IPv6",
    )


def _command(fields: Fields | None, what: str) -> CommandInfo:
    if fields is None:
        raise InvalidInputError("", f"{what} must contain 'command'")
    command = read_command(fields)
    if not command.value:
        kind = "'shell command'" if command.shell else "'executable path'"
        raise InvalidInputError("", f"{what} must contain {kind}")
    return command


def _port(fields: Fields) -> int:
    port = fields.integer("port")
    if port is None or not 0 < port < 65536:
        raise InvalidInputError("", f"'{port}' is not a port to check")
    return port


def _path(fields: Fields, what: str) -> str:
    path = fields.text("path") or "/"
    if not path.startswith("/"):
        raise InvalidInputError("", f"The path '{path}' of {what} must start with '/'")
    if not path.isascii() or not path.isprintable() or " " in path:
        raise InvalidInputError("", f"The path of {what} must be plain ASCII")
    return path


def _timed(fields: Fields, probe: Probe) -> Probe:
    timeout_s = _seconds(fields, "timeout_seconds", 20.0)
    return attrs.evolve(
        probe,
        delay_s=_seconds(fields, "delay_seconds", 15.0),
        interval_s=_seconds(fields, "interval_seconds", 10.0),
        timeout_s=timeout_s or None,
    )


def _seconds(fields: Fields, name: str, default: float) -> float:
    value = fields.number(name)
    if value is None:
        return default
    if not value >= 0.0:
        raise InvalidInputError("", f"Expecting '{name}' to be non-negative")
    return min(value, SECONDS_MAX)
