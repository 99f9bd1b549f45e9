"""What is wrong with tasks, executors and groups, in Mesos' words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from raftleader.limits import TASK_DATA_BYTES_MAX
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId
from raftleader.protocol.resource_keys import ResourceKind, key_of_kind
from raftleader.protocol.resources import EMPTY, Resources, parse_resources
from raftleader.protocol.tasks import (
    CommandInfo,
    ExecutorInfo,
    ExecutorType,
    TaskInfo,
)
from raftleader.state.check_problems import Kind, check_problem
from raftleader.state.task_checks import (
    executor_problem,
    group_problem,
    is_enough,
    launch_problem,
    task_problem,
)
from raftleader.state.trial import reserved, volume

AGENT, FRAMEWORK = AgentId("c-S1-0"), FrameworkId("c-F1-0")
TRUE = CommandInfo(value="true")
VOLUME, SHARED = volume("a", "v"), volume("a", "s", is_shared=True)
TWIN = volume("a", "v", is_shared=True)
REVOCABLE = key_of_kind(ResourceKind(name="cpus", is_revocable=True))


def _of(**scalars: int) -> Resources:
    return Resources.of(scalars)


def _task(**fields: Any) -> TaskInfo:
    defaults = {"command": TRUE, "resources": parse_resources("cpus:1")}
    return TaskInfo(
        **{**defaults, **fields}, name="n", task_id=TaskId("t"), agent_id=AGENT
    )


def _executor(**fields: Any) -> ExecutorInfo:
    defaults: dict[str, Any] = {
        "framework_id": FRAMEWORK,
        "command": TRUE,
        "resources": parse_resources("cpus:0.1;mem:32;disk:1"),
        "executor_id": "e",
    }
    return ExecutorInfo(**{**defaults, **fields})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kill_grace_ms": -1}, "Task's 'kill_policy.grace_period' must be non-neg"),
        ({"kill_grace_ms": 10**12}, "Task's 'kill_policy.grace_period' is longer"),
        ({"max_completion_ms": -1}, "Task's `max_completion_time` must be non-neg"),
        ({"resources": EMPTY}, "Task uses no resources"),
        ({"resources": _of(gpus=1500)}, "must be an unsigned integer"),
        (
            {"resources": _of(**{VOLUME: 1, TWIN: 1})},
            "Task uses duplicate persistence ID: Persistence ID 'v' is not unique",
        ),
        (
            {"resources": _of(**{"cpus": 1, REVOCABLE: 1})},
            "Task mixes revocable and non-revocable resources: Cannot use both"
            " revocable and non-revocable 'cpus' at the same time",
        ),
        ({"resources": _of(**{reserved("cpus", "-x"): 1})}, "Task uses invalid resou"),
        ({"unsupported": ("limits",)}, "Task uses what is not supported: limits"),
        ({"data": b"x" * (TASK_DATA_BYTES_MAX + 1)}, "Task's data is larger"),
        ({"check": b"{}"}, "Task uses invalid check: CheckInfo must specify 'type'"),
        ({"health_check": b"{}"}, "Task uses invalid health check: HealthCheck must"),
    ],
)
def test_task_is_refused(fields: dict[str, Any], words: str) -> None:
    problem = task_problem(_task(**fields), AGENT)
    assert problem is not None and words in problem


def test_task_is_taken_with_all_there_is() -> None:
    check = b'{"command":{"command":{"value":"true"}},"type":"COMMAND"}'
    health = b'{"http":{"path":"/ok","port":80},"interval_seconds":0.5,"type":"HTTP"}'
    task = _task(
        kill_grace_ms=0,
        max_completion_ms=0,
        check=check,
        health_check=health,
        resources=_of(**{"gpus": 2000, VOLUME: 1, SHARED: 1, REVOCABLE: 1}),
    )
    assert task_problem(task, AGENT) is None
    other = task_problem(task, AgentId("c-S2-0"))
    assert other == "Task uses invalid agent c-S1-0 while agent c-S2-0 is expected"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"executor_id": "a/b"}, "Executor ID must not contain '/'"),
        ({"executor_id": ""}, "Executor ID must not be empty"),
        ({"type": ExecutorType.DEFAULT}, "must not be set for 'DEFAULT' executor"),
        ({"command": None}, "'ExecutorInfo.command' must be set for 'CUSTOM'"),
        ({"shutdown_grace_ms": -1}, "'shutdown_grace_period' must be non-negative"),
        ({"shutdown_grace_ms": 10**12}, "'shutdown_grace_period' is over"),
        ({"framework_id": None}, "'ExecutorInfo.framework_id' must be set"),
        ({"framework_id": "x"}, "invalid FrameworkID (Actual: x vs Expected: c-F1-0)"),
        ({"resources": _of(gpus=1)}, "Executor uses invalid resources"),
        ({"resources": _of(**{VOLUME: 1, TWIN: 1})}, "Executor uses duplicate persis"),
        ({"resources": _of(**{"cpus": 1, REVOCABLE: 1})}, "Executor mixes revocable"),
        ({"resources": _of(**{SHARED: 1})}, "should not contain any shared resources"),
        ({"unsupported": ("container",)}, "Executor uses what is not supported"),
        ({"data": b"x" * (TASK_DATA_BYTES_MAX + 1)}, "Executor's data is larger"),
    ],
)
def test_executor_is_refused(fields: dict[str, Any], words: str) -> None:
    problem = executor_problem(_executor(**fields), FRAMEWORK, None)
    assert problem is not None and words in problem


def test_executor_is_shared_only_as_it_is() -> None:
    executor = _executor()
    assert executor_problem(executor, FRAMEWORK, None) is None
    assert executor_problem(executor, FRAMEWORK, executor) is None
    other = executor_problem(executor, FRAMEWORK, replace(executor, name="x"))
    assert other is not None
    assert other.startswith("ExecutorInfo is not compatible with existing Executor")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"executor": _executor()}, "one (but not both) of CommandInfo or Executor"),
        ({"command": None}, "one (but not both) of CommandInfo or ExecutorInfo"),
        (
            {
                "command": None,
                "executor": _executor(command=None, type=ExecutorType.DEFAULT),
            },
            "'ExecutorInfo.type' must be 'CUSTOM'",
        ),
        (
            {
                "command": None,
                "resources": parse_resources("ports:[1-3]"),
                "executor": _executor(resources=parse_resources("ports:[3-4]")),
            },
            "There are overlapping resources in the task resources ports:[1-3]",
        ),
        (
            {
                "command": None,
                "resources": Resources.of(sets={"gpus": ["a"]}),
                "executor": _executor(resources=Resources.of(sets={"gpus": ["a"]})),
            },
            "There are overlapping resources",
        ),
        (
            {
                "command": None,
                "resources": _of(**{VOLUME: 1}),
                "executor": _executor(resources=_of(**{VOLUME: 1})),
            },
            "Task and its executor use duplicate persistence ID: Persistence ID 'v'",
        ),
        (
            {
                "command": None,
                "resources": _of(cpus=1),
                "executor": _executor(resources=_of(**{REVOCABLE: 1})),
            },
            "Task and its executor mix revocable and non-revocable resources",
        ),
    ],
)
def test_launch_is_refused(fields: dict[str, Any], words: str) -> None:
    problem = launch_problem(_task(**fields))
    assert problem is not None and words in problem


def test_launch_is_taken_with_command_or_executor() -> None:
    assert launch_problem(_task()) is None
    executor = _executor(type=ExecutorType.CUSTOM)
    assert launch_problem(_task(command=None, executor=executor)) is None


def _group(executor: ExecutorInfo, *fields: dict[str, Any]) -> str | None:
    tasks = [_task(**{"executor": executor, **some}) for some in fields]
    return group_problem(executor, tasks)


DEFAULT = _executor(command=None, type=ExecutorType.DEFAULT)


@pytest.mark.parametrize(
    ("executor", "fields", "words"),
    [
        (_executor(), {}, "'ExecutorInfo.type' must be set"),
        (
            DEFAULT,
            {"executor": replace(DEFAULT, name="x")},
            "The `ExecutorInfo` of task 't' is different from executor 'e'",
        ),
        (DEFAULT, {"command": None}, "'TaskInfo.command' must be set"),
        (
            replace(DEFAULT, resources=parse_resources("mem:32;disk:1")),
            {},
            "Executor 'e' uses less CPUs (None) than the minimum required (0.01)",
        ),
        (
            replace(DEFAULT, resources=parse_resources("cpus:1;mem:31;disk:1")),
            {},
            "Executor 'e' uses less memory (31) than the minimum required (32)",
        ),
        (
            replace(DEFAULT, resources=parse_resources("cpus:1;mem:32")),
            {},
            "Executor 'e' uses no disk",
        ),
        (
            DEFAULT,
            {"resources": _of(**{"mem": 1, REVOCABLE: 1})},
            "Task group and executor mix revocable and non-revocable resources",
        ),
        (
            DEFAULT,
            {"resources": parse_resources("ports:[7-9]")},
            "There are overlapping resources in the task group's task resources",
        ),
        (
            DEFAULT,
            {"resources": _of(**{VOLUME: 1})},
            "Task group and executor use duplicate persistence ID",
        ),
    ],
)
def test_group_is_refused(
    executor: ExecutorInfo, fields: dict[str, Any], words: str
) -> None:
    other = {"resources": parse_resources("ports:[9-9]")}
    if "resources" in fields and VOLUME in fields["resources"].scalars:
        other = fields
    problem = _group(executor, fields, other)
    assert problem is not None and words in problem


def test_group_is_taken() -> None:
    assert _group(DEFAULT, {}, {"resources": _of(**{SHARED: 1})}) is None
    custom = _executor(type=ExecutorType.CUSTOM)
    assert _group(custom, {"command": None}) is None


def test_is_enough_counts_what_is_shared_once_and_divides_no_volume() -> None:
    left = _of(**{"cpus": 2, VOLUME: 10, SHARED: 5})
    both = _of(**{"cpus": 1, SHARED: 5})

    assert is_enough(left, [both, both])
    assert not is_enough(left, [both, both, _of(cpus=1)])
    assert is_enough(left, [_of(**{VOLUME: 10})])
    assert not is_enough(left, [_of(**{VOLUME: 9})])
    assert not is_enough(left, [_of(**{SHARED: 4})])


@pytest.mark.parametrize(
    ("kind", "check", "words"),
    [
        ("check", {"type": "UNKNOWN"}, "'UNKNOWN' is not a valid check type"),
        ("check", {"type": "HTTP"}, "Expecting 'http' to be set for HTTP check"),
        ("health check", {"type": "TCP"}, "Expecting 'tcp' to be set for TCP health"),
        (
            "check",
            {"type": "COMMAND", "command": {"command": {}}},
            "Command check must contain 'shell command'",
        ),
        (
            "health check",
            {"type": "COMMAND", "command": {"shell": False}},
            "Command health check must contain 'executable path'",
        ),
        (
            "health check",
            {"type": "HTTP", "http": {"port": 80, "scheme": "ftp"}},
            "Unsupported HTTP health check scheme: 'ftp'",
        ),
        (
            "check",
            {"type": "HTTP", "http": {"port": 80, "path": "x"}},
            "The path 'x' of HTTP check must start with '/'",
        ),
        ("check", {"type": "TCP", "tcp": {"port": 0}}, "Expecting 'port' to be"),
        (
            "check",
            {"type": "TCP", "tcp": {"port": 1}, "delay_seconds": -1},
            "Expecting 'delay_seconds' to be non-negative",
        ),
        (
            "health check",
            {"type": "TCP", "tcp": {"port": 1}, "grace_period_seconds": -0.5},
            "Expecting 'grace_period_seconds' to be non-negative",
        ),
        (
            "health check",
            {"type": "TCP", "tcp": {"port": 1}, "consecutive_failures": -1},
            "Expecting 'consecutive_failures' to be non-negative",
        ),
        ("health check", {"http": {}, "command": {}}, "must specify 'type'"),
        ("health check", [], "Expected `object`"),
    ],
)
def test_check_is_refused(kind: Kind, check: Any, words: str) -> None:
    problem = check_problem(msgspec.json.encode(check), kind)
    assert problem is not None and words in problem


def test_type_of_an_old_health_check_is_seen_from_what_is_set() -> None:
    for check in ({"http": {"port": 80}}, {"command": {"value": "true"}}):
        assert check_problem(msgspec.json.encode(check), "health check") is None
