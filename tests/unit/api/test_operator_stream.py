"""Following the cluster: SUBSCRIBE of the operator API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from support.operator_calls import MACHINE, Following, call, launch

from raftleader.api.operator import followers
from raftleader.api.operator.followers import Followers
from raftleader.httpd.messages import Stream
from raftleader.protocol.agent_rpc import AgentUpdate
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId
from raftleader.protocol.tasks import Reason, Source, TaskState, TaskStatus
from raftleader.protocol.wire.codec import read_message
from raftleader.protocol.wire.media import Media
from raftleader.state.commands import (
    MarkUnreachable,
    RegisterAgent,
    UpdateTasks,
)

Clock = trio.testing.MockClock


@asynccontextmanager
async def following(client: Any, **headers: str) -> AsyncIterator[Following]:
    """Someone who follows; has read everything whenever the clock jumped."""
    answer = await call(client, "SUBSCRIBE", **headers)
    assert isinstance(answer, Stream)
    reader = Following()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.run, answer)
        await trio.sleep(0.01)
        yield reader
        nursery.cancel_scope.cancel()


def update(
    client: Any, framework_id: str, agent_id: str, state: TaskState, **more: Any
) -> None:
    """A status update of task t-1 is committed."""
    index = client.node.state.index
    status = TaskStatus(
        task_id=TaskId("t-1"),
        state=state,
        source=Source.EXECUTOR,
        agent_id=AgentId(agent_id),
        uuid=index.to_bytes(16, "big"),
        timestamp_ms=index,
        **more,
    )
    one = AgentUpdate(framework_id=FrameworkId(framework_id), status=status)
    client.node.commit(UpdateTasks(agent_id=AgentId(agent_id), updates=(one,)))


async def test_first_event_is_the_whole_state(
    client: Any, autojump_clock: Clock
) -> None:
    framework_id = await client.framework()
    answer = await call(client, "SUBSCRIBE")
    assert isinstance(answer, Stream)
    assert answer.headers == (("Content-Type", "application/json"),)
    async with following(client) as reader:
        (event,) = reader.events
    assert event["type"] == "SUBSCRIBED"
    assert event["subscribed"]["heartbeat_interval_seconds"] == 15.0
    state = event["subscribed"]["get_state"]
    (framework,) = state["get_frameworks"]["frameworks"]
    assert framework["framework_info"]["id"] == {"value": framework_id}
    assert set(state) == {"get_tasks", "get_executors", "get_frameworks", "get_agents"}


async def test_heartbeat_comes_every_fifteen_seconds(
    client: Any, autojump_clock: Clock
) -> None:
    async with following(client) as reader:
        await trio.sleep(14)
        assert reader.types == ["SUBSCRIBED"]
        await client.framework()
        await trio.sleep(2)
        assert reader.types == ["SUBSCRIBED", "FRAMEWORK_ADDED", "HEARTBEAT"]
        assert reader.events[-1] == {"type": "HEARTBEAT"}
        await trio.sleep(30)
    assert reader.types[3:] == ["HEARTBEAT", "HEARTBEAT"]


async def test_life_of_a_task_is_told(client: Any, autojump_clock: Clock) -> None:
    async with following(client) as reader:
        framework_id = await client.framework(
            capabilities=[{"type": "PARTITION_AWARE"}]
        )
        agent_id = client.node.add_agent(MACHINE)
        await launch(client, framework_id, agent_id, "t-1")
        update(client, framework_id, agent_id, TaskState.STARTING)
        update(client, framework_id, agent_id, TaskState.RUNNING)
        update(client, framework_id, agent_id, TaskState.RUNNING)
        update(
            client,
            framework_id,
            agent_id,
            TaskState.RUNNING,
            reason=Reason.TASK_HEALTH_CHECK_STATUS_UPDATED,
            healthy=True,
        )
        update(client, framework_id, agent_id, TaskState.FINISHED, data=b"secret")
        await trio.sleep(0.1)

    events = reader.events[1:]
    assert [event["type"] for event in events] == [
        "FRAMEWORK_ADDED",
        "AGENT_ADDED",
        "TASK_ADDED",
        "TASK_UPDATED",
        "TASK_UPDATED",
        "TASK_UPDATED",
        "TASK_UPDATED",
    ]
    assert events[1]["agent_added"]["agent"]["agent_info"]["id"] == {"value": agent_id}
    task = events[2]["task_added"]["task"]
    assert (task["task_id"], task["state"]) == ({"value": "t-1"}, "TASK_STAGING")
    updates = [event["task_updated"] for event in events[3:]]
    assert [(each["state"], each["status"]["state"]) for each in updates] == [
        ("TASK_STARTING", "TASK_STARTING"),
        ("TASK_RUNNING", "TASK_RUNNING"),
        ("TASK_RUNNING", "TASK_RUNNING"),
        ("TASK_FINISHED", "TASK_FINISHED"),
    ]
    assert updates[2]["status"]["healthy"] is True
    assert updates[0]["framework_id"] == {"value": framework_id}
    assert "data" not in updates[3]["status"]


async def test_agent_that_is_unreachable_is_removed_and_added_again(
    client: Any, autojump_clock: Clock
) -> None:
    agent_id = client.node.add_agent(MACHINE)
    info = client.node.state.agents[agent_id].info
    async with following(client) as reader:
        client.node.commit(MarkUnreachable(agent_ids=(agent_id,)))
        again = RegisterAgent(key="machine", info=info, agent_id=agent_id)
        client.node.commit(again)
        await trio.sleep(0.1)
    removed, added = reader.events[1:]
    assert removed == {
        "type": "AGENT_REMOVED",
        "agent_removed": {"agent_id": {"value": agent_id}},
    }
    assert added["type"] == "AGENT_ADDED"


async def test_framework_is_updated_and_removed(
    client: Any, autojump_clock: Clock
) -> None:
    framework_id = await client.framework(name="old")
    agent_id = client.node.add_agent(MACHINE)
    await launch(client, framework_id, agent_id, "t-1")
    async with following(client) as reader:
        client.node.disconnect(framework_id)
        await client.subscribe(framework_id, name="new", failover_timeout=60)
        await client.call(framework_id, "TEARDOWN")
        await trio.sleep(0.1)
    gone, back, removed = reader.events[1:]
    assert gone["type"] == back["type"] == "FRAMEWORK_UPDATED"
    assert gone["framework_updated"]["framework"]["connected"] is False
    framework = back["framework_updated"]["framework"]
    assert framework["framework_info"]["name"] == "new"
    assert framework["allocated_resources"][0]["scalar"] == {"value": 1.0}
    assert removed["type"] == "FRAMEWORK_REMOVED"
    info = removed["framework_removed"]["framework_info"]
    assert info["id"] == {"value": framework_id}


async def test_task_of_a_removed_framework_is_told_when_it_ends(
    client: Any, autojump_clock: Clock
) -> None:
    framework_id = await client.framework()
    agent_id = client.node.add_agent(MACHINE)
    await launch(client, framework_id, agent_id, "t-1")
    update(client, framework_id, agent_id, TaskState.RUNNING)
    await client.call(framework_id, "TEARDOWN")
    async with following(client) as reader:
        update(client, framework_id, agent_id, TaskState.KILLED)
        await trio.sleep(0.1)
    event = reader.events[-1]["task_updated"]
    assert event["state"] == event["status"]["state"] == "TASK_KILLED"


async def test_stream_in_protobuf_has_the_same_events(
    client: Any, autojump_clock: Clock
) -> None:
    async with following(client, accept="application/x-protobuf") as reader:
        await client.framework()
        await trio.sleep(16)
    events = [
        read_message(Media.PROTOBUF, "master.Event", each) for each in reader.payloads
    ]
    assert [event.text("type") for event in events] == [
        "SUBSCRIBED",
        "FRAMEWORK_ADDED",
        "HEARTBEAT",
    ]
    subscribed = events[0].required_child("subscribed")
    assert subscribed.number("heartbeat_interval_seconds") == 15.0


async def test_nothing_happens_between_snapshot_and_stream(
    client: Any, autojump_clock: Clock
) -> None:
    """What changes while the snapshot is written is told after it, once."""
    for number in range(300):
        await client.framework(name=f"f{number}")
    answer = await call(client, "SUBSCRIBE")
    assert isinstance(answer, Stream)
    await client.framework(name="late")
    reader = Following()
    with trio.move_on_after(1):
        await reader.run(answer)
    first, second = reader.events
    frameworks = first["subscribed"]["get_state"]["get_frameworks"]["frameworks"]
    assert len(frameworks) == 300
    framework = second["framework_added"]["framework"]
    assert framework["framework_info"]["name"] == "late"


async def test_stream_ends_when_the_node_leads_no_more(
    client: Any, autojump_clock: Clock
) -> None:
    answer = await call(client, "SUBSCRIBE")
    assert isinstance(answer, Stream)
    reader = Following()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.run, answer)
        await trio.sleep(1)
        client.node.stand_by("10.0.0.2:5050")
        await trio.sleep(1)
        assert reader.is_over
    assert client.node.observers == []
    assert (await call(client, "SUBSCRIBE")).status == 307


class Stuck:
    """A client that reads nothing after the first record."""

    def __init__(self) -> None:
        self.reads = trio.Event()
        self.is_over = False

    async def send(self, chunks: list[bytes]) -> None:
        if self.reads.is_set():
            await trio.sleep_forever()
        self.reads.set()

    async def run(self, stream: Stream) -> None:
        await stream.run(self)
        self.is_over = True


async def test_stuck_follower_is_cut_and_the_others_hear_everything(
    client: Any, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followers, "EVENTS_WAITING_MAX", 10)
    hub = Followers(client.node)
    stuck, reader = Stuck(), Following()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stuck.run, hub.stream(Media.JSON))
        nursery.start_soon(reader.run, hub.stream(Media.JSON))
        await trio.sleep(1)
        for number in range(30):
            await client.framework(name=f"f{number}")
            await trio.sleep(0.1)
        assert hub.count == 1
        assert hub.cut_slow == 1
        nursery.cancel_scope.cancel()
    assert len(reader.events) == 31
    assert hub.count == 0
    assert client.node.observers == []


async def test_oldest_of_too_many_followers_is_closed(
    client: Any, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followers, "FOLLOWERS_MAX", 2)
    hub = Followers(client.node)
    readers = [Following() for _ in range(3)]
    async with trio.open_nursery() as nursery:
        for reader in readers:
            nursery.start_soon(reader.run, hub.stream(Media.JSON))
        await trio.sleep(1)
        assert [reader.is_over for reader in readers] == [True, False, False]
        assert (hub.count, hub.cut_oldest) == (2, 1)
        nursery.cancel_scope.cancel()


async def test_nothing_is_watched_while_nobody_follows(
    client: Any, autojump_clock: Clock
) -> None:
    assert client.node.observers == []
    async with following(client):
        assert len(client.node.observers) == 1
        figures = json.loads((await client.get("/metrics/snapshot")).body)
        assert figures["master/operator_event_stream_subscribers"] == 1
        assert figures["raftleader/operator_streams_cut_slow"] == 0
    assert client.node.observers == []
