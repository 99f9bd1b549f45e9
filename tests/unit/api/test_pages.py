"""Status pages, lists, and the paths under which they are found."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from raftleader import __version__
from raftleader.api.routing import normal_path
from raftleader.errors import OutcomeUnknownError
from raftleader.httpd.messages import Response
from raftleader.protocol.resources import Resources
from raftleader.state.commands import MarkUnreachable, TeardownFramework
from raftleader.state.snapshot import digest

MACHINE = Resources.of(
    {"cpus": 3500, "cpus(prod)": 500, "mem": 4_096_000},
    {"ports": [(31000, 31005), (32000, 32000)]},
    {"gpu_names": ["b", "a"]},
)


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        ("/", "/"),
        ("", "/"),
        ("/state", "/state"),
        ("/state/", "/state"),
        ("/state.json", "/state"),
        ("/master/state", "/state"),
        ("/master/state.json", "/state"),
        ("/master", "/"),
        ("/master/", "/"),
        ("/masterful", "/masterful"),
        ("/master/api/v1/scheduler/", "/api/v1/scheduler"),
        ("/raftleader/v1/x.json", "/raftleader/v1/x.json"),
    ],
)
def test_path_is_found_in_all_the_forms_mesos_has(path: str, normal: str) -> None:
    assert normal_path(path) == normal


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/master/health", 200),
        ("HEAD", "/health", 200),
        ("POST", "/health", 405),
        ("GET", "/version", 200),
        ("DELETE", "/version", 405),
        ("POST", "/state", 405),
        ("POST", "/raftleader/v1/status", 405),
        ("POST", "/raftleader/v1/tasks", 405),
        ("GET", "/nowhere", 404),
        ("GET", "/", 404),
        ("GET", "/raftleader/v1", 404),
        ("POST", "/api/v1", 400),
        ("POST", "/api/v1/", 400),
        ("POST", "/api/v1/operator", 400),
        ("POST", "/master/api/v1", 400),
        ("GET", "/api/v1", 405),
        ("GET", "/api/v1/operator", 405),
    ],
)
async def test_path_and_method_decide_the_status(
    method: str, target: str, status: int, client: Any
) -> None:
    assert (await client.ask(method, target)).status == status


async def test_health_is_an_empty_200_also_on_a_standby(client: Any) -> None:
    client.node.stand_by(None)
    assert await client.get("/health") == Response(status=200)


async def test_version_has_only_digits_and_dots(client: Any) -> None:
    document = await client.get_json("/version")
    assert [int(part) for part in document["version"].split(".")] == [1, 11, 0]
    assert document["raftleader_version"] == __version__


async def test_redirect_leads_to_the_leader(client: Any) -> None:
    answer = await client.get("/redirect")
    assert (answer.status, answer.headers) == (
        307,
        (("Location", "//127.0.0.1:5050"),),
    )
    client.node.stand_by("10.0.0.2:5050")
    answer = await client.get("/master/redirect")
    assert answer.headers == (("Location", "//10.0.0.2:5050"),)
    client.node.stand_by(None)
    assert (await client.get("/redirect")).status == 503


async def test_status_is_told_by_every_node(client: Any) -> None:
    status = await client.get_json("/raftleader/v1/status")
    assert status["node_id"] == "n1"
    assert status["leading"] is True
    assert status["leader_address"] == "127.0.0.1:5050"
    assert status["term"] == 3
    assert status["index"] == client.node.state.index
    assert status["counts"] == {"agents": 0, "frameworks": 0, "tasks": 0, "offers": 0}
    assert status["loop_lag"]["limit_ms"] == 70
    assert status["loop_lag"]["max_ms"] == 0
    assert status["log"] == {}
    assert status["events"] == {"terms_led": 1}
    assert "digest" not in status

    client.node.stand_by("10.0.0.2:5050")
    status = await client.get_json("/raftleader/v1/status?digest=true")
    assert status["leading"] is False
    assert status["leader_address"] == "10.0.0.2:5050"
    assert status["digest"] == digest(client.node.state).hex()


async def filled(client: Any) -> tuple[str, str, str]:
    """One agent, one framework, one task; the rest of the offer is out again."""
    framework_id = await client.framework(role="*", failover_timeout=7)
    agent_id = client.node.add_agent(MACHINE)
    resources = Resources.of({"cpus": 1500, "mem": 64_000})
    offer_id = client.node.offer(framework_id, agent_id, resources)
    task = {
        "name": "täsk",
        "task_id": {"value": "t-1"},
        "agent_id": {"value": agent_id},
        "command": {"value": "true", "user": "me"},
        "labels": {"labels": [{"key": "k", "value": "v"}]},
        "resources": [
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1.5}},
            {"name": "mem", "type": "SCALAR", "scalar": {"value": 64}},
        ],
    }
    accept = {
        "offer_ids": [{"value": offer_id}],
        "operations": [{"type": "LAUNCH", "launch": {"task_infos": [task]}}],
    }
    assert (await client.call(framework_id, "ACCEPT", accept=accept)).status == 202
    offer_id = client.node.offer(framework_id, agent_id, resources)
    return framework_id, agent_id, offer_id


async def test_lists_are_flat_rows_read_after_a_barrier(client: Any) -> None:
    framework_id, agent_id, offer_id = await filled(client)
    index = client.node.state.index

    document = await client.get_json("/raftleader/v1/tasks")
    assert client.node.barriers == 1
    assert document["index"] == index
    (task,) = document["tasks"]
    assert task["id"] == "t-1"
    assert task["name"] == "täsk"
    assert task["framework_id"] == framework_id
    assert task["agent_id"] == agent_id
    assert task["state"] == "TASK_STAGING"
    assert task["resources"] == "cpus:1.5;mem:64"

    (agent,) = (await client.get_json("/raftleader/v1/agents"))["agents"]
    assert agent["id"] == agent_id
    assert agent["address"] == "10.0.0.7:5051"
    assert agent["state"] == "reachable"
    assert agent["connected"] is True
    assert agent["used"] == "cpus:1.5;mem:64"
    assert agent["offered"] == "cpus:1.5;mem:64"
    assert agent["tasks"] == 1

    (framework,) = (await client.get_json("/raftleader/v1/frameworks"))["frameworks"]
    assert framework["id"] == framework_id
    assert framework["roles"] == ["*"]
    assert framework["failover_timeout_s"] == 7.0
    assert (framework["tasks"], framework["offers"]) == (1, 1)

    (offer,) = (await client.get_json("/raftleader/v1/offers"))["offers"]
    assert offer["id"] == offer_id
    assert offer["hostname"] == "machine"
    assert offer["expires_ms"] == offer["granted_ms"] + 60_000

    assert client.node.barriers == 4


async def test_list_without_a_barrier_is_refused(client: Any) -> None:
    client.node.fails_later = OutcomeUnknownError("no majority")
    assert (await client.get("/raftleader/v1/tasks")).status == 503


async def test_state_has_the_shape_that_mesos_tools_read(client: Any) -> None:
    framework_id, agent_id, offer_id = await filled(client)
    state = await client.get_json("/master/state.json")

    assert state["version"] == "1.11.0"
    assert state["leader"] == state["pid"] == "master@127.0.0.1:5050"
    assert state["leader_info"]["port"] == 5050
    assert state["hostname"] == "127.0.0.1"
    assert (state["activated_slaves"], state["unreachable_slaves"]) == (1, 0)
    assert state["orphan_tasks"] == state["unregistered_frameworks"] == []

    (agent,) = state["slaves"]
    assert agent["id"] == agent_id
    assert agent["pid"] == "slave(1)@10.0.0.7:5051"
    assert agent["active"] is True
    assert agent["attributes"] == {"rack": "r1", "level": 1.5, "span": "[1-3]"}
    assert agent["resources"] == {
        "cpus": 4.0,
        "disk": 0.0,
        "gpus": 0.0,
        "mem": 4096.0,
        "ports": "[31000-31005, 32000-32000]",
        "gpu_names": "{a, b}",
    }
    assert agent["used_resources"]["cpus"] == 1.5
    assert agent["reserved_resources"]["prod"]["cpus"] == 0.5
    assert agent["unreserved_resources"]["cpus"] == 3.5

    (framework,) = state["frameworks"]
    assert framework["id"] == framework_id
    assert framework["role"] == "*"
    assert framework["used_resources"]["mem"] == 64.0
    assert framework["offered_resources"]["cpus"] == 1.5
    assert framework["offers"][0]["id"] == offer_id
    assert framework["unreachable_tasks"] == framework["completed_tasks"] == []
    (task,) = framework["tasks"]
    assert task["id"] == "t-1"
    assert task["slave_id"] == agent_id
    assert task["state"] == "TASK_STAGING"
    assert task["user"] == "me"
    assert task["labels"] == [{"key": "k", "value": "v"}]
    assert task["resources"]["gpus"] == 0.0

    ours = state["raftleader"]
    assert ours["node_id"] == "n1"
    assert ours["leading"] is True
    assert ours["index"] == ours["commit_index"] == client.node.state.index
    assert ours["clock_ms"] == client.node.state.clock_ms
    assert ours["peers"] == ["n2", "n3"]


async def test_state_tells_unreachable_tasks_and_removed_frameworks(
    client: Any,
) -> None:
    info = {"capabilities": [{"type": "PARTITION_AWARE"}, {"type": "MULTI_ROLE"}]}
    removed = await client.framework(roles=["a"], **info)
    await client.call(removed, "TEARDOWN")
    framework_id = await client.framework(roles=["*"], **info)
    agent_id = client.node.add_agent(MACHINE)
    resources = Resources.of({"cpus": 100})
    offer_id = client.node.offer(framework_id, agent_id, resources)
    task = {
        "name": "t",
        "task_id": {"value": "t"},
        "agent_id": {"value": agent_id},
        "command": {"value": "true"},
        "resources": {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}},
    }
    operation = {"type": "LAUNCH", "launch": {"task_infos": task}}
    accept = {"offer_ids": {"value": offer_id}, "operations": operation}
    await client.call(framework_id, "ACCEPT", accept=accept)
    client.node.commit(MarkUnreachable(agent_ids=(agent_id,)))

    state = await client.get_json("/state")
    assert (state["activated_slaves"], state["unreachable_slaves"]) == (0, 1)
    assert state["slaves"][0]["active"] is False
    (framework,) = state["frameworks"]
    assert framework["roles"] == ["*"]
    assert framework["tasks"] == []
    assert framework["unreachable_tasks"][0]["state"] == "TASK_UNREACHABLE"
    (gone,) = state["completed_frameworks"]
    assert gone["id"] == removed


async def test_state_of_a_standby_is_told_only_when_asked_for(client: Any) -> None:
    client.node.stand_by("10.0.0.2:5050")
    assert (await client.get("/state")).status == 307
    state = await client.get_json("/state?local=true")
    assert state["leader"] == "master@10.0.0.2:5050"
    assert state["raftleader"]["leading"] is False


async def test_state_of_a_node_that_knows_no_leader_is_told_when_asked_for(
    client: Any,
) -> None:
    client.node.stand_by(None)
    answer = await client.get("/state?local=true")
    assert json.loads(answer.body)["leader"] == ""


async def test_long_page_lets_others_run_and_is_of_one_index(client: Any) -> None:
    node = client.node
    for number in range(250):
        await client.framework(name=f"f{number}")
    index, turns = node.state.index, 0

    async def interfere() -> None:
        nonlocal turns
        for framework_id in list(node.state.frameworks):
            node.commit(TeardownFramework(framework_id=framework_id))
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(interfere)
        state = await client.get_json("/state")
        assert turns >= 1
        nursery.cancel_scope.cancel()
    assert len(state["frameworks"]) == 250
    assert state["raftleader"]["index"] == index
    assert node.state.index > index
