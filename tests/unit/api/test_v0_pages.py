"""The pages that Mesos had before its v1 API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from msgspec.structs import replace
from support.operator_calls import MACHINE, launch, read, reserved, scalar

from raftleader.api.app import build_handler
from raftleader.api.mesos_facts import NodeFacts
from raftleader.httpd.messages import Response, Stream
from raftleader.protocol.agents import Domain
from raftleader.protocol.operator_values import Quota
from raftleader.protocol.resources import Resources
from raftleader.state.commands import SetWeights
from raftleader.state.operator_commands import SetQuotas

LEADER_PAGES = (
    "/state",
    "/state-summary",
    "/slaves",
    "/tasks",
    "/frameworks",
    "/roles",
    "/weights",
    "/quota",
    "/maintenance/schedule",
    "/maintenance/status",
)
LOCAL_PAGES = ("/metrics/snapshot", "/flags", "/files/debug", "/version")


async def filled(client: Any) -> tuple[str, str]:
    framework_id = await client.framework(role="*", user="someone")
    agent_id = client.node.add_agent(MACHINE)
    await launch(client, framework_id, agent_id, "t-1")
    await launch(client, framework_id, agent_id, "t-2")
    return framework_id, agent_id


@pytest.mark.parametrize("path", (*LEADER_PAGES, *LOCAL_PAGES))
async def test_page_is_found_in_all_the_forms_mesos_has(path: str, client: Any) -> None:
    await filled(client)
    for form in (path, f"{path}/", f"/master{path}", f"/master{path}/"):
        await client.get_json(form)
    if path.count("/") == 1:
        await client.get_json(f"{path}.json")


@pytest.mark.parametrize("path", LEADER_PAGES)
async def test_page_of_the_cluster_is_the_leaders(path: str, client: Any) -> None:
    client.node.stand_by("10.0.0.2:5050")
    answer = await client.get(f"{path}?x=1")
    assert answer.status == 307
    assert answer.headers == (("Location", f"//10.0.0.2:5050{path}?x=1"),)


@pytest.mark.parametrize("path", LOCAL_PAGES)
async def test_page_of_the_node_is_everybodys(path: str, client: Any) -> None:
    client.node.stand_by(None)
    assert (await client.get(path)).status == 200
    assert (await client.ask("POST", path)).status == 405


@pytest.mark.parametrize("path", (*LEADER_PAGES, *LOCAL_PAGES))
async def test_jsonp_is_a_call_of_the_function_named(path: str, client: Any) -> None:
    plain = await client.get(path)
    answer = await client.get(f"{path}?jsonp=angular.callbacks._0")
    assert answer.headers == (("Content-Type", "text/javascript"),)
    assert answer.body.startswith(b"angular.callbacks._0(")
    assert answer.body.endswith(b");")
    if path != "/metrics/snapshot":  # tells of time
        assert answer.body == b"angular.callbacks._0(" + plain.body + b");"
    assert (await client.get(f"{path}?jsonp=alert('x')")).status == 400


async def test_agents_are_told_in_full_or_one_by_id(client: Any) -> None:
    _, agent_id = await filled(client)
    document = await client.get_json("/slaves")
    assert document["recovered_slaves"] == []
    (agent,) = document["slaves"]
    assert agent["id"] == agent_id
    assert agent["unreserved_resources_full"][0]["role"] == "*"
    used = {r["name"]: r["scalar"]["value"] for r in agent["used_resources_full"]}
    assert used == {"cpus": 2.0, "mem": 128.0}
    assert agent["offered_resources_full"] == []
    assert agent["capabilities"][0] == "MULTI_ROLE"
    one = await client.get_json(f"/slaves?slave_id={agent_id}")
    assert one == document
    assert (await client.get_json("/slaves?slave_id=x"))["slaves"] == []


async def test_frameworks_are_told_all_or_one_by_id(client: Any) -> None:
    framework_id, _ = await filled(client)
    other = await client.framework()
    document = await client.get_json("/frameworks")
    assert {f["id"] for f in document["frameworks"]} == {framework_id, other}
    assert document["completed_frameworks"] == []
    document = await client.get_json(f"/frameworks?framework_id={framework_id}")
    (framework,) = document["frameworks"]
    assert framework["id"] == framework_id
    assert framework["user"] == "someone"
    assert [task["id"] for task in framework["tasks"]] == ["t-1", "t-2"]
    assert framework["used_resources"]["cpus"] == 2.0
    assert framework["resources"]["cpus"] == 2.0
    assert framework["executors"] == []


async def test_summary_counts_tasks(client: Any) -> None:
    framework_id, agent_id = await filled(client)
    document = await client.get_json("/state-summary")
    (agent,) = document["slaves"]
    (framework,) = document["frameworks"]
    assert agent["TASK_STAGING"] == framework["TASK_STAGING"] == 2
    assert agent["TASK_RUNNING"] == framework["TASK_FAILED"] == 0
    assert agent["framework_ids"] == [framework_id]
    assert framework["slave_ids"] == [agent_id]
    assert framework["used_resources"]["mem"] == 128.0
    assert document["cluster"] == "test"


async def test_tasks_are_in_order_limited_and_chosen(client: Any) -> None:
    framework_id, _ = await filled(client)

    async def ids(query: str) -> list[str]:
        document = await client.get_json(f"/tasks?{query}")
        return [task["id"] for task in document["tasks"]]

    assert await ids("") == ["t-1", "t-2"]
    assert await ids("order=asc&limit=1") == ["t-1"]
    assert await ids("order=asc&limit=1&offset=1") == ["t-2"]
    assert await ids("limit=0") == []
    assert await ids("limit=nonsense") == ["t-1", "t-2"]
    assert await ids("task_id=t-2") == ["t-2"]
    assert await ids(f"framework_id={framework_id}&task_id=t-1") == ["t-1"]
    assert await ids("framework_id=x") == []


async def test_newest_task_is_first_unless_asked_otherwise(client: Any) -> None:
    framework_id, _ = await filled(client)
    key = (framework_id, "t-1")
    older = client.node.state.tasks[key]
    client.node.state.tasks[key] = replace(older, launched_ms=older.launched_ms - 1)
    document = await client.get_json("/tasks")
    assert [task["id"] for task in document["tasks"]] == ["t-2", "t-1"]
    document = await client.get_json("/tasks?order=asc")
    assert [task["id"] for task in document["tasks"]] == ["t-1", "t-2"]


async def test_roles_tell_quota_and_holdings(client: Any) -> None:
    framework_id, _ = await filled(client)
    client.node.commit(SetWeights(weights={"prod": 2000}))
    client.node.commit(
        SetQuotas(quotas={"prod": Quota(limits={"cpus": 4000})}, is_forced=True)
    )
    star, prod = (await client.get_json("/roles"))["roles"]
    assert star["name"] == "*"
    assert star["frameworks"] == [framework_id]
    assert star["allocated"] == star["resources"] == {"cpus": 2.0, "mem": 128.0}
    assert star["offered"] == star["reserved"] == {}
    assert prod["weight"] == 2.0
    assert prod["quota"] == {
        "role": "prod",
        "guarantee": {},
        "limit": {"cpus": 4.0},
        "consumed": {},
    }


async def form(client: Any, path: str, **fields: str) -> Response:
    answer = await client.ask("POST", path, urlencode(fields).encode())
    assert isinstance(answer, Response)
    return answer


async def test_teardown_by_form(client: Any) -> None:
    framework_id, _ = await filled(client)
    answer = await form(client, "/teardown")
    assert (answer.status, answer.body) == (
        400,
        b"Missing 'frameworkId' query parameter in the request body",
    )
    assert (await form(client, "/teardown", frameworkId="x")).status == 400
    answer = await form(client, "/master/teardown", frameworkId=framework_id)
    assert answer == Response(status=200)
    assert client.node.state.frameworks == {}
    assert (await client.ask("GET", "/teardown")).status == 405


async def test_reservations_and_volumes_by_form(client: Any) -> None:
    agent_id = client.node.add_agent(MACHINE)
    volume = {
        "persistence": {"id": "v", "principal": "ops"},
        "volume": {"mode": "RW", "container_path": "data"},
    }
    disk = json.dumps([reserved("disk", 64)])
    made = json.dumps([reserved("disk", 64, disk=volume)])
    for path, name, text in (
        ("/reserve", "resources", disk),
        ("/create-volumes", "volumes", made),
        ("/destroy-volumes", "volumes", made),
        ("/unreserve", "resources", disk),
    ):
        answer = await form(client, path, slaveId=agent_id, **{name: text})
        assert answer == Response(status=202), path
        assert (await form(client, path, slaveId=agent_id)).status == 400
        assert (await form(client, path, **{name: text})).status == 400
        answer = await form(client, path, slaveId=agent_id, **{name: "[{"})
        assert answer.status == 400
        assert f"Error in parsing '{name}'".encode() in answer.body
        answer = await form(client, path, slaveId="x", **{name: text})
        assert answer.body == b"No agent found with specified ID"
    assert client.node.state.agents[agent_id].dynamic == Resources()


async def test_weights_by_put(client: Any) -> None:
    body = b'[{"role": "a", "weight": 2.5}]'
    assert await client.ask("PUT", "/weights", body) == Response(status=200)
    assert await client.get_json("/weights") == [{"role": "a", "weight": 2.5}]
    assert (await client.ask("PUT", "/weights", b"[{")).status == 400
    assert (await client.ask("POST", "/weights", body)).status == 405


async def test_quota_by_post_and_delete(client: Any) -> None:
    client.node.add_agent(MACHINE)
    request = {"role": "prod", "guarantee": [scalar("cpus", 2)]}
    answer = await client.ask("POST", "/quota", json.dumps(request).encode())
    assert answer == Response(status=200)
    document = await client.get_json("/quota")
    (info,) = document["infos"]
    assert info["role"] == "prod"
    assert info["guarantee"][0]["scalar"] == {"value": 2.0}
    assert document["configs"][0]["limits"] == {"cpus": {"value": 2.0}}
    assert (await client.ask("DELETE", "/master/quota/prod")).status == 200
    assert (await client.ask("DELETE", "/quota/prod")).status == 400
    assert (await client.ask("GET", "/quota/prod")).status == 405
    assert await client.get_json("/quota") == {"infos": [], "configs": []}


async def test_maintenance_by_post(client: Any) -> None:
    client.node.add_agent(MACHINE)
    machine = {"hostname": "MACHINE", "ip": "10.0.0.7"}
    schedule = {
        "windows": [
            {
                "machine_ids": [machine],
                "unavailability": {"start": {"nanoseconds": 1}},
            }
        ]
    }
    path, machines = "/maintenance/schedule", json.dumps([machine]).encode()
    assert (await client.ask("POST", path, b"[")).status == 400
    answer = await client.ask("POST", path, json.dumps(schedule).encode())
    assert answer == Response(status=200)
    document = await client.get_json(path)
    assert document["windows"][0]["machine_ids"] == [machine | {"hostname": "machine"}]
    assert await client.ask("POST", "/machine/down", machines) == Response(status=200)
    status = await client.get_json("/maintenance/status")
    assert status["down_machines"] == [machine | {"hostname": "machine"}]
    assert await client.ask("POST", "/machine/up", machines) == Response(status=200)
    assert (await client.ask("POST", "/machine/up", machines)).status == 400
    assert (await client.ask("GET", "/machine/up")).status == 405


async def test_metrics_have_mesos_names(client: Any) -> None:
    framework_id, _ = await filled(client)
    figures = await client.get_json("/metrics/snapshot?timeout=5secs")
    assert figures["master/elected"] == 1
    assert figures["master/slaves_active"] == figures["master/slaves_connected"] == 1
    assert figures["master/cpus_total"] == 8.0
    assert figures["master/cpus_used"] == 2.0
    assert figures["master/cpus_percent"] == 0.25
    assert figures["master/gpus_total"] == figures["master/gpus_percent"] == 0
    assert figures["master/tasks_staging"] == 2
    assert figures["master/frameworks_active"] == 1
    assert figures["master/outstanding_offers"] == 0
    prefix = f"master/frameworks/n/{framework_id}/"
    assert figures[f"{prefix}subscribed"] == 1
    assert figures[f"{prefix}tasks/active/task_staging"] == 2
    assert figures[f"{prefix}roles/*/suppressed"] == 0
    assert figures["allocator/mesos/roles/*/shares/dominant"] == 0.25
    assert figures["system/cpus_total"] >= 1
    assert figures["registrar/log/ensemble_size"] == 3
    assert all(isinstance(value, int | float) for value in figures.values())

    client.node.stand_by(None)
    figures = await client.get_json("/metrics/snapshot")
    assert figures["master/elected"] == 0
    assert "master/cpus_total" not in figures


class Kept:
    def __init__(self) -> None:
        self.data = b""

    async def send(self, chunks: list[bytes]) -> None:
        self.data += b"".join(chunks)


async def test_log_file_is_browsed_read_and_downloaded(
    client: Any, tmp_path: Path
) -> None:
    log = tmp_path / "leader.log"
    log.write_bytes(b"0123456789" * 20_000)
    client.handler = build_handler(client.node, NodeFacts(log_file=log))

    (row,) = await client.get_json("/files/browse?path=/master")
    assert row["path"] == "/master/log"
    assert row["size"] == 200_000
    assert row["mode"].startswith("-rw")
    assert await client.get_json("/files/browse?path=/master/log") == []
    assert await client.get_json("/files/debug") == {"/master/log": str(log)}

    path = "path=/master/log"
    page = await client.get_json(f"/files/read?{path}&offset=5&length=10")
    assert page == {"offset": 5, "data": "5678901234"}
    page = await client.get_json(f"/files/read.json?{path}&offset=-1&length=-1")
    assert page == {"offset": 200_000, "data": ""}
    page = await client.get_json(f"/files/read?{path}&offset=199999&length=-1")
    assert page == {"offset": 199_999, "data": "9"}
    page = await client.get_json(f"/files/read?{path}&offset=999999&length=9")
    assert page == {"offset": 999_999, "data": ""}

    answer = await client.ask("GET", f"/files/download?{path}")
    assert isinstance(answer, Stream)
    kept = Kept()
    await answer.run(kept)
    assert kept.data == log.read_bytes()


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/files/browse", 400),
        ("/files/read", 400),
        ("/files/browse?path=/etc", 404),
        ("/files/read?path=/etc/passwd&offset=0", 404),
        ("/files/read?path=/master&offset=0", 400),
        ("/files/read?path=/master/log/../../etc/passwd", 404),
        ("/files/read?path=/master/log&offset=x", 400),
        ("/files/read?path=/master/log&offset=-2", 400),
        ("/files/read?path=/master/log&offset=0&length=-2", 400),
        ("/files/download?path=/master", 400),
        ("/files/download?path=/nothing", 404),
    ],
)
async def test_other_files_are_not_there(
    target: str, status: int, client: Any, tmp_path: Path
) -> None:
    log = tmp_path / "leader.log"
    log.write_bytes(b"text")
    client.handler = build_handler(client.node, NodeFacts(log_file=log))
    assert (await client.get(target)).status == status


async def test_node_without_a_log_file_has_none(client: Any) -> None:
    assert (await client.get("/files/browse?path=/master")).status == 404
    assert (await client.get("/files/read?path=/master/log")).status == 404
    assert await client.get_json("/files/debug") == {}


async def test_flags_are_the_settings(client: Any) -> None:
    facts = NodeFacts(flags={"http": "0.0.0.0:5050"})
    client.handler = build_handler(client.node, facts)
    assert await client.get_json("/flags") == {"flags": {"http": "0.0.0.0:5050"}}
    assert (await client.get_json("/state"))["flags"] == {"http": "0.0.0.0:5050"}


async def test_leader_says_where_it_stands(client: Any) -> None:
    facts = NodeFacts(domain=Domain(region="eu", zone="b"))
    client.handler = build_handler(client.node, facts)
    expected = {"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "b"}}}
    assert (await client.get_json("/state"))["domain"] == expected
    document = await read(client, "GET_MASTER")
    assert document["master_info"]["domain"] == expected
