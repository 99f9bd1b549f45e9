"""The variables of an executor."""

from __future__ import annotations

import pytest

from raftleader.errors import ConfigError, InvalidInputError
from raftleader.framework.executors.environment import (
    ExecutorEnvironment,
    parse_duration,
    read_environment,
)

LEAST = {
    "MESOS_AGENT_ENDPOINT": "10.0.0.1:5051",
    "MESOS_FRAMEWORK_ID": "f-1",
    "MESOS_EXECUTOR_ID": "e-1",
}


def test_environment_has_defaults_when_the_agent_tells_little() -> None:
    assert read_environment(LEAST) == ExecutorEnvironment(
        agent="10.0.0.1:5051",
        framework_id="f-1",
        executor_id="e-1",
        backoff_s_max=2.0,
        shutdown_grace_s=5.0,
    )


def test_environment_has_all_that_mesos_tells() -> None:
    environ = {
        **LEAST,
        "MESOS_SLAVE_ID": "a-1",
        "MESOS_SLAVE_PID": "slave(1)@10.0.0.1:5051",
        "MESOS_DIRECTORY": "/on/the/host",
        "MESOS_SANDBOX": "/mnt/mesos/sandbox",
        "MESOS_CHECKPOINT": "1",
        "MESOS_RECOVERY_TIMEOUT": "15mins",
        "MESOS_SUBSCRIPTION_BACKOFF_MAX": "2.5secs",
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "100ms",
        "MESOS_EXECUTOR_AUTHENTICATION_TOKEN": "secret",
        "MESOS_ALLOCATION_ROLE": "eng",
    }
    environment = read_environment(environ)
    assert environment == ExecutorEnvironment(
        agent="10.0.0.1:5051",
        framework_id="f-1",
        executor_id="e-1",
        agent_id="a-1",
        directory="/mnt/mesos/sandbox",
        is_checkpointed=True,
        recovery_timeout_s=900.0,
        backoff_s_max=2.5,
        shutdown_grace_s=0.1,
        token="secret",
        role="eng",
    )
    assert "secret" not in repr(environment)


def test_environment_takes_the_address_from_the_pid_of_an_older_agent() -> None:
    environ = {**LEAST, "MESOS_SLAVE_PID": "slave(1)@10.0.0.2:5052"}
    del environ["MESOS_AGENT_ENDPOINT"]
    assert read_environment(environ).agent == "10.0.0.2:5052"


@pytest.mark.parametrize("value", ["0", "true", ""])
def test_environment_is_checkpointed_only_by_a_one(value: str) -> None:
    assert not read_environment({**LEAST, "MESOS_CHECKPOINT": value}).is_checkpointed


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"MESOS_FRAMEWORK_ID": ""}, "MESOS_FRAMEWORK_ID is not set"),
        ({"MESOS_AGENT_ENDPOINT": "nowhere"}, "MESOS_AGENT_ENDPOINT: "),
        ({"MESOS_CHECKPOINT": "1"}, "MESOS_RECOVERY_TIMEOUT is not set"),
        (
            {"MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "soon"},
            "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD: 'soon' is no duration",
        ),
    ],
)
def test_environment_names_the_variable_that_is_wrong(
    change: dict[str, str], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        read_environment({**LEAST, **change})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5secs", 5.0),
        ("15mins", 900.0),
        ("1hrs", 3600.0),
        ("2days", 172_800.0),
        ("1weeks", 604_800.0),
        ("250ms", 0.25),
        ("3us", 3e-6),
        ("7ns", 7e-9),
        ("1.5 secs", 1.5),
    ],
)
def test_duration_is_read_in_every_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds, rel=1e-9)


@pytest.mark.parametrize("text", ["", "5", "secs", "5s", "-5secs", "5 seconds"])
def test_duration_is_refused_when_it_is_none(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_duration(text)
