"""What of a check is read, and what is refused, with Mesos' words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.checks.definition import (
    Kind,
    Probe,
    no_result,
    read_check,
    read_health_check,
)
from raftleader.errors import InvalidInputError
from raftleader.protocol.tasks import CommandInfo


def text(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_defaults_are_those_of_mesos() -> None:
    health = read_health_check(text(type="TCP", tcp={"port": 80}))
    assert health.probe == Probe(
        kind=Kind.TCP, port=80, delay_s=15.0, interval_s=10.0, timeout_s=20.0
    )
    assert (health.failures_max, health.grace_s) == (3, 10.0)


def test_all_that_is_set_is_read() -> None:
    health = read_health_check(
        text(
            type="HTTP",
            http={"port": 443, "path": "/up", "scheme": "https", "protocol": "IPv6"},
            delay_seconds=0,
            interval_seconds=0.5,
            timeout_seconds=0,
            consecutive_failures=5,
            grace_period_seconds=1,
        )
    )
    assert health.probe == Probe(
        kind=Kind.HTTP,
        port=443,
        path="/up",
        scheme="https",
        is_ipv6=True,
        delay_s=0.0,
        interval_s=0.5,
        timeout_s=None,
    )
    assert (health.failures_max, health.grace_s) == (5, 1.0)


def test_check_is_read_from_its_own_shape() -> None:
    command = {"value": "/bin/true", "shell": False}
    probe = read_check(text(type="COMMAND", command={"command": command}))
    assert probe.command == CommandInfo(value="/bin/true", shell=False)
    assert read_check(text(type="HTTP", http={"port": 8080})).path == "/"
    assert json.loads(no_result(text(type="TCP", tcp={"port": 1}))) == {
        "type": "TCP",
        "tcp": {},
    }


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "HealthCheck must specify 'type'"),
        ({"type": "UNKNOWN"}, "'UNKNOWN' is not a valid check type"),
        ({"type": "COMMAND"}, "Expecting 'command' to be set for COMMAND"),
        (
            {"type": "COMMAND", "command": {}},
            "Command health check must contain 'shell command'",
        ),
        (
            {"type": "COMMAND", "command": {"shell": False}},
            "Command health check must contain 'executable path'",
        ),
        ({"type": "HTTP"}, "Expecting 'http' to be set for HTTP health check"),
        (
            {"type": "HTTP", "http": {"port": 1, "scheme": "ftp"}},
            "Unsupported HTTP health check scheme: 'ftp'",
        ),
        (
            {"type": "HTTP", "http": {"port": 1, "path": "up"}},
            "The path 'up' of HTTP health check must start with '/'",
        ),
        (
            {"type": "HTTP", "http": {"port": 1, "path": "/a\r\nX: y"}},
            "must be plain ASCII",
        ),
        ({"type": "TCP"}, "Expecting 'tcp' to be set for TCP health check"),
        ({"type": "TCP", "tcp": {"port": 70_000}}, "'70000' is not a port"),
        (
            {"type": "TCP", "tcp": {"port": 1}, "delay_seconds": -1},
            "Expecting 'delay_seconds' to be non-negative",
        ),
        (
            {"type": "TCP", "tcp": {"port": 1}, "grace_period_seconds": -1},
            "Expecting 'grace_period_seconds' to be non-negative",
        ),
    ],
)
def test_health_check_that_cannot_be_is_refused(
    fields: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidInputError, match=problem.replace("(", "\\(")):
        read_health_check(text(**fields))
