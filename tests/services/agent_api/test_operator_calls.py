"""Calls of the agent's operator API that look and change nothing, in both encodings;
and every way to ask wrongly."""

from __future__ import annotations

import json
import logging
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
import trio
import trio.testing
from support.fake_agent_view import FakeAgentView

from agent.config import AgentConfig
from agent.endpoints import Endpoints
from agent.operator_api.api import NOT_IMPLEMENTED
from agent.operator_api.logging_level import LoggingLevel
from agent.view import ExecutorState, ExecutorView, FrameworkView, TaskView
from raftleader.httpd.messages import Request, Response
from raftleader.protocol.agents import Attribute, Domain
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId
from raftleader.protocol.labels import Label
from raftleader.protocol.resources import parse_resources
from raftleader.protocol.tasks import (
    CommandInfo,
    ExecutorInfo,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from raftleader.protocol.wire.codec import read_message, write_message
from raftleader.protocol.wire.media import Media

JSON = {"content-type": "application/json"}
PROTOBUF = {
    "content-type": "application/x-protobuf",
    "accept": "application/x-protobuf",
}


async def inline(function: Callable[..., Any], /, *args: Any) -> Any:
    return function(*args)


@attrs.define
class Client:
    endpoints: Endpoints

    async def send(
        self, body: bytes, headers: dict[str, str], **more: Any
    ) -> tuple[int, bytes]:
        request = Request(
            **{"method": "POST", "path": "/api/v1", "target": "/api/v1"} | more,
            headers=headers,
            body=body,
        )
        answer = self.endpoints.handle(request)
        if callable(answer):
            answer = await answer()
        assert isinstance(answer, Response)
        return answer.status, answer.body

    async def call(self, call: dict[str, Any]) -> Any:
        status, body = await self.send(json.dumps(call).encode(), JSON)
        assert status == 200, body
        in_json = json.loads(body)
        status, body = await self.send(
            write_message(Media.PROTOBUF, "agent.Call", call), PROTOBUF
        )
        assert status == 200, body
        fields = read_message(Media.PROTOBUF, "agent.Response", body)
        assert fields.text("type") == in_json["type"] == call["type"]
        return in_json.get(call["type"].lower())

    async def refused(self, call: Any) -> tuple[int, str]:
        body = call if isinstance(call, bytes) else json.dumps(call).encode()
        status, text = await self.send(body, JSON)
        return status, text.decode()

    async def page(self, path: str, **query: str) -> Any:
        request = Request(method="GET", path=path, target=path, query=query)
        answer = self.endpoints.handle(request)
        if callable(answer):
            answer = await answer()
        assert isinstance(answer, Response)
        assert answer.status == 200, answer.body
        return json.loads(answer.body) if answer.body else None


@pytest.fixture
def view(tmp_path: Path) -> FakeAgentView:
    view = FakeAgentView()
    sandbox = tmp_path / "frameworks" / "F-1" / "executors" / "e1"
    sandbox.mkdir(parents=True)
    (sandbox / "stdout").write_bytes(b"one \xff two")
    view.add_container("c1", sandbox)
    view.add_container("c2", sandbox, parent="c1")
    view.counts = {"valid_status_updates": 3, "tasks_finished": 2}
    view.shown_frameworks = [
        frameworks_with(sandbox),
        FrameworkView(
            framework_id=FrameworkId("F-2"), info=FrameworkInfo(user="u", name="gone")
        ),
    ]
    return view


def frameworks_with(sandbox: Path) -> FrameworkView:
    def task(task_id: str, state: TaskState, *, container: str = "c2") -> TaskView:
        status = TaskStatus(
            task_id=TaskId(task_id),
            state=state,
            source=Source.EXECUTOR,
            timestamp_ms=1500,
            uuid=b"u" * 16,
            container_id=container,
            executor_pid=7,
        )
        info = TaskInfo(
            name="a name",
            task_id=TaskId(task_id),
            agent_id=AgentId("A-1"),
            resources=parse_resources("cpus:0.5;ports:[1-2, 5-9]"),
            command=CommandInfo(value="true", user="nobody"),
            labels=(Label(key="k", value="v"),),
            kill_grace_ms=2000,
        )
        return TaskView(
            framework_id=FrameworkId("F-1"),
            info=info,
            role="prod",
            executor_id="e1",
            state=state,
            statuses=(status,),
            container_id=container,
        )

    executor = ExecutorView(
        framework_id=FrameworkId("F-1"),
        info=ExecutorInfo(executor_id="e1", name="an executor"),
        container_id="c1",
        sandbox=str(sandbox),
        state=ExecutorState.RUNNING,
        is_command_task=False,
        resources=parse_resources("cpus:1;mem:32"),
        queued=(task("queued", TaskState.STAGING),),
        launched=(task("running", TaskState.RUNNING),),
        terminated=(task("ended", TaskState.FINISHED, container="gone"),),
        completed=(task("completed", TaskState.FAILED, container="gone"),),
    )
    return FrameworkView(
        framework_id=FrameworkId("F-1"),
        info=FrameworkInfo(user="u", name="alive", capabilities=("MULTI_ROLE",)),
        executors=(executor,),
        completed_executors=(
            attrs.evolve(executor, state=ExecutorState.TERMINATED, completed=()),
        ),
    )


@pytest.fixture
async def client(view: FakeAgentView, tmp_path: Path) -> AsyncIterator[Client]:
    config = AgentConfig(leaders=("mem://n1",), work_dir=tmp_path, hostname="host1")
    endpoints = Endpoints(
        config=config,
        view=view,
        run_blocking=inline,
        own_facts=lambda: {"cluster_id": "c", "term": 7},
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(endpoints.run)
        yield Client(endpoints)
        nursery.cancel_scope.cancel()


async def test_health_version_flags_and_level_are_told(client: Client) -> None:
    assert await client.call({"type": "GET_HEALTH"}) == {"healthy": True}
    version = (await client.call({"type": "GET_VERSION"}))["version_info"]["version"]
    assert [part.isdecimal() for part in version.split(".")] == [True] * 3
    flags = (await client.call({"type": "GET_FLAGS"}))["flags"]
    assert {"name": "hostname", "value": "host1"} in flags
    assert (await client.call({"type": "GET_LOGGING_LEVEL"})) == {"level": 0}
    assert await client.call({"type": "GET_OPERATIONS"}) == {}
    assert await client.call({"type": "GET_RESOURCE_PROVIDERS"}) == {}


async def test_frameworks_executors_and_tasks_are_told_apart_by_how_far_they_are(
    client: Client,
) -> None:
    state = await client.call({"type": "GET_STATE"})
    frameworks = await client.call({"type": "GET_FRAMEWORKS"})
    assert state["get_frameworks"] == frameworks
    assert [f["framework_info"]["id"] for f in frameworks["frameworks"]] == [
        {"value": "F-1"}
    ]
    assert frameworks["completed_frameworks"][0]["framework_info"]["name"] == "gone"

    executors = await client.call({"type": "GET_EXECUTORS"})
    assert state["get_executors"] == executors
    (running,) = executors["executors"]
    assert running["executor_info"]["executor_id"] == {"value": "e1"}
    assert running["executor_info"]["framework_id"] == {"value": "F-1"}
    assert len(executors["completed_executors"]) == 1

    tasks = await client.call({"type": "GET_TASKS"})
    assert state["get_tasks"] == tasks
    names = {kind: [t["task_id"]["value"] for t in tasks[kind]] for kind in tasks}
    # Each twice: the completed executor shows its tasks too.
    assert names == {
        "queued_tasks": ["queued"] * 2,
        "launched_tasks": ["running"] * 2,
        "terminated_tasks": ["ended"] * 2,
        "completed_tasks": ["completed"],
    }
    task = tasks["launched_tasks"][0]
    assert task["state"] == task["status_update_state"] == "TASK_RUNNING"
    assert task["resources"][0]["allocation_info"] == {"role": "prod"}
    assert task["kill_policy"] == {"grace_period": {"nanoseconds": 2 * 10**9}}
    assert task["user"] == "nobody"
    assert task["labels"] == {"labels": [{"key": "k", "value": "v"}]}
    assert task["statuses"][0]["container_status"] == {
        "container_id": {"value": "c2", "parent": {"value": "c1"}},
        "executor_pid": 7,
    }


async def test_agent_tells_who_it_is(client: Client) -> None:
    info = (await client.call({"type": "GET_AGENT"}))["agent_info"]
    assert info["id"] == {"value": "A-1"}
    assert info["hostname"] == "host1"


async def test_containers_are_shown_with_what_they_use(
    client: Client, view: FakeAgentView, tmp_path: Path
) -> None:
    process = subprocess.Popen(["sleep", "9"], start_new_session=True)  # noqa: ASYNC220
    try:
        view.add_container("c3", tmp_path, parent="c1", pid=process.pid)
        call: dict[str, Any] = {"type": "GET_CONTAINERS"}
        (executor,) = (await client.call(call))["containers"]
        call["get_containers"] = {"show_nested": True, "show_standalone": True}
        shown = (await client.call(call))["containers"]
    finally:
        process.kill()
        process.wait()
    assert executor["container_id"] == {"value": "c1"}
    assert executor["executor_id"] == {"value": "e1"}
    statistics = executor["resource_statistics"]
    assert statistics["processes"] == statistics["threads"] == 1  # c3, which is in it
    assert statistics["mem_rss_bytes"] > 0
    assert statistics["cpus_limit"] == 1.0
    assert statistics["mem_limit_bytes"] == 32 * 1024 * 1024
    assert [c["container_id"]["value"] for c in shown] == ["c1", "c2", "c3"]
    assert shown[2]["container_id"]["parent"] == {"value": "c1"}
    assert shown[2]["container_status"]["executor_pid"] == process.pid
    assert shown[1]["resource_statistics"]["processes"] == 0


async def test_files_are_listed_and_read_by_virtual_and_by_absolute_path(
    client: Client, tmp_path: Path
) -> None:
    for folder in (
        "frameworks/F-1/executors/e1",
        f"{tmp_path}/frameworks/F-1/executors/e1",
    ):
        call = {"type": "LIST_FILES", "list_files": {"path": folder}}
        (found,) = (await client.call(call))["file_infos"]
        assert found["path"] == f"{folder}/stdout"
        assert found["size"] == 9
        read = {"path": found["path"], "offset": 4, "length": 3}
        answer = await client.call({"type": "READ_FILE", "read_file": read})
        assert answer == {"size": 9, "data": "/yB0"}
    beyond = {"path": "frameworks/F-1/executors/e1/stdout", "offset": 100}
    answer = await client.call({"type": "READ_FILE", "read_file": beyond})
    assert answer == {"size": 9, "data": ""}


async def test_metrics_have_the_names_of_mesos(client: Client) -> None:
    call = {"type": "GET_METRICS", "get_metrics": {"timeout": {"nanoseconds": 5}}}
    found = {m["name"]: m["value"] for m in (await client.call(call))["metrics"]}
    assert found["slave/registered"] == 1.0
    assert found["slave/frameworks_active"] == 1.0
    assert found["slave/executors_running"] == 1.0
    assert (found["slave/tasks_running"], found["slave/tasks_staging"]) == (1.0, 1.0)
    assert (found["slave/cpus_total"], found["slave/cpus_used"]) == (4.0, 1.0)
    assert found["slave/cpus_percent"] == 0.25
    assert found["slave/valid_status_updates"] == 3.0
    assert found["slave/tasks_finished"] == 2.0
    assert found["slave/executors_preempted"] == 0.0
    assert found["containerizer/mesos/container_destroy_errors"] == 0.0
    assert found["system/mem_total_bytes"] > 0
    assert (await client.page("/metrics/snapshot")).keys() == found.keys()


async def test_state_page_has_the_shape_of_mesos(
    client: Client, view: FakeAgentView, tmp_path: Path
) -> None:
    view.info = msgspec.structs.replace(
        view.info,
        resources=parse_resources("cpus:1;cpus(prod):0.5;ports:[1-2];things:{a}"),
        attributes=(
            Attribute(name="rack", text="r1"),
            Attribute(name="level", scalar_millis=1500),
            Attribute(name="span", ranges=((1, 2), (5, 9))),
        ),
        domain=Domain(region="here", zone="there"),
    )
    state = await client.page("/state")
    assert state["id"] == "A-1"
    assert state["pid"] == "slave(1)@127.0.0.1:5051"
    assert state["resources"] == {
        "cpus": 1.5,
        "disk": 0.0,
        "gpus": 0.0,
        "mem": 0.0,
        "ports": "[1-2]",
        "things": "{a}",
    }
    assert state["reserved_resources"]["prod"]["cpus"] == 0.5
    assert state["unreserved_resources"]["cpus"] == 1.0
    assert state["unreserved_resources_allocated"]["mem"] == 32.0
    (full,) = state["reserved_resources_full"]["prod"]
    assert (full["role"], full["scalar"]) == ("prod", {"value": 0.5})
    assert state["attributes"] == {"rack": "r1", "level": 1.5, "span": "[1-2, 5-9]"}
    assert state["domain"]["fault_domain"]["zone"] == {"name": "there"}
    assert state["flags"]["hostname"] == "host1"
    assert state["raftleader"] == {"cluster_id": "c", "term": 7}

    (framework,), (completed,) = state["frameworks"], state["completed_frameworks"]
    assert (framework["id"], framework["roles"]) == ("F-1", ["*"])
    assert (completed["id"], completed["role"]) == ("F-2", "*")
    (executor,) = framework["executors"]
    assert (executor["id"], executor["container"]) == ("e1", "c1")
    assert executor["directory"] == str(tmp_path / "frameworks/F-1/executors/e1")
    assert [t["id"] for t in executor["queued_tasks"]] == ["queued"]
    assert [t["id"] for t in executor["completed_tasks"]] == ["completed", "ended"]
    (task,) = executor["tasks"]
    assert (task["id"], task["slave_id"], task["role"]) == ("running", "A-1", "prod")
    assert task["resources"]["ports"] == "[1-2, 5-9]"
    assert task["labels"] == [{"key": "k", "value": "v"}]
    assert task["statuses"] == [
        {
            "state": "TASK_RUNNING",
            "timestamp": 1.5,
            "container_status": {
                "container_id": {"value": "c2", "parent": {"value": "c1"}},
                "executor_pid": 7,
            },
        }
    ]


async def test_logging_level_is_taken_back_after_its_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    level = LoggingLevel()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(level.run)
        level.set(1, 10.0)
        await trio.sleep(5)
        level.set(3, 10.0)
        await trio.sleep(9)
        assert level.level == 3
        assert logging.getLogger("agent").level == logging.DEBUG
        await trio.sleep(2)
        assert level.level == 0
        assert logging.getLogger("agent").level == logging.NOTSET
        level.set(1, 10.0)
        nursery.cancel_scope.cancel()
    assert logging.getLogger("agent").level == logging.NOTSET


async def test_logging_level_is_set_by_a_call(client: Client) -> None:
    body = {"level": 2, "duration": {"nanoseconds": 10**12}}
    call = {"type": "SET_LOGGING_LEVEL", "set_logging_level": body}
    assert await client.refused(call) == (200, "")
    assert await client.call({"type": "GET_LOGGING_LEVEL"}) == {"level": 2}


INVALID = "Failed to validate agent::Call: "
CONTAINER = {"value": "x", "parent": {"value": "c1"}}


@pytest.mark.parametrize(
    ("call", "status", "text"),
    [
        (b"{", 400, "is not JSON"),
        (b"[]", 400, "expected an object"),
        ({}, 400, f"{INVALID}Expecting 'type' to be present"),
        ({"type": "NO_SUCH"}, 400, f"{INVALID}Expecting 'type' to be present"),
        ({"type": "UNKNOWN"}, 501, ""),
        ({"type": "GET_METRICS"}, 400, "Expecting 'get_metrics' to be present"),
        ({"type": "SET_LOGGING_LEVEL"}, 400, "'set_logging_level' to be present"),
        ({"type": "SET_LOGGING_LEVEL", "set_logging_level": {"level": 1}}, 400, ""),
        ({"type": "LIST_FILES"}, 400, "Expecting 'list_files' to be present"),
        ({"type": "LIST_FILES", "list_files": {}}, 400, "path: is required"),
        ({"type": "LIST_FILES", "list_files": {"path": "/etc"}}, 404, "no such file"),
        ({"type": "LIST_FILES", "list_files": {"path": "frameworks/x"}}, 404, ""),
        ({"type": "READ_FILE", "read_file": {"path": "frameworks"}}, 400, "offset"),
        (
            {"type": "READ_FILE", "read_file": {"path": "frameworks", "offset": 0}},
            400,
            "is not a regular file",
        ),
        ({"type": "LAUNCH_NESTED_CONTAINER"}, 400, "'launch_nested_container' to be"),
        (
            {
                "type": "LAUNCH_NESTED_CONTAINER",
                "launch_nested_container": {"container_id": {"value": "x"}},
            },
            400,
            "Expecting 'launch_nested_container.container_id.parent' to be present",
        ),
        (
            {
                "type": "WAIT_CONTAINER",
                "wait_container": {"container_id": {"value": "a.b"}},
            },
            400,
            "'wait_container.container_id' is invalid: 'ContainerID.value' 'a.b'"
            " contains invalid characters",
        ),
        (
            {
                "type": "KILL_NESTED_CONTAINER",
                "kill_nested_container": {
                    "container_id": {"value": "a", "parent": {"value": ""}}
                },
            },
            400,
            "is invalid: 'ContainerID.parent' is invalid: ID must not be empty",
        ),
        (
            {
                "type": "WAIT_NESTED_CONTAINER",
                "wait_nested_container": {"container_id": CONTAINER},
            },
            404,
            "Container c1.x cannot be found",
        ),
        (
            {
                "type": "KILL_CONTAINER",
                "kill_container": {"container_id": CONTAINER},
            },
            404,
            "Container 'c1.x' cannot be found (or is already killed)",
        ),
        (
            {
                "type": "KILL_CONTAINER",
                "kill_container": {"container_id": CONTAINER, "signal": 1000},
            },
            400,
            "kill_container.signal: must be from 1 to",
        ),
        (
            {
                "type": "ATTACH_CONTAINER_OUTPUT",
                "attach_container_output": {"container_id": CONTAINER},
            },
            404,
            "Container c1.x cannot be found",
        ),
        (
            {
                "type": "LAUNCH_CONTAINER",
                "launch_container": {"container_id": CONTAINER},
            },
            400,
            "there is no command to run",
        ),
        (
            {
                "type": "LAUNCH_CONTAINER",
                "launch_container": {
                    "container_id": CONTAINER,
                    "command": {"value": "true"},
                    "container": {"type": "DOCKER", "docker": {"image": "x"}},
                },
            },
            400,
            "The provided ContainerInfo is not supported",
        ),
        (
            {
                "type": "LAUNCH_CONTAINER",
                "launch_container": {
                    "container_id": {"value": "alone"},
                    "command": {"value": "true"},
                    "resources": [
                        {
                            "name": "cpus",
                            "type": "SCALAR",
                            "scalar": {"value": 1},
                            "role": "prod",
                        }
                    ],
                },
            },
            400,
            "'launch_container.resources' must be unreserved",
        ),
        (
            {"type": "ATTACH_CONTAINER_INPUT"},
            415,
            "Expecting 'Content-Type' to be application/recordio for"
            " ATTACH_CONTAINER_INPUT call",
        ),
        *[({"type": type_}, 501, "is not implemented") for type_ in NOT_IMPLEMENTED],
    ],
)
async def test_wrong_call_is_refused_in_words(
    client: Client, call: Any, status: int, text: str
) -> None:
    found = await client.refused(call)
    assert found[0] == status
    assert text in found[1]


@pytest.mark.parametrize(
    ("headers", "status", "text"),
    [
        ({}, 400, "Expecting 'Content-Type' to be present"),
        ({"content-type": "text/plain"}, 415, "Expecting 'Content-Type' of"),
        (
            {"content-type": "application/recordio2"},
            415,
            "Expecting 'Content-Type' of",
        ),
        (JSON | {"message-content-type": "application/json"}, 415, "not set"),
        (JSON | {"accept": "text/html"}, 406, "Expecting 'Accept' to allow"),
        (JSON | {"message-accept": "application/json"}, 406, "not set"),
        (
            JSON | {"accept": "application/recordio", "message-accept": "x/y"},
            406,
            "Expecting 'Message-Accept' to allow",
        ),
        (
            JSON | {"accept": "application/recordio"},
            406,
            "Streaming response is not supported for GET_HEALTH call",
        ),
    ],
)
async def test_headers_are_checked_as_by_mesos(
    client: Client, headers: dict[str, str], status: int, text: str
) -> None:
    found = await client.send(b'{"type":"GET_HEALTH"}', headers)
    assert found[0] == status
    assert text in found[1].decode()


async def test_other_methods_are_refused(client: Client) -> None:
    status, body = await client.send(b"", JSON, method="GET")
    assert (status, body) == (405, b"Expecting one of { 'POST' }, but received 'GET'")


@pytest.mark.parametrize(
    "path", ["/api/v1", "/api/v1/", "/slave(1)/api/v1", "/api/v1/operator"]
)
async def test_api_is_found_under_all_its_names(client: Client, path: str) -> None:
    status, _ = await client.send(b'{"type":"GET_HEALTH"}', JSON, path=path)
    assert status == 200
