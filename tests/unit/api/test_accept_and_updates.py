"""What ACCEPT, KILL and RECONCILE do, answered by events rather than by a status."""

from __future__ import annotations

from typing import Any

import pytest

from raftleader.httpd.messages import Response
from raftleader.protocol.resources import Resources

BIG = Resources.of({"cpus": 4000, "mem": 4_096_000, "disk": 8_000_000})


def task_json(task_id: str, agent_id: str, cpus: float = 1, **more: Any) -> Any:
    return {
        "name": "t",
        "task_id": {"value": task_id},
        "agent_id": {"value": agent_id},
        "command": {"value": "true"},
        "resources": [
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": cpus}},
            {"name": "mem", "type": "SCALAR", "scalar": {"value": 32}},
        ],
    } | more


def accept_json(offer_id: str, *tasks: Any) -> Any:
    return {
        "offer_ids": [{"value": offer_id}],
        "operations": [{"type": "LAUNCH", "launch": {"task_infos": list(tasks)}}],
    }


async def launched(client: Any, *tasks: Any, **info: Any) -> tuple[str, Any]:
    """ACCEPT with these tasks; the framework and its updates."""
    framework_id = await client.framework(**info)
    agent_id = client.node.add_agent(BIG)
    offer_id = client.node.offer(framework_id, agent_id, BIG)
    made = [task(agent_id) if callable(task) else task for task in tasks]
    answer = await client.call(
        framework_id, "ACCEPT", accept=accept_json(offer_id, *made)
    )
    assert answer == Response(status=202)
    return framework_id, client.node.state.frameworks[framework_id].orphan_updates


async def test_accept_launches_its_tasks(client: Any) -> None:
    framework_id, refused = await launched(client, lambda a: task_json("t-1", a))
    assert refused == ()
    (task,) = client.node.state.tasks.values()
    assert task.framework_id == framework_id
    assert task.info.task_id == "t-1"


@pytest.mark.parametrize(
    ("task", "state", "words"),
    [
        (lambda a: task_json("t", a, cpus=64), "TASK_ERROR", ""),
        (lambda a: task_json("t", "other"), "TASK_ERROR", ""),
        (lambda a: task_json("", a), "TASK_ERROR", ""),
        (lambda a: task_json("a/b", a), "TASK_ERROR", ""),
        (lambda a: task_json("x" * 300, a), "TASK_ERROR", ""),
        (lambda a: task_json("t", a, command=None), "TASK_ERROR", ""),
        (lambda a: task_json("t", a, resources=[]), "TASK_ERROR", ""),
        (
            lambda a: task_json("t", a, health_check={"type": "HTTP"}),
            "TASK_ERROR",
            "health check",
        ),
        (
            lambda a: task_json("t", a, container={"type": "DOCKER"}),
            "TASK_ERROR",
            "container",
        ),
    ],
)
async def test_task_that_cannot_run_is_202_and_an_update(
    task: Any, state: str, words: str, client: Any
) -> None:
    _, refused = await launched(client, task)
    assert not client.node.state.tasks
    (status,) = refused
    assert status.state.value == state
    assert words in (status.message or "")


async def test_duplicate_task_id_is_202_and_an_update_for_the_second(
    client: Any,
) -> None:
    _, refused = await launched(
        client, lambda a: task_json("t", a), lambda a: task_json("t", a)
    )
    assert len(client.node.state.tasks) == 1
    (status,) = refused
    assert status.state.value == "TASK_ERROR"
    assert "duplicate" in (status.message or "").lower()


@pytest.mark.parametrize(
    ("capabilities", "state"),
    [([], "TASK_LOST"), ([{"type": "PARTITION_AWARE"}], "TASK_DROPPED")],
)
async def test_unknown_offer_is_202_and_the_task_is_lost_or_dropped(
    capabilities: list[Any], state: str, client: Any
) -> None:
    framework_id = await client.framework(capabilities=capabilities)
    accept = accept_json("no-such-offer", task_json("t", "a"))
    answer = await client.call(framework_id, "ACCEPT", accept=accept)
    assert answer == Response(status=202)
    (status,) = client.node.state.frameworks[framework_id].orphan_updates
    assert status.state.value == state


async def test_kill_of_an_unknown_task_is_202_and_its_state_is_told(
    client: Any, autojump_clock: Any
) -> None:
    stream = await client.subscribe()
    (framework_id,) = client.node.state.frameworks
    answer = await client.call(framework_id, "KILL", kill={"task_id": {"value": "t"}})
    assert answer == Response(status=202)
    *_, update = await client.read(stream)
    status = update["update"]["status"]
    assert status["state"] == "TASK_LOST"
    assert status["reason"] == "REASON_RECONCILIATION"
    assert "uuid" not in status


async def test_kill_on_the_wrong_agent_is_ignored_with_202(client: Any) -> None:
    framework_id, _ = await launched(client, lambda a: task_json("t", a))
    kill = {"task_id": {"value": "t"}, "agent_id": {"value": "other"}}
    assert (await client.call(framework_id, "KILL", kill=kill)).status == 202
    (task,) = client.node.state.tasks.values()
    assert not task.kill_wanted


async def test_reconcile_is_202_and_answered_on_the_stream(
    client: Any, autojump_clock: Any
) -> None:
    stream = await client.subscribe(capabilities=[{"type": "PARTITION_AWARE"}])
    (framework_id,) = client.node.state.frameworks
    tasks = [{"task_id": {"value": "x"}}, {"task_id": {"value": "y"}}]
    answer = await client.call(framework_id, "RECONCILE", reconcile={"tasks": tasks})
    assert answer == Response(status=202)
    assert client.node.barriers == 1
    told = [event["update"]["status"] for event in (await client.read(stream))[2:]]
    assert [status["task_id"]["value"] for status in told] == ["x", "y"]
    assert {status["state"] for status in told} == {"TASK_UNKNOWN"}
