"""The agent's HTTP answers, without a socket."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from agent.config import AgentConfig
from agent.endpoints import Endpoints
from agent.file_access import READ_BYTES_MAX
from agent.inbox import Inbox
from agent.leader_link import LeaderLinks
from agent.machine import Machine
from agent.machine.tasks import TaskTable
from agent.records import Identity
from raftleader import __version__
from raftleader.httpd.messages import Request, Response, Stream
from raftleader.protocol.agent_rpc import TaskOrder
from raftleader.protocol.agents import AgentInfo, Attribute
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId
from raftleader.protocol.resources import parse_resources
from raftleader.protocol.tasks import CommandInfo, TaskInfo

SANDBOX = "frameworks/fw/tasks/t"


async def inline(function: Callable[..., Any], /, *args: Any) -> Any:
    return function(*args)


@attrs.define
class Client:
    """Asks the handler directly."""

    endpoints: Endpoints

    async def ask(self, route: str, /, method: str = "GET", **query: str) -> Any:
        request = Request(method=method, path=route, target=route, query=query)
        answer = self.endpoints.handle(request)
        if callable(answer):
            answer = await answer()
        return answer

    async def json(self, route: str, /, **query: str) -> Any:
        answer = await self.ask(route, **query)
        assert isinstance(answer, Response)
        assert answer.status == 200, answer.body
        assert answer.headers == (("Content-Type", "application/json"),)
        return json.loads(answer.body)


@attrs.define
class Chunks:
    chunks: list[bytes] = attrs.field(factory=list)

    async def send(self, chunks: list[bytes]) -> None:
        self.chunks += chunks


@pytest.fixture
def client(tmp_path: Path) -> Client:
    config = AgentConfig(leaders=("mem://n1",), work_dir=tmp_path)
    sandbox = tmp_path / SANDBOX
    sandbox.mkdir(parents=True)
    (sandbox / "stdout").write_bytes(b"one \xff two")
    info = AgentInfo(
        hostname="h",
        ip="127.0.0.1",
        port=5051,
        resources=parse_resources("cpus:1.5;mem:64;ports:[1-2];gpus:{a}"),
        attributes=(
            Attribute(name="rack", text="r1"),
            Attribute(name="level", scalar_millis=1500),
            Attribute(name="span", ranges=((1, 2), (5, 9))),
        ),
    )
    table = TaskTable(lambda: b"u" * 16)
    identity = Identity(key="k", agent_id=AgentId("a1"), cluster_id="c")
    machine = Machine(identity, info, table)
    task = TaskInfo(
        name="a name",
        task_id=TaskId("t"),
        agent_id=AgentId("a1"),
        resources=parse_resources("cpus:0.5"),
        command=CommandInfo(value="true"),
    )
    table.run(TaskOrder(framework_id=FrameworkId("fw"), framework_name="f", task=task))
    links = LeaderLinks(config, {}, Inbox(), random.Random(1))
    return Client(Endpoints(config, machine, links, inline))


async def test_health_and_version_are_plain(client: Client) -> None:
    assert (await client.ask("/health")).status == 200
    assert await client.json("/version") == {"version": __version__}


async def test_state_tells_who_and_what(client: Client) -> None:
    state = await client.json("/state")
    assert (state["id"], state["key"], state["cluster_id"]) == ("a1", "k", "c")
    assert state["resources"] == {
        "cpus": 1.5,
        "mem": 64.0,
        "ports": "[1-2]",
        "gpus": "{a}",
    }
    assert state["attributes"] == {"rack": "r1", "level": "1.5", "span": "[1-2, 5-9]"}
    assert state["tasks"] == [
        {
            "framework_id": "fw",
            "id": "t",
            "name": "a name",
            "state": "TASK_STARTING",
            "resources": {"cpus": 0.5},
            "pid": None,
            "is_being_killed": False,
        }
    ]


async def test_files_are_read_in_the_shape_of_mesos(client: Client) -> None:
    path = f"{SANDBOX}/stdout"
    read = await client.json("/files/read", path=path, offset="0", length="3")
    assert read == {"offset": 0, "data": "one"}
    read = await client.json("/files/read", path=path, offset="4")
    assert read == {"offset": 4, "data": "\ufffd two"}
    for query in ({"offset": "-1"}, {}):
        read = await client.json("/files/read", path=path, **query)
        assert read == {"offset": 9, "data": ""}


async def test_read_is_bounded(client: Client, tmp_path: Path) -> None:
    large = tmp_path / SANDBOX / "large"
    large.touch()
    os.truncate(large, 3 * READ_BYTES_MAX)
    for length in ("-1", str(2**62)):
        read = await client.json(
            "/files/read", path=f"{SANDBOX}/large", offset="0", length=length
        )
        assert len(read["data"]) == READ_BYTES_MAX


async def test_folder_is_browsed(client: Client) -> None:
    (entry,) = await client.json("/files/browse", path=SANDBOX)
    assert entry["path"] == f"{SANDBOX}/stdout"
    assert entry["size"] == 9
    assert entry["mode"].startswith("-rw")


async def test_download_streams_the_file_and_closes_it(client: Client) -> None:
    before = len(os.listdir("/proc/self/fd"))
    answer = await client.ask("/files/download", path=f"{SANDBOX}/stdout")
    assert isinstance(answer, Stream)
    assert dict(answer.headers)["Content-Disposition"] == (
        'attachment; filename="stdout"'
    )
    chunks = Chunks()
    await answer.run(chunks)
    assert b"".join(chunks.chunks) == b"one \xff two"
    assert len(os.listdir("/proc/self/fd")) == before

    answer = await client.ask("/files/download", path=f"{SANDBOX}/stdout")
    del answer  # its client has gone
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/nothing", {}, 404),
        ("/files/read", {}, 400),
        ("/files/read", {"path": "/etc/passwd"}, 400),
        ("/files/read", {"path": "frameworks/../meta/identity.json"}, 404),
        ("/files/read", {"path": "frameworks/../frameworks"}, 400),
        ("/files/read", {"path": f"{SANDBOX}/none"}, 404),
        ("/files/read", {"path": f"{SANDBOX}/stdout", "offset": "x"}, 400),
        ("/files/read", {"path": f"{SANDBOX}/stdout", "offset": "-2"}, 400),
        ("/files/read", {"path": f"{SANDBOX}/stdout", "offset": str(2**63)}, 400),
        ("/files/read", {"path": f"{SANDBOX}/stdout", "offset": "9" * 5_000}, 400),
        ("/files/browse", {"path": f"{SANDBOX}/stdout"}, 404),
        ("/files/download", {"path": SANDBOX}, 400),
        ("/files/download", {"path": ".."}, 400),
    ],
)
async def test_bad_requests_are_answered(
    client: Client, path: str, query: dict[str, str], status: int
) -> None:
    answer = await client.ask(path, **query)
    assert isinstance(answer, Response)
    assert answer.status == status
    assert answer.body


async def test_only_reading_is_offered(client: Client) -> None:
    answer = await client.ask("/state", method="POST")
    assert (answer.status, ("Allow", "GET, HEAD") in answer.headers) == (405, True)
