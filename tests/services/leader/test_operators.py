"""What operators order, as agents and frameworks notice it."""

from __future__ import annotations

import pytest
import trio

from raftleader.protocol import agent_rpc as rpc
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.offers import Unavailability
from raftleader.protocol.operator_values import MachineId, Window
from raftleader.state.commands import Command, MarkUnreachable
from raftleader.state.operator_commands import (
    DrainAgent,
    MarkAgentGone,
    SetSchedule,
    StartMaintenance,
    StopMaintenance,
)
from raftleader.state.outcomes import Accepted
from transports.interface import LinkClosedError

INFO = AgentInfo(hostname="h", ip="127.0.0.1", port=5051)
MACHINE = MachineId(hostname="h")


async def order(node, command: Command) -> None:
    assert isinstance(await node.service.submit(command).wait(), Accepted)


async def come(world, node, agent_id=None):
    """Dial and say hello; the link, and the first answer after the greeting."""
    link = await world.network.transport("machine").dial(node.address)
    hello = rpc.AgentHello(cluster_id="test", key="k", info=INFO, agent_id=agent_id)
    await link.send(rpc.encode(hello))
    answer = await hear(link)
    while isinstance(answer, rpc.NodeHello | rpc.Ping):
        answer = await hear(link)
    return link, answer


async def hear(link):
    with trio.fail_after(30):
        return rpc.decode_from_node(await link.receive())


async def wait_closed(link) -> None:
    with pytest.raises(LinkClosedError):
        while True:
            await hear(link)


async def test_agent_that_is_declared_gone_is_cut_and_refused(autojump_clock, world):
    node = await world.node()
    link, registered = await come(world, node)
    await order(node, MarkAgentGone(agent_id=registered.agent_id))
    await wait_closed(link)
    _, answer = await come(world, node, registered.agent_id)
    assert answer == rpc.Dismissed(
        term=registered.term, problem="Agent has been marked gone"
    )


async def test_agent_that_returns_only_to_be_gone_is_refused_at_once(
    autojump_clock, world
):
    node = await world.node()
    link, registered = await come(world, node)
    agent_id = registered.agent_id
    await order(node, MarkUnreachable(agent_ids=(agent_id,)))
    await wait_closed(link)
    await order(node, DrainAgent(agent_id=agent_id, mark_gone=True))
    assert agent_id in node.state.agents
    link, answer = await come(world, node, agent_id)
    assert answer == rpc.Dismissed(
        term=registered.term, problem="Agent has been marked gone"
    )
    await wait_closed(link)
    assert agent_id not in node.state.agents


async def test_machine_under_maintenance_is_cut_and_comes_back_with_its_id(
    autojump_clock, world
):
    node = await world.node()
    link, registered = await come(world, node)
    window = Window(machines=(MACHINE,), unavailability=Unavailability(start_ns=1))
    await order(node, SetSchedule(windows=(window,)))
    await order(node, StartMaintenance(machines=(MACHINE,)))
    await wait_closed(link)
    _, answer = await come(world, node, registered.agent_id)
    assert answer == rpc.Dismissed(term=registered.term, problem="Machine is `DOWN`")
    await order(node, StopMaintenance(machines=(MACHINE,)))
    _, answer = await come(world, node, registered.agent_id)
    assert isinstance(answer, rpc.Registered)
    assert answer.agent_id == registered.agent_id
