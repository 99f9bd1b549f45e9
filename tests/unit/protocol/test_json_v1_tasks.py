"""Tasks, operations and roles in Mesos' JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.mesos_json import (
    framework_call,
    subscribe_of,
    task_from,
    task_of,
)

from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, TaskId
from raftleader.protocol.json_v1 import decode_call
from raftleader.protocol.offers import Launch, UnsupportedOperation
from raftleader.protocol.scheduler_api import (
    Accept,
    Subscribe,
)
from raftleader.protocol.tasks import TaskInfo


def info_from(**info: Any) -> FrameworkInfo:
    decoded = decode_call(subscribe_of(**info))
    assert isinstance(decoded, Subscribe)
    return decoded.framework_info


@pytest.mark.parametrize(
    ("fields", "unsupported"),
    [
        ({"executor": {"executor_id": {"value": "e"}}}, ("executor",)),
        ({"container": {"type": "DOCKER", "docker": {"image": "i"}}}, ("container",)),
        ({"container": {"type": "MESOS", "volumes": [{"mode": "RW"}]}}, ("container",)),
        ({"container": {"type": "MESOS", "hostname": "h"}}, ("container",)),
        ({"container": {"type": "MESOS", "volumes": [], "mesos": {}}}, ()),
        ({"health_check": {"type": "HTTP"}}, ("health_check",)),
        ({"check": {"type": "TCP"}}, ("check",)),
        ({"limits": {"cpus": {"value": 1}}}, ("limits",)),
        ({"limits": {}}, ()),
        ({"max_completion_time": {"nanoseconds": 1}}, ("max_completion_time",)),
        ({"command": {"uris": [{"value": "http://x"}]}}, ("command.uris",)),
        ({"command": {"uris": []}}, ()),
        (
            {
                "command": {
                    "environment": {"variables": [{"name": "A", "type": "SECRET"}]}
                }
            },
            ("command.environment.secret",),
        ),
        (
            {
                "resources": {
                    "name": "disk",
                    "type": "SCALAR",
                    "scalar": {"value": 1},
                    "disk": {"persistence": {"id": "x"}},
                }
            },
            ("resources.disk",),
        ),
        ({"discovery": {"visibility": "CLUSTER"}}, ()),
        ({"container": None, "executor": None}, ()),
    ],
)
def test_task_names_what_we_cannot_honour(
    fields: dict[str, Any], unsupported: tuple[str, ...]
) -> None:
    assert task_from(**fields).unsupported == unsupported


def test_operations_we_cannot_perform_keep_their_place() -> None:
    group = {
        "type": "LAUNCH_GROUP",
        "launch_group": {"executor": {}, "task_group": {"tasks": [task_of()]}},
    }
    body = {"operations": [{"type": "RESERVE"}, group, {"type": "NEW"}, {}]}
    decoded = decode_call(framework_call("ACCEPT", accept=body))
    assert isinstance(decoded, Accept)
    task = TaskInfo(
        name="t",
        task_id=TaskId("t-1"),
        agent_id=AgentId("a"),
        unsupported=("launch_group",),
    )
    assert decoded.operations == (
        UnsupportedOperation(type="RESERVE"),
        Launch(tasks=(task,)),
        UnsupportedOperation(type="UNKNOWN"),
        UnsupportedOperation(type="UNKNOWN"),
    )


@pytest.mark.parametrize(
    ("info", "roles"),
    [
        ({}, ("*",)),
        ({"role": "web"}, ("web",)),
        ({"roles": ["web"]}, ("web",)),
        ({"role": "web", "roles": ["db"]}, ("web", "db")),
        ({"roles": ["a", "b"], "capabilities": [{"type": "MULTI_ROLE"}]}, ("a", "b")),
        ({"role": "x", "roles": "a", "capabilities": {"type": "MULTI_ROLE"}}, ("a",)),
    ],
)
def test_roles_follow_the_capability_multi_role(
    info: dict[str, Any], roles: tuple[str, ...]
) -> None:
    assert info_from(**info).roles == roles


@pytest.mark.parametrize(
    ("seconds", "millis"),
    [
        (0, 0),
        (3600, 3_600_000),
        (0.0015, 2),
        (-1, -1000),
        ("Infinity", 10**15),
        (-1e300, -(10**15)),
        (10**30, 10**15),
    ],
)
def test_failover_timeout_out_of_bounds_is_left_for_the_state_to_refuse(
    seconds: Any, millis: int
) -> None:
    assert info_from(failover_timeout=seconds).failover_timeout_ms == millis


def test_unknown_capabilities_are_ignored() -> None:
    capabilities = [{"type": "FROM_THE_FUTURE"}, {"type": "GPU_RESOURCES"}, {}]
    assert info_from(capabilities=capabilities).capabilities == ("GPU_RESOURCES",)


def test_empty_framework_id_counts_as_unset() -> None:
    body = json.loads(subscribe_of(id={"value": ""})) | {"framework_id": {"value": ""}}
    decoded = decode_call(json.dumps(body).encode())
    assert isinstance(decoded, Subscribe)
    assert decoded.framework_id is None
    assert decoded.framework_info.id is None
