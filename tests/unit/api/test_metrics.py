"""What a leader counted, under Mesos' names."""

from __future__ import annotations

from typing import Any

import pytest
from support.operator_calls import MACHINE, launch, read, scalar

from raftleader.api.operator.metric_names import framework_prefix
from raftleader.api.operator.metrics_counted import percentile, times_of
from raftleader.api.operator.metrics_frameworks import PREFIX_CHARS_WHOLE_MAX
from raftleader.leader.figures import Times
from raftleader.protocol.agent_rpc import AgentUpdate
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId
from raftleader.protocol.operator_values import Quota
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import Reason, Source, TaskState, TaskStatus
from raftleader.state.commands import MarkUnreachable, UpdateTasks
from raftleader.state.operator_commands import MarkAgentGone, SetQuotas

ONE = Resources.of({"cpus": 1000, "mem": 64_000})


async def figures_of(client: Any) -> dict[str, float]:
    figures: dict[str, float] = await client.get_json("/metrics/snapshot")
    return figures


def end_task(
    client: Any,
    framework_id: str,
    agent_id: str,
    task_id: str,
    state: TaskState = TaskState.FINISHED,
    reason: Reason | None = None,
) -> bytes:
    uuid = task_id.encode().ljust(16, b"-")
    status = TaskStatus(
        task_id=TaskId(task_id),
        state=state,
        source=Source.AGENT,
        reason=reason,
        uuid=uuid,
    )
    update = AgentUpdate(framework_id=FrameworkId(framework_id), status=status)
    client.node.commit(UpdateTasks(agent_id=AgentId(agent_id), updates=(update,)))
    return uuid


async def test_ended_tasks_are_counted_once_and_never_forgotten(client: Any) -> None:
    framework_id = await client.framework(name="a/b ~c")
    agent_id = client.node.add_agent(MACHINE)
    for task_id in ("t-1", "t-2", "t-3"):
        await launch(client, framework_id, agent_id, task_id)
    end_task(client, framework_id, agent_id, "t-1")
    end_task(client, framework_id, agent_id, "t-1")
    end_task(
        client,
        framework_id,
        agent_id,
        "t-2",
        TaskState.FAILED,
        Reason.CONTAINER_LIMITATION_MEMORY,
    )
    figures = await figures_of(client)
    assert figures["master/tasks_finished"] == figures["master/tasks_failed"] == 1
    assert figures["master/tasks_killed"] == 0
    assert figures["master/tasks_staging"] == 1
    name = "master/task_failed/source_slave/reason_container_limitation_memory"
    assert figures[name] == 1
    prefix = f"master/frameworks/a%2Fb%20%7Ec/{framework_id}/"
    assert figures[f"{prefix}tasks/terminal/task_finished"] == 1
    assert figures[f"{prefix}tasks/active/task_staging"] == 1
    assert figures[f"{prefix}tasks/active/task_running"] == 0

    assert (await client.call(framework_id, "TEARDOWN")).status == 202
    figures = await figures_of(client)
    assert figures["master/tasks_finished"] == figures["master/tasks_failed"] == 1
    assert not [name for name in figures if name.startswith("master/frameworks/")]
    assert client.node.figures.frameworks == {}
    end_task(client, framework_id, agent_id, "t-3", TaskState.KILLED)
    assert (await figures_of(client))["master/tasks_killed"] == 1
    assert client.node.figures.frameworks == {}, "it is gone, and so it stays"


async def test_calls_are_counted_by_kind_in_all_and_of_each_framework(
    client: Any,
) -> None:
    framework_id = await client.framework()
    other = await client.framework()
    agent_id = client.node.add_agent(MACHINE)
    await launch(client, framework_id, agent_id, "t-1")
    offer_id = client.node.offer(framework_id, agent_id, ONE)
    offers = {"offer_ids": [{"value": offer_id}, {"value": "unknown"}]}
    await client.call(framework_id, "DECLINE", decline=offers)
    for _ in range(3):
        await client.call(framework_id, "REVIVE")
    await client.call(other, "SUPPRESS")
    kill = {"task_id": {"value": "t-1"}}
    await client.call(framework_id, "KILL", kill=kill)
    await client.subscribe(framework_id)

    figures = await figures_of(client)
    prefix = framework_prefix("n", framework_id)
    assert figures["master/messages_register_framework"] == 2
    assert figures["master/messages_reregister_framework"] == 1
    assert figures["master/messages_launch_tasks"] == 1
    assert figures["master/messages_decline_offers"] == 1
    assert figures["master/messages_revive_offers"] == 3
    assert figures["master/messages_suppress_offers"] == 1
    assert figures["master/messages_kill_task"] == 1
    assert figures["master/messages_unregister_framework"] == 0
    assert figures[f"{prefix}calls"] == 8
    assert figures[f"{prefix}calls/subscribe"] == 2
    assert figures[f"{prefix}calls/accept"] == figures[f"{prefix}calls/decline"] == 1
    assert figures[f"{prefix}calls/suppress"] == 0
    assert figures[framework_prefix("n", other) + "calls/suppress"] == 1
    assert figures[f"{prefix}offers/accepted"] == 1
    assert figures[f"{prefix}offers/declined"] == 1, "only one of them was an offer"
    assert figures[f"{prefix}operations/launch"] == 1
    assert figures[f"{prefix}operations"] == 1


async def test_acknowledgements_and_messages_are_judged(client: Any) -> None:
    framework_id = await client.framework()
    agent_id = client.node.add_agent(MACHINE)
    await launch(client, framework_id, agent_id, "t-1")
    uuid = end_task(client, framework_id, agent_id, "t-1")
    assert len(uuid) == 16
    valid = {
        "task_id": {"value": "t-1"},
        "agent_id": {"value": agent_id},
        "uuid": "dC0xLS0tLS0tLS0tLS0tLQ==",
    }
    unknown = valid | {"agent_id": {"value": "unknown"}}
    unreadable = valid | {"uuid": "not base64"}
    for body in (valid, unknown, unreadable):
        await client.call(framework_id, "ACKNOWLEDGE", acknowledge=body)
    await client.call(framework_id, "MESSAGE", message={"data": "eA=="})

    figures = await figures_of(client)
    assert figures["master/messages_status_update_acknowledgement"] == 2
    assert figures["master/valid_status_update_acknowledgements"] == 1
    assert figures["master/invalid_status_update_acknowledgements"] == 2
    assert figures["master/invalid_framework_to_executor_messages"] == 1
    assert figures["master/tasks_finished"] == 1, "acknowledged, and still counted"


async def test_operations_are_counted_by_type_and_end(client: Any) -> None:
    framework_id = await client.framework(role="prod")
    agent_id = client.node.add_agent(MACHINE)
    before = (await figures_of(client))["master/operations/total"]
    offer_id = client.node.offer(framework_id, agent_id, ONE, role="prod")
    reservation = {"type": "DYNAMIC", "role": "prod"}
    for_prod = scalar("cpus", 1, reservations=[reservation])
    too_much = scalar("cpus", 900, reservations=[reservation])
    accept = {
        "offer_ids": [{"value": offer_id}],
        "operations": [
            {"type": "RESERVE", "reserve": {"resources": [for_prod]}},
            {"type": "RESERVE", "reserve": {"resources": [too_much]}},
            {"type": "SOMETHING_ELSE"},
        ],
    }
    await client.call(framework_id, "ACCEPT", accept=accept)
    figures = await figures_of(client)
    assert before == 0
    assert figures["master/operations/reserve/finished"] == 1
    assert figures["master/operations/reserve/error"] == 1
    assert figures["master/operations/reserve/total"] == 2
    assert figures["master/operations/total"] == 2
    prefix = framework_prefix("n", framework_id)
    assert figures[f"{prefix}operations/reserve"] == 1
    assert figures[f"{prefix}operations/create"] == 0


async def test_agents_lost_and_gone_are_removals(client: Any) -> None:
    framework_id = await client.framework(
        capabilities=[{"type": "PARTITION_AWARE"}], name="aware"
    )
    agent_id = client.node.add_agent(MACHINE)
    await launch(client, framework_id, agent_id, "t-1")
    client.node.offer(framework_id, agent_id, ONE)
    client.node.commit(MarkUnreachable(agent_ids=(agent_id,)))
    figures = await figures_of(client)
    assert figures["master/slave_unreachable_completed"] == 1
    assert figures["master/slave_removals"] == 1
    assert figures["master/slave_removals/reason_unhealthy"] == 1
    assert figures["master/tasks_unreachable"] == 1
    name = "master/task_unreachable/source_master/reason_slave_removed"
    assert figures[name] == 1
    prefix = framework_prefix("aware", framework_id)
    assert figures[f"{prefix}offers/rescinded"] == 1
    assert figures[f"{prefix}tasks/active/task_unreachable"] == 1

    client.node.commit(MarkAgentGone(agent_id=agent_id))
    figures = await figures_of(client)
    assert figures["master/slave_removals"] == 2
    assert figures["master/slave_removals/reason_unhealthy"] == 1
    assert figures["master/tasks_gone_by_operator"] == 1
    assert figures["master/tasks_unreachable"] == 0


async def test_quota_of_a_role_has_what_the_roles_below_use(client: Any) -> None:
    framework_id = await client.framework(role="prod/web")
    agent_id = client.node.add_agent(MACHINE)
    client.node.commit(SetQuotas(quotas={"prod": Quota(limits={"cpus": 4000})}))
    client.node.offer(framework_id, agent_id, ONE, role="prod/web")
    figures = await figures_of(client)
    key = "allocator/mesos/quota/roles/prod/resources/cpus"
    assert figures[f"{key}/limit"] == 4.0
    assert figures[f"{key}/offered_or_allocated"] == 1.0
    assert figures["allocator/mesos/offer_filters/roles/prod/web/active"] == 0


async def test_many_frameworks_are_told_without_their_zeros(client: Any) -> None:
    name = "n" * 4000
    first = await client.framework(name=name)
    prefix = framework_prefix(name, first)
    assert f"{prefix}calls/kill" in await figures_of(client)
    for _ in range(PREFIX_CHARS_WHOLE_MAX // 4000):
        await client.framework(name=name)
    figures = await figures_of(client)
    assert f"{prefix}calls/kill" not in figures
    assert figures[f"{prefix}calls/subscribe"] == figures[f"{prefix}subscribed"] == 1


async def test_call_and_page_tell_the_same_names_in_order(client: Any) -> None:
    await client.framework()
    page = await figures_of(client)
    rows = (await read(client, "GET_METRICS", {}))["metrics"]
    assert [row["name"] for row in rows] == list(page) == sorted(page)


async def test_standby_tells_what_it_counted_while_it_led(client: Any) -> None:
    await client.framework()
    client.node.stand_by(None)
    figures = await figures_of(client)
    assert figures["master/messages_register_framework"] == 1
    assert "master/tasks_running" not in figures


def test_times_are_told_by_percentiles_of_the_latest() -> None:
    times = Times()
    assert times_of("x_ms", times) == {}
    times.add(0.25)
    assert times_of("x_ms", times) == {"x_ms": 250.0}
    for number in range(2000):
        times.add(number / 1000)
    told = times_of("x_ms", times)
    assert told["x_ms"] == told["x_ms/max"] == 1999.0
    assert told["x_ms/count"] == 1000
    assert told["x_ms/min"] == 1000.0
    assert told["x_ms/p50"] == pytest.approx(1499.5)
    assert told["x_ms/p9999"] == pytest.approx(1998.9, abs=0.01)


def test_percentile_lies_between_its_neighbours() -> None:
    assert percentile([1.0, 2.0], 0.5) == 1.5
    assert percentile([1.0, 2.0, 4.0], 0.75) == 3.0
    assert percentile([7.0], 0.99) == 7.0
