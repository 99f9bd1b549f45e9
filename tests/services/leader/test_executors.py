"""Executors and volumes: orders to agents, ends and messages to frameworks."""

from __future__ import annotations

import trio
from msgspec.structs import replace

from raftleader.leader.agent_session import MESSAGE_BYTES_WAITING_MAX
from raftleader.leader.held_failures import HELD_S_MAX
from raftleader.limits import RESEND_INTERVAL_S
from raftleader.protocol import agent_rpc as rpc
from raftleader.protocol.offers import Create, Reserve
from raftleader.protocol.resource_keys import (
    Reservation,
    ResourceKind,
    VolumeInfo,
    key_of_kind,
)
from raftleader.protocol.resources import Resources
from raftleader.protocol.scheduler_api import Failure, Message, Offers, Update
from raftleader.protocol.tasks import CommandInfo, ExecutorInfo, TaskState
from raftleader.state.commands import KillTask, ShutdownExecutor
from raftleader.state.operator_commands import OperateOnAgent
from raftleader.state.outcomes import Accepted

PROGRAM = ExecutorInfo(
    executor_id="e",
    command=CommandInfo(value="run"),
    resources=Resources.of({"cpus": 100, "mem": 32_000}),
)
UUID = b"r" * 16


async def launch(world, until, *task_ids: str):
    """A node, an agent with an executor and tasks of it, and their framework."""
    node = await world.node()
    agent = await world.agent(node)
    framework_id, stream = await node.subscribe()
    reader = world.read(stream)
    await until(lambda: reader.offers())
    await node.launch(framework_id, reader.offers()[-1], *task_ids, executor=PROGRAM)
    await until(lambda: len(agent.run_orders()) == len(task_ids))
    return node, agent, framework_id, reader


async def test_a_launch_for_an_executor_names_its_framework(
    autojump_clock, world, until
):
    node, agent, framework_id, _ = await launch(world, until, "t")
    ((order,),) = (m.orders for m in agent.told(rpc.RunTasks))
    assert order.framework.id == framework_id
    assert order.task.executor == replace(PROGRAM, framework_id=framework_id)
    assert list(node.state.executors) == [(framework_id, agent.agent_id, "e")]


async def test_the_end_of_an_executor_is_committed_and_told_once(
    autojump_clock, world, until
):
    node, agent, framework_id, reader = await launch(world, until, "t")
    await agent.report(framework_id, "t", TaskState.RUNNING)
    for _ in range(3):
        await agent.report_end(framework_id, "e", uuid=UUID, status=9)
        await trio.sleep(1)
    await until(lambda: agent.committed().count(UUID) == 3)
    assert node.state.executors == {}
    assert node.state.tasks[framework_id, "t"].state is TaskState.FAILED
    await until(lambda: reader.of(Failure))  # RUNNING was not acknowledged
    (failure,) = reader.of(Failure)
    assert failure == Failure(agent_id=agent.agent_id, executor_id="e", status=9)


async def test_the_end_of_an_executor_is_told_after_those_of_its_tasks(
    autojump_clock, world, until
):
    node, agent, framework_id, reader = await launch(world, until, "t", "other")
    await agent.report(framework_id, "other", TaskState.FINISHED)
    for state in (TaskState.RUNNING, TaskState.FINISHED):
        await agent.report(framework_id, "t", state)
    await agent.report_end(framework_id, "e", uuid=UUID, status=0)
    await until(lambda: UUID in agent.committed())
    await until(lambda: len(reader.of(Update)) == 2)
    assert reader.of(Failure) == []
    await node.acknowledge(framework_id, reader.of(Update)[0].status)
    assert reader.of(Failure) == []
    running = next(
        u.status for u in reader.of(Update) if u.status.state is TaskState.RUNNING
    )
    await node.acknowledge(framework_id, running)
    await until(lambda: reader.of(Failure))
    told = [type(event) for event in reader.events if not isinstance(event, Offers)]
    assert told[-2:] == [Update, Failure]
    assert reader.of(Update)[-1].status.state is TaskState.FINISHED


async def test_the_end_of_an_executor_does_not_wait_for_ever(
    autojump_clock, world, until
):
    _, agent, framework_id, reader = await launch(world, until, "t")
    for state in (TaskState.RUNNING, TaskState.FINISHED):
        await agent.report(framework_id, "t", state)
    await agent.report_end(framework_id, "e", uuid=UUID, status=0)
    await until(lambda: UUID in agent.committed())
    await trio.sleep(HELD_S_MAX - 2)
    assert reader.of(Failure) == []
    await trio.sleep(4)
    assert len(reader.of(Failure)) == 1


async def test_the_end_of_an_unknown_executor_is_committed_and_not_told(
    autojump_clock, world, until
):
    _, agent, framework_id, reader = await launch(world, until, "t")
    await agent.report_end(framework_id, "other", uuid=UUID, status=0)
    await until(lambda: UUID in agent.committed())
    assert reader.of(Failure) == []


async def test_a_shutdown_is_sent_until_the_executor_has_ended(
    autojump_clock, world, until
):
    node, agent, framework_id, _ = await launch(world, until, "t")
    await agent.report(framework_id, "t", TaskState.RUNNING)
    command = ShutdownExecutor(
        framework_id=framework_id, executor_id="e", agent_id=agent.agent_id
    )
    assert isinstance(await node.service.submit(command).wait(), Accepted)
    await until(lambda: agent.shutdown_orders() == ["e"])
    await trio.sleep(2 * RESEND_INTERVAL_S + 2)
    assert len(agent.shutdown_orders()) >= 2
    await agent.report(framework_id, "t", TaskState.KILLED)
    await agent.report_end(framework_id, "e", uuid=UUID, status=0)
    await until(lambda: UUID in agent.committed())
    count = len(agent.shutdown_orders())
    await trio.sleep(3 * RESEND_INTERVAL_S)
    assert len(agent.shutdown_orders()) == count


async def test_an_executor_the_agent_no_longer_knows_is_lost_when_it_returns(
    autojump_clock, world, until
):
    node, agent, framework_id, _ = await launch(world, until, "t")
    await agent.report(framework_id, "t", TaskState.RUNNING)
    await until(lambda: len(agent.committed()) == 1)
    agent.executors = [(framework_id, "foreign")]
    await agent.link.aclose()
    await world.connect(agent, node)
    await until(lambda: not node.state.executors)
    await until(lambda: agent.shutdown_orders() == ["foreign"])
    assert node.state.tasks[framework_id, "t"].state.is_terminal


async def test_an_executor_whose_tasks_were_killed_before_they_came_is_lost(
    autojump_clock, world, until
):
    node, agent, framework_id, _ = await launch(world, until, "t")
    kill = KillTask(framework_id=framework_id, task_id="t")
    await node.service.submit(kill).wait()
    await until(lambda: agent.kill_orders() == ["t"])
    # The kill came first, so the executor was never started.
    await agent.report(framework_id, "t", TaskState.KILLED)
    await until(lambda: not node.state.executors)


async def test_messages_go_both_ways_while_both_sides_are_there(
    autojump_clock, world, until
):
    node, agent, framework_id, reader = await launch(world, until, "t")
    node.service.send_to_executor(framework_id, agent.agent_id, "e", b"ping")
    node.service.send_to_executor(framework_id, "nowhere", "e", b"lost")
    await until(lambda: agent.told(rpc.ToExecutor))
    (message,) = agent.told(rpc.ToExecutor)
    assert (message.framework_id, message.executor_id) == (framework_id, "e")
    assert message.data == b"ping"
    await agent.say(
        rpc.FromExecutor(framework_id=framework_id, executor_id="e", data=b"pong")
    )
    await agent.say(rpc.FromExecutor(framework_id="x", executor_id="e", data=b"lost"))
    await until(lambda: reader.of(Message))
    assert reader.of(Message) == [
        Message(agent_id=agent.agent_id, executor_id="e", data=b"pong")
    ]
    assert node.counts["messages_dropped"] == 1


async def test_messages_beyond_what_an_agent_takes_are_dropped_and_it_stays(
    autojump_clock, world, until
):
    node, agent, framework_id, _ = await launch(world, until, "t")
    half = b"x" * (MESSAGE_BYTES_WAITING_MAX // 2)
    for _ in range(3):
        node.service.send_to_executor(framework_id, agent.agent_id, "e", half)
    await until(lambda: agent.told(rpc.ToExecutor))
    assert node.counts["messages_dropped"] == 2
    assert node.service.agent_is_connected(agent.agent_id)


async def test_volumes_are_told_at_registration_and_after_each_change(
    autojump_clock, world, until
):
    node = await world.node()
    agent = await world.agent(node)
    await until(lambda: agent.volumes() == [[]])
    reserved = (Reservation("DYNAMIC", "dev", "me"),)
    disk = ResourceKind(name="disk", reservations=reserved)
    info = VolumeInfo(id="v", container_path="data")
    volume = ResourceKind(name="disk", reservations=reserved, volume=info)
    for operation in (
        Reserve(resources=Resources.of({key_of_kind(disk): 1_000_000})),
        Create(volumes=Resources.of({key_of_kind(volume): 1_000_000})),
    ):
        command = OperateOnAgent(agent_id=agent.agent_id, operation=operation)
        outcome = await node.service.submit(command).wait()
        assert isinstance(outcome, Accepted), outcome
    # The reservation is a change, too.
    await until(lambda: agent.volumes() == [[], [], ["v"]])
    await agent.link.aclose()
    await world.connect(agent, node)
    await until(lambda: agent.volumes() == [[], [], ["v"], ["v"]])
