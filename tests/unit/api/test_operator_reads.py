"""The operator API's calls that read: GET_*, in both encodings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.operator_calls import MACHINE, call, launch, read

from raftleader.errors import OutcomeUnknownError
from raftleader.httpd.messages import Response
from raftleader.protocol.agent_rpc import AgentUpdate
from raftleader.protocol.operator_values import Quota
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import Source, TaskState, TaskStatus
from raftleader.protocol.wire.codec import read_message, write_message
from raftleader.protocol.wire.media import Media
from raftleader.state.commands import MarkUnreachable, SetWeights, UpdateTasks
from raftleader.state.operator_commands import SetQuotas

READS = (
    "GET_HEALTH",
    "GET_FLAGS",
    "GET_VERSION",
    "GET_METRICS",
    "GET_LOGGING_LEVEL",
    "GET_STATE",
    "GET_AGENTS",
    "GET_FRAMEWORKS",
    "GET_EXECUTORS",
    "GET_OPERATIONS",
    "GET_TASKS",
    "GET_ROLES",
    "GET_WEIGHTS",
    "GET_QUOTA",
    "GET_MASTER",
    "GET_MAINTENANCE_STATUS",
    "GET_MAINTENANCE_SCHEDULE",
)


async def filled(client: Any) -> tuple[str, str]:
    framework_id = await client.framework(
        roles=["*"],
        capabilities=[{"type": "MULTI_ROLE"}, {"type": "PARTITION_AWARE"}],
        failover_timeout=7,
    )
    agent_id = client.node.add_agent(MACHINE)
    await launch(client, framework_id, agent_id, "t-1")
    return framework_id, agent_id


@pytest.mark.parametrize("kind", READS)
async def test_read_is_the_same_in_both_encodings(kind: str, client: Any) -> None:
    framework_id, agent_id = await filled(client)
    client.node.offer(framework_id, agent_id, Resources.of({"mem": 100_000}))
    client.node.commit(SetWeights(weights={"prod": 2500}))
    client.node.commit(SetQuotas(quotas={"prod": Quota(limits={"cpus": 2000})}))
    body = {} if kind == "GET_METRICS" else None

    as_json = await call(client, kind, body)
    as_protobuf = await call(client, kind, body, accept="application/x-protobuf")

    assert isinstance(as_json, Response)
    assert isinstance(as_protobuf, Response)
    assert as_json.status == as_protobuf.status == 200
    assert as_protobuf.headers == (("Content-Type", "application/x-protobuf"),)
    tree = json.loads(as_json.body)
    assert tree["type"] == kind
    if kind == "GET_METRICS":  # they tell of time
        assert len(as_protobuf.body) > 1000
        return
    written = write_message(Media.PROTOBUF, "master.Response", tree)
    assert _values(written) == _values(as_protobuf.body)


def _values(data: bytes) -> object:
    from raftleader.protocol.wire.protobuf import read_protobuf

    return read_protobuf("master.Response", data, "response")


async def test_state_tells_of_everything(client: Any) -> None:
    framework_id, agent_id = await filled(client)
    state = await read(client, "GET_STATE")

    (task,) = state["get_tasks"]["tasks"]
    assert task["task_id"] == {"value": "t-1"}
    assert task["framework_id"] == {"value": framework_id}
    assert task["agent_id"] == {"value": agent_id}
    assert task["state"] == "TASK_STAGING"
    assert task["labels"] == {"labels": [{"key": "k", "value": "v"}]}
    assert task["resources"][0]["allocation_info"] == {"role": "*"}
    assert state["get_tasks"]["unreachable_tasks"] == []
    assert state["get_tasks"]["completed_tasks"] == []

    (agent,) = state["get_agents"]["agents"]
    assert agent["agent_info"]["id"] == {"value": agent_id}
    assert agent["agent_info"]["hostname"] == "machine"
    assert agent["active"] is True
    assert agent["version"] == "1.11.0"
    assert agent["pid"] == "slave(1)@10.0.0.7:5051"
    used = {r["name"]: r["scalar"]["value"] for r in agent["allocated_resources"]}
    assert used == {"cpus": 1.0, "mem": 64.0}
    assert {r["name"] for r in agent["total_resources"]} == {
        *("cpus", "mem", "disk", "ports")
    }
    assert state["get_agents"]["recovered_agents"] == []

    (framework,) = state["get_frameworks"]["frameworks"]
    info = framework["framework_info"]
    assert info["id"] == {"value": framework_id}
    assert info["failover_timeout"] == 7.0
    assert framework["active"] is framework["connected"] is True
    assert framework["recovered"] is False
    assert framework["allocated_resources"][0]["scalar"] == {"value": 1.0}
    assert framework["offers"] == []
    assert state["get_executors"] == {"executors": []}


async def test_framework_has_its_offers(client: Any) -> None:
    framework_id, agent_id = await filled(client)
    offer_id = client.node.offer(framework_id, agent_id, Resources.of({"mem": 100_000}))
    (framework,) = (await read(client, "GET_FRAMEWORKS"))["frameworks"]
    (offer,) = framework["offers"]
    assert offer["id"] == {"value": offer_id}
    assert offer["agent_id"] == {"value": agent_id}
    assert offer["hostname"] == "machine"
    assert offer["allocation_info"] == {"role": "*"}
    assert framework["offered_resources"][0]["scalar"] == {"value": 100.0}


async def test_tasks_are_told_by_what_became_of_them(client: Any) -> None:
    framework_id, agent_id = await filled(client)
    status = TaskStatus(
        task_id="t-1",  # type: ignore[arg-type]
        state=TaskState.RUNNING,
        source=Source.EXECUTOR,
        agent_id=agent_id,  # type: ignore[arg-type]
        uuid=bytes(16),
        data=b"secret",
        timestamp_ms=1_500,
    )
    update = AgentUpdate(framework_id=framework_id, status=status)  # type: ignore[arg-type]
    client.node.commit(UpdateTasks(agent_id=agent_id, updates=(update,)))
    (task,) = (await read(client, "GET_TASKS"))["tasks"]
    assert task["state"] == task["status_update_state"] == "TASK_RUNNING"
    assert task["statuses"][-1]["timestamp"] == 1.5
    assert "data" not in task["statuses"][-1]

    client.node.commit(MarkUnreachable(agent_ids=(agent_id,)))
    tasks = await read(client, "GET_TASKS")
    assert tasks["tasks"] == []
    assert tasks["unreachable_tasks"][0]["state"] == "TASK_UNREACHABLE"
    agents = await read(client, "GET_AGENTS")
    assert agents["agents"] == []
    assert agents["recovered_agents"][0]["id"] == {"value": agent_id}


async def test_removed_framework_is_completed(client: Any) -> None:
    framework_id, _ = await filled(client)
    await client.call(framework_id, "TEARDOWN")
    document = await read(client, "GET_FRAMEWORKS")
    assert document["frameworks"] == []
    (gone,) = document["completed_frameworks"]
    assert gone["framework_info"]["id"] == {"value": framework_id}
    assert gone["unregistered_time"]["nanoseconds"] > 0


async def test_roles_are_those_anybody_knows_with_all_above_them(client: Any) -> None:
    framework_id = await client.framework(
        roles=["eng/web"], capabilities=[{"type": "MULTI_ROLE"}]
    )
    client.node.commit(SetWeights(weights={"prod": 2500}))
    roles = (await read(client, "GET_ROLES"))["roles"]
    assert [(role["name"], role["weight"]) for role in roles] == [
        ("eng", 1.0),
        ("eng/web", 1.0),
        ("prod", 2.5),
    ]
    assert roles[1]["frameworks"] == [{"value": framework_id}]


async def test_role_tells_what_is_held_below_it(client: Any) -> None:
    await filled(client)
    (role,) = (await read(client, "GET_ROLES"))["roles"]
    assert role["name"] == "*"
    held = {item["name"]: item["scalar"]["value"] for item in role["resources"]}
    assert held == {"cpus": 1.0, "mem": 64.0}


async def test_leader_tells_who_it_is(client: Any) -> None:
    document = await read(client, "GET_MASTER")
    assert document["master_info"]["id"] == "n1"
    assert document["master_info"]["port"] == 5050
    assert {"type": "QUOTA_V2"} in document["master_info"]["capabilities"]
    assert document["start_time"] < document["elected_time"]


async def test_read_passes_a_barrier(client: Any) -> None:
    await read(client, "GET_AGENTS")
    assert client.node.barriers == 1
    client.node.fails_later = OutcomeUnknownError("no majority")
    answer = await call(client, "GET_AGENTS")
    assert answer.status == 503


async def test_flags_are_the_settings_it_was_told(client: Any) -> None:
    assert await read(client, "GET_FLAGS") == {"flags": []}
    assert (await read(client, "GET_VERSION"))["version_info"]["version"] == "1.11.0"
    assert await read(client, "GET_HEALTH") == {"healthy": True}


async def test_answer_of_a_message_has_the_field_of_its_type(client: Any) -> None:
    answer = await call(client, "GET_WEIGHTS", accept="application/x-protobuf")
    assert isinstance(answer, Response)
    fields = read_message(Media.PROTOBUF, "master.Response", answer.body)
    assert fields.text("type") == "GET_WEIGHTS"
    assert fields.child("get_weights") is not None
