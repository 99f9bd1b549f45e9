"""The agent's HTTP answers, without a socket."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.fake_agent_view import FakeAgentView

from agent.config import AgentConfig
from agent.endpoints import Endpoints
from agent.file_access import READ_BYTES_MAX
from raftleader import __version__
from raftleader.httpd.messages import Request, Response, Stream

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
    sandbox = tmp_path / SANDBOX
    sandbox.mkdir(parents=True)
    (sandbox / "stdout").write_bytes(b"one \xff two")
    view = FakeAgentView()
    view.add_container("c1", sandbox)
    view.add_container("c2", sandbox, parent="c1")
    endpoints = Endpoints(
        config=AgentConfig(leaders=("mem://n1",), work_dir=tmp_path),
        view=view,
        run_blocking=inline,
    )
    return Client(endpoints)


async def test_health_is_empty_and_the_version_can_be_counted(client: Client) -> None:
    answer = await client.ask("/health")
    assert (answer.status, answer.body) == (200, b"")
    version = await client.json("/version")
    assert [part.isdecimal() for part in version["version"].split(".")] == [True] * 3
    assert version["raftleader_version"] == __version__


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/state",
            "/state/",
            "/state.json",
            "/slave(1)/state",
            "/slave(1)/state.json",
        ),
        *("/health", "/flags", "/version/", "/containers", "/metrics/snapshot"),
        *("/monitor/statistics", "/monitor/statistics.json", "/files/debug"),
    ],
)
async def test_page_is_found_under_its_names(client: Client, path: str) -> None:
    assert (await client.ask(path)).status == 200


async def test_containers_of_executors_are_shown_and_can_be_chosen(
    client: Client,
) -> None:
    (shown,) = await client.json("/containers")
    assert (shown["container_id"], shown["framework_id"]) == ("c1", "F-1")
    assert shown["statistics"]["cpus_limit"] == 1.0
    assert shown["status"] == {
        "container_id": {"value": "c1"},
        "network_infos": [{"ip_addresses": [{"ip_address": "127.0.0.1"}]}],
    }
    for query in ({"container_id": "c1"}, {"framework_id": "F-1", "executor_id": "e1"}):
        assert len(await client.json("/containers", **query)) == 1
    for query in ({"container_id": "x"}, {"framework_id": "x"}):
        assert await client.json("/containers", **query) == []
    for query in (
        {"executor_id": "e1"},
        {"container_id": "c1", "framework_id": "F-1"},
    ):
        assert (await client.ask("/containers", **query)).status == 400
    (element,) = await client.json("/monitor/statistics")
    assert element["executor_id"] == element["source"] == "e1"
    assert "container_id" not in element


async def test_page_is_made_a_script_for_a_callback(client: Client) -> None:
    answer = await client.ask("/version", jsonp="a.b")
    assert answer.headers == (("Content-Type", "text/javascript"),)
    assert answer.body.startswith(b'a.b({"version":')
    assert answer.body.endswith(b");")
    for path in ("/version", "/containers"):
        assert (await client.ask(path, jsonp="alert(1)")).status == 400


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
        ("/files/read", {"path": "/etc/passwd"}, 404),
        ("/files/read", {"path": "frameworks/../meta/identity.json"}, 404),
        ("/files/read", {"path": "frameworks/../frameworks"}, 400),
        ("/files/read", {"path": f"{SANDBOX}/none"}, 404),
        ("/files/read", {"path": f"{SANDBOX}/stdout", "offset": "x"}, 400),
        ("/files/read", {"path": f"{SANDBOX}/stdout", "offset": "-2"}, 400),
        ("/files/read", {"path": f"{SANDBOX}/stdout", "offset": str(2**63)}, 400),
        ("/files/read", {"path": f"{SANDBOX}/stdout", "offset": "9" * 5_000}, 400),
        ("/files/browse", {"path": f"{SANDBOX}/stdout"}, 404),
        ("/files/download", {"path": SANDBOX}, 400),
        ("/files/download", {"path": ".."}, 404),
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
