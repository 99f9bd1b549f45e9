"""Agents' links: who is let in, who is cut, and what a role change says."""

from __future__ import annotations

import pytest
import trio

from raftleader.leader.agent_sessions import AgentSessions
from raftleader.protocol import agent_rpc as rpc
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.tasks import Source, TaskState, TaskStatus
from raftleader.state.cluster import ClusterState
from transports.interface import LinkClosedError


async def dial(world, node, name="stranger"):
    return await world.network.transport(name).dial(node.address)


async def say(link, message):
    await link.send(rpc.encode(message))


async def hear(link):
    with trio.fail_after(30):
        return rpc.decode_from_node(await link.receive())


def hello(info, **changes):
    fields = {"cluster_id": "test", "key": "k", "info": info, **changes}
    return rpc.AgentHello(**fields)


@pytest.fixture
def info():
    return AgentInfo(hostname="h", ip="127.0.0.1", port=5051)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"cluster_id": "other"}, "this is cluster 'test', not 'other'"),
        ({"protocol": 99}, "protocol 99 is not 2"),
        ({"key": ""}, "the key must not be empty"),
        ({"agent_id": "test-S99-0"}, "does not know the agent as test-S99-0"),
    ],
)
async def test_a_wrong_agent_is_refused_and_told_why(
    autojump_clock, world, info, changes, problem
):
    node = await world.node()
    link = await dial(world, node)
    await say(link, hello(info, **changes))
    message = await hear(link)
    if isinstance(message, rpc.NodeHello):
        message = await hear(link)
    assert isinstance(message, rpc.Refused)
    assert problem in message.problem
    with pytest.raises(LinkClosedError):
        await hear(link)
    assert not node.state.agents


@pytest.mark.parametrize("frame", [b"", b"\xff\xfe", b"\x81\xa4type\xa4nope"])
async def test_garbage_instead_of_a_hello_ends_the_link_only(
    autojump_clock, world, until, frame
):
    node = await world.node()
    link = await dial(world, node)
    await link.send(frame)
    with pytest.raises(LinkClosedError):
        await hear(link)
    assert node.counts["agents_cut_garbage"] == 1
    await world.agent(node)


async def test_garbage_in_a_session_cuts_it_and_the_node_stays(
    autojump_clock, world, until
):
    node = await world.node()
    agent = await world.agent(node)
    other = await world.agent(node, "other")
    await agent.link.send(b"\xc1garbage")
    await until(lambda: agent.link is None)
    assert node.counts["agents_cut_garbage"] == 1
    assert not node.service.agent_is_connected(agent.agent_id)
    assert node.service.agent_is_connected(other.agent_id)


async def test_an_update_without_uuid_is_garbage(autojump_clock, world, until):
    node = await world.node()
    agent = await world.agent(node)
    status = TaskStatus(task_id="t", state=TaskState.RUNNING, source=Source.AGENT)
    update = rpc.AgentUpdate(framework_id="f", status=status)
    await agent.say(rpc.StatusUpdates(updates=(update,)))
    await until(lambda: agent.link is None)
    assert node.counts["agents_cut_garbage"] == 1


async def test_who_says_nothing_is_cut(autojump_clock, world):
    node = await world.node()
    link = await dial(world, node)
    began = trio.current_time()
    with pytest.raises(LinkClosedError):
        await hear(link)
    assert trio.current_time() - began == pytest.approx(10, abs=0.1)
    assert node.counts["agents_cut_no_hello"] == 1


async def test_the_newest_session_of_an_agent_wins(autojump_clock, world, until):
    node = await world.node()
    agent = await world.agent(node)
    entries = node.entries
    link = await dial(world, node, "again")
    await say(link, hello(agent.info, key=agent.key, agent_id=agent.agent_id))
    assert isinstance(await hear(link), rpc.NodeHello)
    assert (await hear(link)).agent_id == agent.agent_id
    await until(lambda: agent.link is None)
    assert node.counts["agents_cut_replaced"] == 1
    assert node.service.agent_is_connected(agent.agent_id)
    assert node.entries == entries


async def test_a_changed_machine_is_registered_anew_under_its_id(
    autojump_clock, world, until
):
    node = await world.node()
    agent = await world.agent(node)
    await agent.link.aclose()
    agent.info = type(agent.info)(hostname="new", ip="127.0.0.1", port=9)
    first_id = agent.agent_id
    await world.connect(agent, node)
    assert agent.agent_id == first_id
    assert node.state.agents[first_id].info.hostname == "new"


async def test_an_agent_that_does_not_read_is_cut_when_it_is_silent(
    autojump_clock, world, until, info
):
    node = await world.node()
    link = await dial(world, node)
    await say(link, hello(info))
    await until(lambda: node.state.agents)
    (agent_id,) = node.state.agents
    await until(lambda: node.counts["agents_cut_silent"] == 1, timeout_s=200)
    assert not node.service.agent_is_connected(agent_id)


async def test_pings_are_answered_and_keep_the_session(autojump_clock, world):
    node = await world.node()
    agent = await world.agent(node)
    await trio.sleep(300)
    assert 57 <= len(agent.told(rpc.Ping)) <= 60
    assert node.service.agent_is_connected(agent.agent_id)


async def test_a_session_is_told_when_the_node_no_longer_leads_and_when_it_does(
    autojump_clock, world, until
):
    node = await world.node()
    agent = await world.agent(node)
    duties = node.service._term.duties
    node.sessions.end_term()
    await until(lambda: len(agent.told(rpc.NodeHello)) == 2)
    first, second = agent.told(rpc.NodeHello)
    assert (first.leading, first.term) == (True, 1)
    assert (second.leading, second.term) == (False, 1)
    registered = len(agent.told(rpc.Registered))
    await agent.report("f", "t", TaskState.RUNNING)
    await trio.sleep(1)
    assert not agent.committed()

    duties.term = 2
    duties._is_over = False
    node.sessions.begin_term(duties)
    await until(lambda: len(agent.told(rpc.Registered)) == registered + 1)
    assert agent.told(rpc.NodeHello)[2].term == 2


async def test_a_standby_greets_and_takes_nothing(autojump_clock, world, until, info):
    state = ClusterState(cluster_id="test", term=6)
    sessions = AgentSessions(state, node_id="n2")
    transport = world.network.transport("n2")
    await world.nursery.start(sessions.run, transport, "mem://n2/agents")
    link = await world.network.transport("x").dial("mem://n2/agents")
    await say(link, hello(info))
    greeting = await hear(link)
    assert (greeting.leading, greeting.term, greeting.node_id) == (False, 6, "n2")
    await say(link, rpc.TaskDigest(digest=b""))
    assert await hear(link) == rpc.Ping(number=0)


async def test_sessions_are_bounded(autojump_clock, world, info):
    node = await world.node()
    node.sessions._sessions_max = 1
    await world.agent(node)
    link = await dial(world, node)
    await say(link, hello(info))
    assert isinstance(await hear(link), rpc.Refused)


async def test_registered_is_repeated_until_the_agent_has_shown_its_tasks(
    autojump_clock, world, info
):
    """The frame, or the answer, may have been lost while the link goes on."""
    node = await world.node()
    link = await dial(world, node)
    await say(link, hello(info))
    heard = [await hear(link) for _ in range(2)]
    assert isinstance(heard[1], rpc.Registered)

    async def count_registered(duration_s):
        found = 0
        with trio.move_on_after(duration_s):
            while True:
                found += isinstance(await hear(link), rpc.Registered)
        return found

    assert 2 <= await count_registered(17) <= 3
    await say(link, rpc.TaskDigest(digest=rpc.digest_of_tasks([])))
    await trio.sleep(1)
    assert await count_registered(17) == 0


async def test_a_list_that_was_lost_is_asked_for_again(autojump_clock, world, info):
    node = await world.node()
    link = await dial(world, node)
    await say(link, hello(info))
    wanted = 0
    with trio.move_on_after(12):
        while True:
            message = await hear(link)
            if isinstance(message, rpc.Registered):
                digest = rpc.digest_of_tasks([("f", "nobody knows it")])
                await say(link, rpc.TaskDigest(digest=digest))
            wanted += isinstance(message, rpc.TaskListWanted)
    assert wanted >= 2
