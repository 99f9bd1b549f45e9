"""Tasks, operations and frameworks in Mesos' messages."""

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

from raftleader.errors import InvalidInputError
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, TaskId
from raftleader.protocol.json_v1 import decode_call
from raftleader.protocol.json_v1_commands import unsupported_in_container
from raftleader.protocol.json_v1_fields import Fields
from raftleader.protocol.json_v1_tasks import (
    UNSUPPORTED_TASK_FIELDS,
    read_task_info,
    task_info_to_json,
)
from raftleader.protocol.offers import Launch, LaunchGroup, UnsupportedOperation
from raftleader.protocol.scheduler_api import (
    Accept,
    Subscribe,
)
from raftleader.protocol.tasks import ExecutorInfo, ExecutorType, TaskInfo, Uri
from raftleader.protocol.wire.codec import read_message, write_message
from raftleader.protocol.wire.media import Media

VOLUME = {"mode": "RW", "container_path": "data", "host_path": "/data"}
DOCKER_IMAGE = {"type": "DOCKER", "docker": {"name": "i"}}


def info_from(**info: Any) -> FrameworkInfo:
    decoded = decode_call(subscribe_of(**info))
    assert isinstance(decoded, Subscribe)
    return decoded.framework_info


@pytest.mark.parametrize(
    ("fields", "unsupported"),
    [
        ({"executor": {"executor_id": {"value": "e"}}}, ()),
        (
            {"container": {"type": "DOCKER", "docker": {"image": "i"}}},
            ("container.docker",),
        ),
        (
            {"container": {"type": "MESOS", "volumes": VOLUME}},
            ("container.volumes",),
        ),
        (
            {"container": {"type": "MESOS", "hostname": "h", "linux_info": {}}},
            ("container.hostname",),
        ),
        (
            {"container": {"type": "MESOS", "mesos": {"image": DOCKER_IMAGE}}},
            ("container.mesos.image",),
        ),
        (
            {"container": {"type": "MESOS", "network_infos": [{"name": "cni"}]}},
            ("container.network_infos",),
        ),
        (
            {"container": {"type": "MESOS", "network_infos": {"groups": ["g"]}}},
            (),
        ),
        ({"container": {"type": "MESOS", "volumes": [], "mesos": {}}}, ()),
        (
            {"container": {"type": "MESOS", "network_infos": [{"port_mappings": []}]}},
            (),
        ),
        ({"limits": {}}, ()),
        ({"command": {"uris": [{"value": "http://x"}]}}, ()),
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
                    "provider_id": {"value": "x"},
                }
            },
            ("resources.provider_id",),
        ),
        ({"discovery": {"visibility": "CLUSTER"}}, ()),
        ({"container": None, "executor": None}, ()),
    ],
)
def test_task_names_what_we_cannot_honour(
    fields: dict[str, Any], unsupported: tuple[str, ...]
) -> None:
    assert task_from(**fields).unsupported == unsupported


@pytest.mark.parametrize("media", Media)
@pytest.mark.parametrize(
    ("fields", "unsupported"),
    [
        ({"tty_info": {}}, ("container.tty_info",)),
        ({"hostname": ""}, ("container.hostname",)),
        ({"rlimit_info": {}, "linux_info": {}}, ()),
        ({"linux_info": {"effective_capabilities": {}}}, ("container.linux_info",)),
    ],
)
def test_empty_message_asks_for_what_its_being_there_means(
    fields: dict[str, Any], unsupported: tuple[str, ...], media: Media
) -> None:
    kind = "mesos.ContainerInfo"
    body = write_message(media, kind, {"type": "MESOS"} | fields)
    container = read_message(media, kind, body)
    assert unsupported_in_container(container) == unsupported


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("health_check", {"type": "HTTP"}),
        ("check", {"type": "TCP"}),
        ("limits", {"cpus": {"value": 1}}),
        ("max_completion_time", {"nanoseconds": 1}),
    ],
)
def test_setting_the_agent_cannot_honour_is_named(name: str, value: Any) -> None:
    expected = (name,) if name in UNSUPPORTED_TASK_FIELDS else ()
    assert task_from(**{name: value}).unsupported == expected


@pytest.mark.parametrize(
    ("nanoseconds", "grace_ms"),
    [
        (0, 0),
        (1_999_999, 1),
        (-1, -1),
        ("2500000000", 2500),
        (2**63 - 1, 9223372036854),
    ],
)
def test_grace_of_a_task_is_read_as_it_is_for_the_state_to_judge(
    nanoseconds: Any, grace_ms: int
) -> None:
    period = {"nanoseconds": nanoseconds}
    executor = {"executor_id": {"value": "e"}, "shutdown_grace_period": period}
    task = task_from(kill_policy={"grace_period": period}, executor=executor)
    assert task.kill_grace_ms == grace_ms
    assert task.executor is not None
    assert task.executor.shutdown_grace_ms == grace_ms


def test_checks_and_the_longest_time_are_kept() -> None:
    task = task_from(
        max_completion_time={"nanoseconds": 1_500_000_000},
        health_check={"type": "TCP", "tcp": {"port": 80}, "delay_seconds": 1},
        check={"type": "COMMAND", "command": {"command": {"value": "true"}}},
    )
    assert task.max_completion_ms == 1500
    assert task.health_check == b'{"delay_seconds":1.0,"tcp":{"port":80},"type":"TCP"}'
    assert task.check == b'{"command":{"command":{"value":"true"}},"type":"COMMAND"}'
    assert read_task_info(Fields(task_info_to_json(task))) == task


def test_operations_we_cannot_perform_keep_their_place() -> None:
    launch = {"type": "LAUNCH", "launch": {"task_infos": [task_of()]}}
    body = {
        "operations": [
            {"type": "RESERVE"},
            {"type": "CREATE_DISK", "id": {"value": "op"}},
            launch,
            {"type": "NEW"},
            {},
        ]
    }
    decoded = decode_call(framework_call("ACCEPT", accept=body))
    assert isinstance(decoded, Accept)
    task = TaskInfo(name="t", task_id=TaskId("t-1"), agent_id=AgentId("a"))
    assert decoded.operations == (
        UnsupportedOperation(
            type="RESERVE", problem="Expecting 'reserve' to be present"
        ),
        UnsupportedOperation(
            type="CREATE_DISK", problem="CREATE_DISK is not supported", id="op"
        ),
        Launch(tasks=(task,)),
        UnsupportedOperation(type="UNKNOWN"),
        UnsupportedOperation(type="UNKNOWN"),
    )


def test_task_of_a_group_has_the_executor_of_its_group_unless_it_names_one() -> None:
    own = task_of(executor={"executor_id": {"value": "other"}})
    group = {
        "executor": {"executor_id": {"value": "e"}, "type": "DEFAULT"},
        "task_group": {"tasks": [task_of(), own]},
    }
    body = {"operations": {"type": "LAUNCH_GROUP", "launch_group": group}}
    decoded = decode_call(framework_call("ACCEPT", accept=body))
    assert isinstance(decoded, Accept)
    executor = ExecutorInfo(executor_id="e", type=ExecutorType.DEFAULT)
    (operation,) = decoded.operations
    assert isinstance(operation, LaunchGroup)
    assert operation.executor == executor
    assert [task.executor for task in operation.tasks] == [
        executor,
        ExecutorInfo(executor_id="other"),
    ]


def test_what_is_carried_is_canonical_whatever_its_writer_did() -> None:
    container = {"type": "MESOS", "network_infos": {"labels": None, "groups": "g"}}
    discovery = {
        "name": "web",
        "visibility": "CLUSTER",
        "ports": {"ports": [{"number": "80", "colour": "red", "visibility": "NEW"}]},
    }
    task = task_from(discovery=discovery, container=container)
    assert task.carried == (
        b'{"container":{"network_infos":[{"groups":["g"]}],"type":"MESOS"},'
        b'"discovery":{"name":"web","ports":{"ports":[{"number":80}]},'
        b'"visibility":"CLUSTER"}}'
    )


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"discovery": {"name": "web"}}, "discovery.visibility"),
        ({"discovery": {"visibility": "SECRET"}}, "discovery.visibility"),
        ({"container": {"type": "MESOS", "volumes": {}}}, "container.volumes.mode"),
        ({"container": {}}, "container.type"),
        (
            {"discovery": {"visibility": "CLUSTER", "name": "x" * 70_000}},
            "discovery.name",
        ),
        ({"health_check": {"http": {"port": -1}}}, "health_check.http.port"),
        ({"check": {"tcp": {}}}, "check.tcp.port"),
        (
            {"executor": {"executor_id": {"value": "e"}, "source": []}},
            "executor.source",
        ),
    ],
)
def test_what_is_carried_must_be_what_the_schema_says(
    fields: dict[str, Any], path: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        task_from(**fields)
    assert caught.value.path == f"accept.operations[0].launch.task_infos[0].{path}"


def test_what_is_carried_may_not_be_large() -> None:
    labels = {"labels": [{"key": "k", "value": "v" * 60_000}] * 5}
    with pytest.raises(InvalidInputError, match="carries more than 262144 bytes"):
        task_from(discovery={"visibility": "CLUSTER", "labels": labels})


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


def test_uris_of_a_command_have_the_defaults_of_mesos() -> None:
    uris = [
        {"value": "http://x/a.tgz"},
        {
            "value": "/b",
            "executable": True,
            "extract": False,
            "cache": True,
            "output_file": "bin/b",
        },
    ]
    command = task_from(command={"value": "a", "uris": uris}).command
    assert command is not None
    assert command.uris == (
        Uri(value="http://x/a.tgz"),
        Uri(
            value="/b",
            is_executable=True,
            is_extracted=False,
            is_cached=True,
            output_file="bin/b",
        ),
    )


def test_uri_without_a_value_is_bad_input() -> None:
    with pytest.raises(InvalidInputError, match=r"uris\[0\].value"):
        task_from(command={"value": "a", "uris": [{"extract": True}]})
