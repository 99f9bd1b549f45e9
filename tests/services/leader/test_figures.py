"""What a leading node counts of its agents, streams and commits."""

from __future__ import annotations

from raftleader.api.operator.metrics_counted import counted
from raftleader.protocol import agent_rpc as rpc
from raftleader.protocol.scheduler_api import Heartbeat, Offers, Subscribed, Update
from raftleader.protocol.tasks import TaskState
from raftleader.state.commands import TeardownFramework


async def test_life_of_a_task_is_counted_from_registration_to_its_end(
    world, until
) -> None:
    node = await world.node()
    framework_id, stream = await node.subscribe()
    agent = await world.agent(node)
    reader = world.read(stream)
    await until(reader.offers)
    await node.launch(framework_id, reader.offers()[0], "t")
    await until(agent.run_orders)
    await agent.report(framework_id, "t", TaskState.RUNNING)
    await agent.report(framework_id, "t", TaskState.FINISHED)
    await agent.report(framework_id, "unknown", TaskState.FINISHED)
    figures = node.service.figures
    await until(lambda: node.counts["updates_received"] == 3)
    await until(lambda: figures.ended[TaskState.FINISHED] == 1 and reader.statuses())

    own = figures.frameworks[framework_id]
    assert own.ended == {TaskState.FINISHED: 1}
    assert own.events[Subscribed] == own.events[Heartbeat] == 1
    assert own.events[Offers] >= 1
    assert own.offers_sent >= 1
    assert own.events[Update] == 1, "the second one waits for its acknowledgement"
    told = counted(figures, node.service.events_counted())
    assert told["master/slave_registrations"] == 1
    assert told["master/slave_reregistrations"] == 0
    assert told["master/messages_register_slave"] == 1
    assert told["master/messages_status_update"] == 3
    assert told["master/valid_status_updates"] == 2
    assert told["master/invalid_status_updates"] == 1
    assert told["allocator/mesos/allocation_runs"] >= 1
    assert told["allocator/mesos/allocation_run_ms/count"] >= 2
    assert "allocator/mesos/allocation_run_latency_ms" in told
    assert told["registrar/state_store_ms/count"] >= 5
    assert "registrar/state_fetch_ms" in told

    await node.service.submit(TeardownFramework(framework_id=framework_id)).wait()
    assert framework_id not in figures.frameworks
    assert figures.ended[TaskState.FINISHED] == 1


async def test_agent_that_comes_back_is_reregistered(world, until) -> None:
    node = await world.node()
    agent = await world.agent(node)
    await until(lambda: node.counts["agents_registered"] == 1)
    await agent.link.aclose()
    await until(lambda: agent.link is None)
    await world.connect(agent, node)
    await until(lambda: node.counts["agents_reregistered"] == 1)
    told = counted(node.service.figures, node.service.events_counted())
    assert told["master/slave_registrations"] == 1
    assert told["master/slave_reregistrations"] == 1
    assert told["master/messages_reregister_slave"] == 1


async def test_executors_messages_are_valid_if_their_framework_is_there(
    world, until
) -> None:
    node = await world.node()
    framework_id, _ = await node.subscribe()
    agent = await world.agent(node)
    for to in (framework_id, "nobody"):
        await agent.say(rpc.FromExecutor(framework_id=to, executor_id="e", data=b"x"))
    await until(lambda: node.counts["messages_for_nobody"] == 1)
    node.service.send_to_executor(framework_id, agent.agent_id, "e", b"x")
    node.service.send_to_executor(framework_id, "unknown", "e", b"x")
    told = counted(node.service.figures, node.service.events_counted())
    assert told["master/messages_executor_to_framework"] == 2
    assert told["master/valid_executor_to_framework_messages"] == 1
    assert told["master/invalid_executor_to_framework_messages"] == 1
    assert told["master/valid_framework_to_executor_messages"] == 1
    assert told["master/invalid_framework_to_executor_messages"] == 1
