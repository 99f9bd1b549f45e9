"""What a new leader resumes from the log alone."""

from __future__ import annotations

import pytest
import trio

from raftleader.errors import NotLeaderError
from raftleader.leader.term import LeaderSettings
from raftleader.protocol import agent_rpc as rpc
from raftleader.protocol.scheduler_api import Error, Failure, Offers, Rescind
from raftleader.protocol.tasks import TaskState
from raftleader.state.commands import KillTask, TeardownFramework


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "journal"


async def test_a_new_leader_sends_the_same_offers_again(
    autojump_clock, world, until, journal
):
    node = await world.node(journal)
    agent = await world.agent(node)
    framework_id, stream = await node.subscribe(failover_timeout_ms=60_000)
    reader = world.read(stream)
    await until(lambda: reader.offers())
    offer_id = reader.offers()[0].id
    await node.crash()
    assert reader.is_ended
    assert not reader.of(Error)

    second = await world.node(journal)
    await world.connect(agent, second)
    _, stream = await second.subscribe(framework_id, failover_timeout_ms=60_000)
    again = world.read(stream)
    await trio.sleep(10)
    assert again.offer_ids() == [offer_id]
    assert not again.of(Rescind)


async def test_a_new_leader_resumes_launches_kills_and_updates(
    autojump_clock, world, until, journal
):
    node = await world.node(journal)
    agent = await world.agent(node)
    framework_id, stream = await node.subscribe(failover_timeout_ms=60_000)
    reader = world.read(stream)
    await until(lambda: reader.offers())
    await node.launch(framework_id, reader.offers()[0], "run", "kill", "told")
    await agent.report(framework_id, "kill", TaskState.RUNNING)
    await agent.report(framework_id, "told", TaskState.RUNNING)
    await until(lambda: len(reader.statuses()) == 2)
    kill = KillTask(framework_id=framework_id, task_id="kill")
    await node.service.submit(kill).wait()
    for status in reader.statuses():
        if status.task_id == "kill":
            await node.acknowledge(framework_id, status)
    await until(lambda: agent.kill_orders() == ["kill"])
    await node.crash()

    agent.messages.clear()
    agent.held = {
        (framework_id, "kill"): TaskState.RUNNING,
        (framework_id, "told"): TaskState.RUNNING,
    }
    second = await world.node(journal)
    await world.connect(agent, second)
    await until(lambda: agent.run_orders() == ["run"])
    await until(lambda: agent.kill_orders() == ["kill"])
    assert not agent.told(rpc.TaskListWanted)
    _, stream = await second.subscribe(framework_id, failover_timeout_ms=60_000)
    again = world.read(stream)
    await until(lambda: again.statuses())
    assert [s.task_id for s in again.statuses()] == ["told"]


async def test_a_return_with_equal_digest_writes_nothing(autojump_clock, world, until):
    node = await world.node()
    agent = await world.agent(node)
    framework_id, stream = await node.subscribe()
    reader = world.read(stream)
    await until(lambda: reader.offers())
    await node.launch(framework_id, reader.offers()[0], "t1", refuse_ms=3_600_000)
    await agent.report(framework_id, "t1", TaskState.RUNNING)
    await until(lambda: agent.committed())
    entries = node.entries
    await agent.link.aclose()
    agent.held = {(framework_id, "t1"): TaskState.RUNNING}
    await world.connect(agent, node)
    await trio.sleep(3)
    assert node.entries == entries
    assert not agent.told(rpc.TaskListWanted)


async def test_lists_are_compared_and_differences_become_kills_and_losses(
    autojump_clock, world, until
):
    node = await world.node()
    agent = await world.agent(node)
    framework_id, stream = await node.subscribe()
    reader = world.read(stream)
    await until(lambda: reader.offers())
    await node.launch(framework_id, reader.offers()[0], "forgotten")
    await agent.report(framework_id, "forgotten", TaskState.RUNNING)
    await until(lambda: reader.statuses())
    await node.acknowledge(framework_id, reader.statuses()[0])
    await agent.link.aclose()
    agent.held = {(framework_id, "foreign"): TaskState.RUNNING}
    await world.connect(agent, node)
    await until(lambda: agent.kill_orders() == ["foreign"])
    await until(lambda: len(reader.statuses()) == 2)
    assert reader.statuses()[1].task_id == "forgotten"
    assert reader.statuses()[1].state is TaskState.GONE
    uuid = await agent.report(framework_id, "foreign", TaskState.KILLED)
    await until(lambda: uuid in agent.committed())


async def test_a_silent_agent_becomes_unreachable_and_returns(
    autojump_clock, world, until
):
    node = await world.node(settings=LeaderSettings(agent_timeout_s=20.0))
    agent = await world.agent(node)
    framework_id, stream = await node.subscribe()
    reader = world.read(stream)
    await until(lambda: reader.offers())
    await node.launch(framework_id, reader.offers()[0], "t1", refuse_ms=0)
    await agent.report(framework_id, "t1", TaskState.RUNNING)
    await until(lambda: len(reader.statuses()) == 1)
    await node.acknowledge(framework_id, reader.statuses()[0])
    agent.is_answering = False
    silent_since = trio.current_time()
    await until(lambda: reader.of(Failure), timeout_s=60)
    assert 20 <= trio.current_time() - silent_since <= 30
    assert reader.of(Failure)[0].agent_id == agent.agent_id
    assert [s.state for s in reader.statuses()] == [
        TaskState.RUNNING,
        TaskState.UNREACHABLE,
    ]
    assert reader.of(Rescind)
    assert agent.link is None or not node.service.agent_is_connected(agent.agent_id)

    await node.acknowledge(framework_id, reader.statuses()[1])
    agent.is_answering = True
    agent.held = {(framework_id, "t1"): TaskState.RUNNING}
    await world.connect(agent, node)
    await until(lambda: len(reader.statuses()) == 3)
    assert reader.statuses()[2].state is TaskState.RUNNING
    assert node.state.agents[agent.agent_id].unreachable_ms is None


async def test_silence_counts_from_the_begin_of_the_term(
    autojump_clock, world, until, journal
):
    node = await world.node(journal)
    agent = await world.agent(node)
    await node.crash()
    await trio.sleep(1000)
    second = await world.node(journal, LeaderSettings(agent_timeout_s=20.0))
    began = trio.current_time()
    row = second.state.agents
    await until(lambda: row[agent.agent_id].unreachable_ms is not None, timeout_s=60)
    assert 19.9 <= trio.current_time() - began <= 30


async def test_a_closed_stream_leads_to_removal_after_the_failover_timeout(
    autojump_clock, world, until
):
    node = await world.node()
    await world.agent(node)
    framework_id, stream = await node.subscribe(failover_timeout_ms=5_000)
    reader = world.read(stream)
    await until(lambda: reader.offers())
    closed = trio.current_time()
    stream.close()
    stream.close()
    assert node.service.stream_of(framework_id) is None
    await until(lambda: framework_id not in node.state.frameworks)
    assert 5.0 <= trio.current_time() - closed <= 6.1
    assert framework_id in node.state.removed_frameworks
    assert not node.state.offers


async def test_a_downtime_does_not_shorten_a_deadline(
    autojump_clock, world, until, journal
):
    node = await world.node(journal)
    framework_id, stream = await node.subscribe(failover_timeout_ms=100_000)
    stream.close()
    await trio.sleep(30)
    await node.subscribe(name="other")  # its stamp is the newest
    await node.crash()
    await trio.sleep(5_000)
    second = await world.node(journal)
    began = trio.current_time()
    await until(lambda: framework_id not in second.state.frameworks, timeout_s=200)
    assert 69 <= trio.current_time() - began <= 72


async def test_a_subscription_whose_stream_never_opens_is_disconnected(
    autojump_clock, world, until
):
    node = await world.node()
    framework_id, stream = await node.subscribe(failover_timeout_ms=600_000)
    row = node.state.frameworks
    stream._closed = lambda *_: None  # a disconnect that was lost
    del node.service._term.subscriptions._streams[framework_id]
    await until(lambda: not row[framework_id].connected)


async def test_teardown_ends_the_stream_and_kills_the_tasks(
    autojump_clock, world, until
):
    node = await world.node()
    agent = await world.agent(node)
    framework_id, stream = await node.subscribe()
    reader = world.read(stream)
    await until(lambda: reader.offers())
    await node.launch(framework_id, reader.offers()[0], "t1")
    await agent.report(framework_id, "t1", TaskState.RUNNING)
    await until(lambda: reader.statuses())
    await node.service.submit(TeardownFramework(framework_id=framework_id)).wait()
    await until(lambda: reader.is_ended)
    await until(lambda: agent.kill_orders() == ["t1"])
    assert node.service.stream_of(framework_id) is None


async def test_after_the_crash_nothing_is_taken(autojump_clock, world, journal):
    node = await world.node(journal)
    framework_id, _ = await node.subscribe()
    await node.crash()
    assert not node.service.leadership.leading
    assert node.service.leader_address is None
    with pytest.raises(NotLeaderError):
        node.service.submit(TeardownFramework(framework_id=framework_id))
    with pytest.raises(NotLeaderError):
        await node.service.barrier()
    with pytest.raises(NotLeaderError):
        node.service.open_stream(framework_id, 1)


async def test_offers_of_one_run_arrive_in_one_event(autojump_clock, world, until):
    node = await world.node()
    for number in range(5):
        await world.agent(node, f"agent{number}")
    _, stream = await node.subscribe()
    reader = world.read(stream)
    await until(lambda: reader.offers())
    assert [len(event.offers) for event in reader.of(Offers)] == [5]


async def test_a_node_being_deposed_speaks_of_the_term_it_leads(
    autojump_clock, world, journal
):
    node = await world.node(journal)
    await node.subscribe()
    led = node.service.leadership
    node.log.crash()
    seen = []
    while node.service.leadership.leading:
        seen.append(node.service.leadership)
        await trio.lowlevel.checkpoint()
    assert set(seen) == {led}
    assert node.service.leadership == node.log.leadership
    await node.crash()
