"""The operator API's calls that change the cluster: what they do, and their answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from support.operator_calls import (
    MACHINE,
    call,
    launch,
    read,
    reserved,
    scalar,
    status_and_text,
)

from raftleader.errors import NotLeaderError, OutcomeUnknownError
from raftleader.httpd.messages import Response
from raftleader.protocol.resources import Resources
from raftleader.protocol.wire.codec import write_message
from raftleader.protocol.wire.media import Media

OK, ACCEPTED = (200, ""), (202, "")
HOUR_NS = 3_600 * 10**9
MACHINE_ID = {"hostname": "machine", "ip": "10.0.0.7"}
VOLUME = {
    "persistence": {"id": "v-1", "principal": "ops"},
    "volume": {"mode": "RW", "container_path": "data"},
}


def agent_of(client: Any) -> dict[str, str]:
    return {"value": client.node.add_agent(MACHINE)}


def window(*machines: dict[str, str]) -> dict[str, Any]:
    unavailability = {
        "start": {"nanoseconds": HOUR_NS},
        "duration": {"nanoseconds": HOUR_NS},
    }
    return {"machine_ids": list(machines), "unavailability": unavailability}


async def schedule(client: Any, *windows: dict[str, Any]) -> tuple[int, str]:
    body = {"schedule": {"windows": list(windows)}}
    return await status_and_text(client, "UPDATE_MAINTENANCE_SCHEDULE", body)


@pytest.mark.parametrize(
    ("body", "headers", "status", "text"),
    [
        (b"{}", {}, 400, "Expecting 'Content-Type' to be present"),
        (b"{}", {"content_type": "text/plain"}, 415, "Expecting 'Content-Type' of"),
        (
            b"{",
            {"content_type": "application/json"},
            400,
            "Failed to parse body into JSON",
        ),
        (
            b"[]",
            {"content_type": "application/json"},
            400,
            "Failed to parse body into JSON",
        ),
        (
            b"{}",
            {"content_type": "application/json"},
            400,
            "Failed to validate master::Call: Expecting 'type' to be present",
        ),
        (
            b'{"type":"GET_NOTHING"}',
            {"content_type": "application/json"},
            400,
            "Failed to validate master::Call: Expecting 'type' to be present",
        ),
        (b'{"type":"UNKNOWN"}', {"content_type": "application/json"}, 501, "UNKNOWN"),
        (
            b'{"type":"GET_HEALTH"}',
            {"content_type": "application/json", "accept": "text/html"},
            406,
            "Expecting 'Accept' to allow application/json or application/x-protobuf",
        ),
        (
            b"\xff",
            {"content_type": "application/x-protobuf"},
            400,
            "into Call protobuf: is not",
        ),
    ],
)
async def test_bad_call_gets_its_answer(
    body: bytes, headers: dict[str, str], status: int, text: str, client: Any
) -> None:
    answer = await client.ask("POST", "/api/v1", body, **headers)
    assert answer.status == status
    assert text in answer.body.decode()


@pytest.mark.parametrize(
    "kind",
    [
        "GET_METRICS",
        "SET_LOGGING_LEVEL",
        "LIST_FILES",
        "READ_FILE",
        "UPDATE_WEIGHTS",
        "RESERVE_RESOURCES",
        "UNRESERVE_RESOURCES",
        "CREATE_VOLUMES",
        "DESTROY_VOLUMES",
        "GROW_VOLUME",
        "SHRINK_VOLUME",
        "UPDATE_MAINTENANCE_SCHEDULE",
        "START_MAINTENANCE",
        "STOP_MAINTENANCE",
        "DRAIN_AGENT",
        "DEACTIVATE_AGENT",
        "REACTIVATE_AGENT",
        "MARK_AGENT_GONE",
        "UPDATE_QUOTA",
        "SET_QUOTA",
        "REMOVE_QUOTA",
        "TEARDOWN",
    ],
)
async def test_call_without_its_body_is_refused_by_name(kind: str, client: Any) -> None:
    assert await status_and_text(client, kind) == (
        400,
        f"Failed to validate master::Call: Expecting '{kind.lower()}' to be present",
    )


async def test_standby_redirects_every_call(client: Any) -> None:
    client.node.stand_by("10.0.0.2:5050")
    answer = await call(client, "GET_HEALTH")
    assert answer.status == 307
    assert answer.headers == (("Location", "//10.0.0.2:5050/api/v1"),)
    answer = await client.ask("GET", "/api/v1")
    assert answer.status == 307


async def test_call_in_protobuf_is_a_call(client: Any) -> None:
    framework_id = await client.framework()
    tree = {"type": "TEARDOWN", "teardown": {"framework_id": {"value": framework_id}}}
    body = write_message(Media.PROTOBUF, "master.Call", tree)
    answer = await client.ask(
        "POST", "/api/v1", body, content_type="application/x-protobuf"
    )
    assert answer == Response(status=200)
    assert client.node.state.frameworks == {}


async def test_teardown_of_an_unknown_framework_is_400(client: Any) -> None:
    body = {"framework_id": {"value": "nobody"}}
    expected = (400, "No framework found with specified ID")
    assert await status_and_text(client, "TEARDOWN", body) == expected


async def test_weights_that_are_not_named_stay(client: Any) -> None:
    async def update(*weights: Any) -> tuple[int, str]:
        body = {"weight_infos": list(weights)}
        return await status_and_text(client, "UPDATE_WEIGHTS", body)

    assert await update({"role": "a", "weight": 2}, {"role": "b", "weight": 0.5}) == OK
    assert await update({"role": "b", "weight": 3}) == OK
    assert await read(client, "GET_WEIGHTS") == {
        "weight_infos": [{"weight": 2.0, "role": "a"}, {"weight": 3.0, "role": "b"}]
    }
    status, text = await update({"role": "a", "weight": 0})
    assert (status, "Weights must be positive" in text) == (400, True)
    status, text = await update({"role": "a b", "weight": 1})
    assert (status, "Invalid role 'a b'" in text) == (400, True)
    assert (await update({"role": "a"}))[0] == 400


async def test_two_changes_of_weights_at_once_are_both_made(client: Any) -> None:
    async def update(role: str) -> None:
        body = {"weight_infos": [{"role": role, "weight": 2}]}
        assert await status_and_text(client, "UPDATE_WEIGHTS", body) == OK

    async with trio.open_nursery() as nursery:
        for role in ("a", "b", "c"):
            nursery.start_soon(update, role)
    assert set(client.node.state.weights) == {"a", "b", "c"}


async def test_reservation_is_made_and_undone(client: Any) -> None:
    agent_id = agent_of(client)
    body = {"agent_id": agent_id, "resources": [reserved("cpus", 2)]}
    assert await status_and_text(client, "RESERVE_RESOURCES", body) == ACCEPTED

    (agent,) = (await read(client, "GET_AGENTS"))["agents"]
    cpus = [r for r in agent["total_resources"] if r["name"] == "cpus"]
    assert [r["scalar"]["value"] for r in cpus] == [6.0, 2.0]
    assert cpus[1]["role"] == "prod"
    assert cpus[1]["reservations"] == [
        {"type": "DYNAMIC", "role": "prod", "principal": "ops"}
    ]
    (role,) = (await client.get_json("/roles"))["roles"]
    assert role["reserved"] == {"cpus": 2.0}

    assert await status_and_text(client, "UNRESERVE_RESOURCES", body) == ACCEPTED
    status, _ = await status_and_text(client, "UNRESERVE_RESOURCES", body)
    assert status == 409


async def test_reservation_of_what_is_used_is_409(client: Any) -> None:
    agent_id = agent_of(client)
    framework_id = await client.framework()
    await launch(client, framework_id, agent_id["value"], "t-1")
    body = {"agent_id": agent_id, "resources": [reserved("cpus", 7.5)]}
    status, text = await status_and_text(client, "RESERVE_RESOURCES", body)
    assert status == 409
    assert text


async def test_offers_in_the_way_of_a_reservation_are_rescinded(client: Any) -> None:
    agent_id = agent_of(client)
    framework_id = await client.framework()
    client.node.offer(framework_id, agent_id["value"], Resources.of({"cpus": 8000}))
    body = {"agent_id": agent_id, "resources": [reserved("cpus", 8)]}
    assert await status_and_text(client, "RESERVE_RESOURCES", body) == ACCEPTED
    assert client.node.state.offers == {}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("RESERVE_RESOURCES", {"resources": [reserved("cpus", 1)]}),
        ("UNRESERVE_RESOURCES", {"resources": [reserved("cpus", 1)]}),
        ("CREATE_VOLUMES", {"volumes": [reserved("disk", 64, disk=VOLUME)]}),
        ("DESTROY_VOLUMES", {"volumes": [reserved("disk", 64, disk=VOLUME)]}),
        (
            "GROW_VOLUME",
            {
                "volume": reserved("disk", 64, disk=VOLUME),
                "addition": reserved("disk", 64),
            },
        ),
        (
            "SHRINK_VOLUME",
            {"volume": reserved("disk", 64, disk=VOLUME), "subtract": {"value": 1}},
        ),
    ],
)
async def test_operation_on_no_agent_or_an_unknown_one_is_400(
    kind: str, body: dict[str, Any], client: Any
) -> None:
    status, text = await status_and_text(client, kind, body)
    assert status == 400
    assert "agent_id" in text
    unknown = {"agent_id": {"value": "nobody"}, **body}
    expected = (400, "No agent found with specified ID")
    assert await status_and_text(client, kind, unknown) == expected


async def test_volume_is_made_resized_and_deleted(client: Any) -> None:
    agent_id = agent_of(client)

    async def operate(kind: str, **body: Any) -> tuple[int, str]:
        return await status_and_text(client, kind, {"agent_id": agent_id, **body})

    async def volume_sizes() -> list[float]:
        (agent,) = (await read(client, "GET_AGENTS"))["agents"]
        return [
            resource["scalar"]["value"]
            for resource in agent["total_resources"]
            if resource.get("disk", {}).get("persistence", {}).get("id") == "v-1"
        ]

    def volume(size: float) -> dict[str, Any]:
        return reserved("disk", size, disk=VOLUME)

    reservation = [reserved("disk", 128)]
    assert await operate("RESERVE_RESOURCES", resources=reservation) == ACCEPTED
    assert await operate("CREATE_VOLUMES", volumes=[volume(64)]) == ACCEPTED
    assert await volume_sizes() == [64.0]
    assert (
        await operate("GROW_VOLUME", volume=volume(64), addition=reserved("disk", 32))
        == ACCEPTED
    )
    assert await volume_sizes() == [96.0]
    assert (
        await operate("SHRINK_VOLUME", volume=volume(96), subtract={"value": 16})
        == ACCEPTED
    )
    assert await volume_sizes() == [80.0]
    assert await operate("DESTROY_VOLUMES", volumes=[volume(80)]) == ACCEPTED
    assert await volume_sizes() == []
    assert (await operate("DESTROY_VOLUMES", volumes=[volume(80)]))[0] in (400, 409)


async def test_call_that_lacks_something_is_refused_in_mesos_words(
    client: Any,
) -> None:
    assert await status_and_text(client, "RESERVE_RESOURCES", {}) == (
        400,
        "Failed to convert JSON into Call protobuf: Missing required fields:"
        " reserve_resources.agent_id",
    )
    body = write_message(Media.PROTOBUF, "master.Call", {"type": "TEARDOWN"})
    body += b"\x82\x01\x00"  # the field teardown, with nothing in it
    answer = await client.ask(
        "POST", "/api/v1", body, content_type="application/x-protobuf"
    )
    text = "Failed to parse body into Call protobuf: "
    assert (answer.status, answer.body.decode()[: len(text)]) == (400, text)
    status, text = await status_and_text(
        client, "REMOVE_QUOTA", {"role": {"nothing": 1}}
    )
    assert status == 400
    assert text.startswith("Failed to validate master::Call: remove_quota.role: ")


@pytest.mark.parametrize(
    ("kind", "body", "name"),
    [
        ("GROW_VOLUME", {"addition": reserved("disk", 64)}, "volume"),
        (
            "GROW_VOLUME",
            {"volume": reserved("disk", 0, disk=VOLUME), "addition": scalar("disk", 1)},
            "volume",
        ),
        (
            "GROW_VOLUME",
            {"volume": reserved("disk", 64, disk=VOLUME), "addition": [{}]},
            "addition",
        ),
        (
            "GROW_VOLUME",
            {
                "volume": reserved("disk", 64, disk=VOLUME),
                "addition": reserved("disk", 0),
            },
            "addition",
        ),
        ("SHRINK_VOLUME", {"subtract": {"value": 1}}, "volume"),
        (
            "SHRINK_VOLUME",
            {"volume": reserved("disk", 0, disk=VOLUME), "subtract": {"value": 1}},
            "volume",
        ),
    ],
)
async def test_resizing_nothing_or_by_nothing_is_400(
    kind: str, body: dict[str, Any], name: str, client: Any
) -> None:
    body = {"agent_id": agent_of(client), **body}
    status, text = await status_and_text(client, kind, body)
    assert status == 400
    assert name in text


async def test_maintenance_from_the_schedule_to_its_end(client: Any) -> None:
    agent_of(client)
    assert await schedule(client, window(MACHINE_ID)) == OK
    document = await read(client, "GET_MAINTENANCE_SCHEDULE")
    assert document == {"schedule": {"windows": [window(MACHINE_ID)]}}
    document = await read(client, "GET_MAINTENANCE_STATUS")
    (draining,) = document["status"]["draining_machines"]
    assert draining["id"] == MACHINE_ID
    assert document["status"].get("down_machines", []) == []

    machines = {"machines": [MACHINE_ID]}
    status, text = await status_and_text(client, "STOP_MAINTENANCE", machines)
    assert (status, "is not in DOWN mode" in text) == (400, True)
    assert await status_and_text(client, "START_MAINTENANCE", machines) == OK
    document = await read(client, "GET_MAINTENANCE_STATUS")
    assert document["status"]["down_machines"] == [MACHINE_ID]
    assert (await read(client, "GET_AGENTS"))["agents"] == []
    status, text = await schedule(client)
    assert status == 400

    assert await status_and_text(client, "STOP_MAINTENANCE", machines) == OK
    document = await read(client, "GET_MAINTENANCE_SCHEDULE")
    assert document["schedule"]["windows"] == []


@pytest.mark.parametrize(
    "windows",
    [
        [window()],
        [window(MACHINE_ID, MACHINE_ID)],
        [window({})],
        [{"machine_ids": [MACHINE_ID]}],
        [
            {
                "machine_ids": [MACHINE_ID],
                "unavailability": {
                    "start": {"nanoseconds": 1},
                    "duration": {"nanoseconds": -1},
                },
            }
        ],
    ],
)
async def test_schedule_that_cannot_be_is_400(
    windows: list[dict[str, Any]], client: Any
) -> None:
    status, text = await schedule(client, *windows)
    assert status == 400
    assert text


async def test_machine_outside_the_schedule_cannot_go_down(client: Any) -> None:
    body = {"machines": [MACHINE_ID]}
    status, text = await status_and_text(client, "START_MAINTENANCE", body)
    assert (status, "is not part of a maintenance schedule" in text) == (400, True)


async def test_agent_is_drained_and_reactivated(client: Any) -> None:
    agent_id = agent_of(client)
    framework_id = await client.framework()
    await launch(client, framework_id, agent_id["value"], "t-1")
    grace = {"seconds": 2, "nanos": 500_000_000}
    body = {"agent_id": agent_id, "max_grace_period": grace, "mark_gone": False}
    assert await status_and_text(client, "DRAIN_AGENT", body) == OK

    (agent,) = (await read(client, "GET_AGENTS"))["agents"]
    assert agent["drain_info"] == {
        "state": "DRAINING",
        "config": {"mark_gone": False, "max_grace_period": {"nanoseconds": 2500000000}},
    }
    assert agent["active"] is False
    assert agent["deactivated"] is True
    (slave,) = (await client.get_json("/slaves"))["slaves"]
    assert slave["drain_info"]["state"] == "DRAINING"
    assert slave["estimated_drain_start_time_seconds"] > 0

    reactivate = {"agent_id": agent_id}
    expected = (400, "Agent is still in the DRAINING state")
    answer = await status_and_text(client, "REACTIVATE_AGENT", reactivate)
    assert answer == expected


async def test_agent_is_deactivated_and_reactivated(client: Any) -> None:
    body = {"agent_id": agent_of(client)}
    assert await status_and_text(client, "DEACTIVATE_AGENT", body) == OK
    (agent,) = (await read(client, "GET_AGENTS"))["agents"]
    assert (agent["active"], agent["deactivated"]) == (False, True)
    assert await status_and_text(client, "REACTIVATE_AGENT", body) == OK
    expected = (400, "Agent is not deactivated")
    assert await status_and_text(client, "REACTIVATE_AGENT", body) == expected


async def test_draining_an_agent_of_the_schedule_is_400(client: Any) -> None:
    agent_id = agent_of(client)
    await schedule(client, window(MACHINE_ID))
    status, text = await status_and_text(client, "DRAIN_AGENT", {"agent_id": agent_id})
    assert (status, "is part of a maintenance schedule" in text) == (400, True)


async def test_agent_is_gone_once_and_for_all(client: Any) -> None:
    body = {"agent_id": agent_of(client)}
    assert await status_and_text(client, "MARK_AGENT_GONE", body) == OK
    assert await status_and_text(client, "MARK_AGENT_GONE", body) == OK
    assert (await read(client, "GET_AGENTS"))["agents"] == []
    unknown = {"agent_id": {"value": "nobody"}}
    expected = (404, "Agent 'nobody' not found")
    assert await status_and_text(client, "MARK_AGENT_GONE", unknown) == expected
    for kind in ("DRAIN_AGENT", "DEACTIVATE_AGENT"):
        answer = await status_and_text(client, kind, unknown)
        assert answer == (400, "Unknown agent")


async def test_quota_is_set_shown_and_removed(client: Any) -> None:
    agent_of(client)
    config = {
        "role": "prod",
        "guarantees": {"cpus": {"value": 2}},
        "limits": {"cpus": {"value": 4}, "mem": {"value": 1024}},
    }
    body = {"quota_configs": [config]}
    assert await status_and_text(client, "UPDATE_QUOTA", body) == OK
    (shown,) = (await read(client, "GET_QUOTA"))["status"]["configs"]
    assert shown == {
        "role": "prod",
        "guarantees": {"cpus": {"value": 2.0}},
        "limits": {"cpus": {"value": 4.0}, "mem": {"value": 1024.0}},
    }
    (role,) = (await client.get_json("/roles"))["roles"]
    assert role["quota"]["limit"] == {"cpus": 4.0, "mem": 1024.0}
    assert role["quota"]["consumed"] == {}

    answer = await status_and_text(client, "REMOVE_QUOTA", {"role": "prod"})
    assert answer == OK
    status, text = await status_and_text(client, "REMOVE_QUOTA", {"role": "prod"})
    assert (status, "has no quota set" in text) == (400, True)


async def test_older_quota_call_sets_guarantee_and_limit(client: Any) -> None:
    agent_of(client)
    request = {"role": "prod", "guarantee": [scalar("cpus", 2)]}
    body = {"quota_request": request}
    assert await status_and_text(client, "SET_QUOTA", body) == OK
    quota = client.node.state.quotas["prod"]
    assert (quota.guarantees, quota.limits) == ({"cpus": 2000}, {"cpus": 2000})
    status, text = await status_and_text(client, "SET_QUOTA", body)
    assert (status, "which already has quota" in text) == (400, True)


async def test_quota_beyond_the_cluster_is_refused_unless_forced(client: Any) -> None:
    agent_of(client)
    request = {"role": "prod", "guarantee": [scalar("cpus", 1000)]}
    status, _ = await status_and_text(client, "SET_QUOTA", {"quota_request": request})
    assert status == 409
    config = {"role": "prod", "guarantees": {"cpus": {"value": 1000}}}
    body: dict[str, Any] = {"quota_configs": [config]}
    assert (await status_and_text(client, "UPDATE_QUOTA", body))[0] == 400
    body["force"] = True
    assert await status_and_text(client, "UPDATE_QUOTA", body) == OK


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("UPDATE_QUOTA", {"quota_configs": [{"role": "a/b"}]}),
        ("UPDATE_QUOTA", {"quota_configs": [{}]}),
        ("UPDATE_QUOTA", {"quota_configs": [{"role": "a"}, {"role": "a"}]}),
        ("SET_QUOTA", {"quota_request": {"guarantee": [scalar("cpus", 1)]}}),
        ("SET_QUOTA", {"quota_request": {"role": "a"}}),
        (
            "SET_QUOTA",
            {"quota_request": {"role": "a", "guarantee": [reserved("cpus", 1)]}},
        ),
        ("SET_LOGGING_LEVEL", {"level": 1}),
        ("SET_LOGGING_LEVEL", {"duration": {"nanoseconds": 1}}),
        ("READ_FILE", {"path": "/x"}),
        ("DRAIN_AGENT", {}),
        ("MARK_AGENT_GONE", {"agent_id": {}}),
        ("RESERVE_RESOURCES", {"agent_id": {"value": "a"}, "resources": [{}]}),
        ("RESERVE_RESOURCES", {"agent_id": {"value": "a"}, "resources": "cpus"}),
    ],
)
async def test_body_that_cannot_be_is_400(kind: str, body: Any, client: Any) -> None:
    before = client.node.state.index
    status, text = await status_and_text(client, kind, body)
    assert status == 400
    assert text
    assert client.node.state.index - before <= 1


async def test_write_whose_outcome_is_unknown_says_so(client: Any) -> None:
    framework_id = await client.framework()
    client.node.fails_later = OutcomeUnknownError("leadership moved")
    body = {"framework_id": {"value": framework_id}}
    answer = await call(client, "TEARDOWN", body)
    assert answer.status == 503
    assert ("Raftleader-Outcome", "unknown") in answer.headers


async def test_write_of_a_deposed_leader_is_redirected(client: Any) -> None:
    client.node.fails_at_once = NotLeaderError("10.0.0.2:5050")
    client.node.leader_address = None
    answer = await call(client, "REMOVE_QUOTA", {"role": "x"})
    assert answer.status == 400
    answer = await call(client, "DEACTIVATE_AGENT", {"agent_id": {"value": "a"}})
    assert answer.status == 307


async def test_json_is_read_as_kindly_as_mesos_reads_it(client: Any) -> None:
    body = {
        "type": "UPDATE_WEIGHTS",
        "update_weights": {"weight_infos": {"role": "a", "weight": "2.5", "x": None}},
        "teardown": None,
        "unknown": 1,
    }
    answer = await client.ask(
        "POST",
        "/api/v1/operator",
        json.dumps(body).encode(),
        content_type="application/json; charset=utf-8",
        authorization="Basic eDp5",
    )
    assert answer.status == 200
    assert client.node.state.weights == {"a": 2500}
