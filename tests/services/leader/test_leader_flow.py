"""A task's way through a leader: offer, launch, updates, acknowledgements."""

from __future__ import annotations

import trio

from raftleader.protocol import agent_rpc as rpc
from raftleader.protocol.scheduler_api import (
    Heartbeat,
    Rescind,
    Subscribed,
)
from raftleader.protocol.served import MESOS_VERSION
from raftleader.protocol.tasks import TaskState
from raftleader.state.commands import DeclineOffers, KillTask


async def test_a_stream_begins_with_subscribed_and_heartbeat_then_offers(
    autojump_clock, world, until
):
    node = await world.node()
    agent = await world.agent(node)
    framework_id, stream = await node.subscribe()
    reader = world.read(stream)
    await until(lambda: reader.offers())

    assert isinstance(reader.events[0], Subscribed)
    assert reader.events[0].framework_id == framework_id
    assert reader.events[0].leader.id == "n1"
    assert reader.events[0].leader.version == MESOS_VERSION  # clients compare it
    assert isinstance(reader.events[1], Heartbeat)
    (offer,) = reader.offers()
    assert offer.agent_id == agent.agent_id
    assert offer.resources == agent.info.resources
    assert list(node.state.offers) == [offer.id]


async def test_a_task_goes_from_accept_to_acknowledged_end(
    autojump_clock, world, until
):
    node = await world.node()
    agent = await world.agent(node)
    framework_id, stream = await node.subscribe()
    reader = world.read(stream)
    await until(lambda: reader.offers())
    await node.launch(framework_id, reader.offers()[0], "t1")
    await until(lambda: agent.run_orders() == ["t1"])

    for number, state in enumerate(
        (TaskState.STARTING, TaskState.RUNNING, TaskState.FINISHED), start=1
    ):
        uuid = await agent.report(framework_id, "t1", state)
        await until(lambda uuid=uuid: uuid in agent.committed())
        await until(lambda number=number: len(reader.statuses()) == number)
        status = reader.statuses()[-1]
        assert (status.state, status.uuid) == (state, uuid)
        await node.acknowledge(framework_id, status)

    assert not node.state.tasks
    assert (framework_id, "t1") in node.state.completed_tasks
    await trio.sleep(60)
    assert agent.run_orders() == ["t1"]
    assert len(reader.statuses()) == 3


async def test_a_launch_is_sent_again_until_an_update_is_committed(
    autojump_clock, world, until
):
    node = await world.node()
    agent = await world.agent(node)
    framework_id, stream = await node.subscribe()
    reader = world.read(stream)
    await until(lambda: reader.offers())
    await node.launch(framework_id, reader.offers()[0], "t1")
    await trio.sleep(11.9)
    assert agent.run_orders() == ["t1"] * 3

    await agent.report(framework_id, "t1", TaskState.RUNNING)
    await trio.sleep(30)
    assert agent.run_orders() == ["t1"] * 3


async def test_a_kill_is_sent_until_the_task_has_ended(autojump_clock, world, until):
    node = await world.node()
    agent = await world.agent(node)
    framework_id, stream = await node.subscribe()
    reader = world.read(stream)
    await until(lambda: reader.offers())
    await node.launch(framework_id, reader.offers()[0], "t1")
    await agent.report(framework_id, "t1", TaskState.RUNNING)
    await until(lambda: reader.statuses())
    kill = KillTask(framework_id=framework_id, task_id="t1", grace_ms=700)
    await node.service.submit(kill).wait()
    await trio.sleep(6.5)
    assert agent.kill_orders() == ["t1", "t1"]
    assert agent.told(rpc.KillTasks)[0].orders[0].grace_ms == 700

    await agent.report(framework_id, "t1", TaskState.KILLED)
    await trio.sleep(30)
    assert agent.kill_orders() == ["t1", "t1"]


async def test_an_update_is_sent_again_after_10_then_20_seconds(
    autojump_clock, world, until
):
    node = await world.node()
    agent = await world.agent(node)
    framework_id, stream = await node.subscribe()
    reader = world.read(stream)
    await until(lambda: reader.offers())
    await node.launch(framework_id, reader.offers()[0], "t1")
    await agent.report(framework_id, "t1", TaskState.RUNNING)
    await agent.report(framework_id, "t1", TaskState.FINISHED)
    await until(lambda: reader.statuses())
    await trio.sleep(9.9)
    assert len(reader.statuses()) == 1
    await trio.sleep(0.2)
    assert len(reader.statuses()) == 2
    await trio.sleep(19.7)
    assert len(reader.statuses()) == 2
    await trio.sleep(0.3)
    # The second update waits for the first, however long.
    assert [s.state for s in reader.statuses()] == [TaskState.RUNNING] * 3

    await node.acknowledge(framework_id, reader.statuses()[0])
    await until(lambda: len(reader.statuses()) == 4)
    assert reader.statuses()[3].state is TaskState.FINISHED


async def test_a_repeated_update_is_confirmed_and_writes_nothing(
    autojump_clock, world, until
):
    node = await world.node()
    agent = await world.agent(node)
    framework_id, stream = await node.subscribe()
    reader = world.read(stream)
    await until(lambda: reader.offers())
    await node.launch(framework_id, reader.offers()[0], "t1", refuse_ms=3_600_000)
    uuid = await agent.report(framework_id, "t1", TaskState.RUNNING)
    await until(lambda: agent.committed() == [uuid])
    entries = node.entries
    agent._uuids -= 1
    await agent.report(framework_id, "t1", TaskState.RUNNING)
    await until(lambda: agent.committed() == [uuid, uuid])
    assert node.entries == entries


async def test_an_update_of_an_unknown_task_is_confirmed(autojump_clock, world, until):
    node = await world.node()
    agent = await world.agent(node)
    uuid = await agent.report("nobody", "t9", TaskState.RUNNING)
    await until(lambda: agent.committed() == [uuid])
    assert not node.state.tasks


async def test_declined_resources_come_again_when_the_filter_has_ended(
    autojump_clock, world, until
):
    node = await world.node()
    await world.agent(node)
    framework_id, stream = await node.subscribe()
    reader = world.read(stream)
    await until(lambda: reader.offers())
    decline = DeclineOffers(
        framework_id=framework_id,
        offer_ids=(reader.offers()[0].id,),
        refuse_ms=20_000,
    )
    await node.service.submit(decline).wait()
    await trio.sleep(19.9)
    assert len(reader.offers()) == 1
    await trio.sleep(1.2)
    assert len(reader.offers()) == 2
    assert not reader.of(Rescind)


async def test_a_decline_without_filter_is_offered_to_the_other_or_again(
    autojump_clock, world, until
):
    node = await world.node()
    await world.agent(node)
    framework_id, stream = await node.subscribe()
    reader = world.read(stream)
    await until(lambda: reader.offers())
    decline = DeclineOffers(
        framework_id=framework_id, offer_ids=(reader.offers()[0].id,), refuse_ms=0
    )
    await node.service.submit(decline).wait()
    await until(lambda: len(reader.offers()) == 2, timeout_s=0.1)


async def test_an_expired_offer_is_rescinded_and_made_anew(
    autojump_clock, world, until
):
    node = await world.node()
    await world.agent(node)
    _, stream = await node.subscribe()
    reader = world.read(stream)
    await until(lambda: reader.offers())
    first = reader.offers()[0].id
    await trio.sleep(302)
    assert [event.offer_id for event in reader.of(Rescind)] == [first]
    assert len(reader.offers()) == 2
