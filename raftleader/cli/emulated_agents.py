"""Agents that run nothing: one process speaks for many.

Each registers, answers pings, and says of every task it is told to run that it has
finished, at once. What is left is the leader's own work.

    python -m raftleader.cli.emulated_agents tcp://HOST:PORT COUNT RESOURCES
"""

from __future__ import annotations

import random
import sys
import time

import attrs
import trio

from raftleader import __version__
from raftleader.protocol.agent_rpc import (
    AgentHello,
    AgentUpdate,
    FromNode,
    Ping,
    Pong,
    Registered,
    RunTasks,
    StatusUpdates,
    TaskDigest,
    TaskList,
    TaskListWanted,
    decode_from_node,
    digest_of_tasks,
    encode,
)
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.ids import AgentId
from raftleader.protocol.resources import Resources, parse_resources
from raftleader.protocol.tasks import Source, TaskState, TaskStatus
from transports.errors import TransportError
from transports.interface import Link
from transports.registry import transport_for

REDIAL_S = 0.2


@attrs.define(kw_only=True)
class EmulatedAgent:
    """One agent, over one link at a time."""

    number: int
    resources: Resources
    rng: random.Random
    agent_id: AgentId | None = None
    cluster_id: str = ""

    async def run(self, address: str) -> None:
        """Dial and answer, until cancelled."""
        transport = transport_for(address)
        while True:
            try:
                link = await transport.dial(address)
                try:
                    await link.send(encode(self._hello()))
                    while True:
                        await self._answer(link, await link.receive_many())
                finally:
                    await link.aclose()
            except TransportError:
                await trio.sleep(REDIAL_S)

    def _hello(self) -> AgentHello:
        return AgentHello(
            cluster_id=self.cluster_id,
            key=f"emulated-{self.number}",
            info=AgentInfo(
                hostname="localhost",
                ip="127.0.0.1",
                port=5051,
                resources=self.resources,
                version=__version__,
            ),
            agent_id=self.agent_id,
        )

    async def _answer(self, link: Link, frames: list[bytes]) -> None:
        answers = [
            answer
            for frame in frames
            for answer in self._answers(decode_from_node(frame))
        ]
        if answers:
            await link.send_many(answers)

    def _answers(self, message: FromNode) -> list[bytes]:
        match message:
            case Ping():
                return [encode(Pong(number=message.number))]
            case Registered():
                self.agent_id = message.agent_id
                return [encode(TaskDigest(digest=digest_of_tasks([])))]
            case TaskListWanted():
                return [encode(TaskList(tasks=()))]
            case RunTasks():
                return [encode(StatusUpdates(updates=self._ends(message)))]
            case _:
                return []

    def _ends(self, message: RunTasks) -> tuple[AgentUpdate, ...]:
        now_ms = int(time.time() * 1000)
        return tuple(
            AgentUpdate(
                framework_id=order.framework_id,
                status=TaskStatus(
                    task_id=order.task.task_id,
                    state=TaskState.FINISHED,
                    source=Source.EXECUTOR,
                    agent_id=self.agent_id,
                    uuid=self.rng.getrandbits(128).to_bytes(16, "big"),
                    timestamp_ms=now_ms,
                ),
            )
            for order in message.orders
        )


async def emulate(address: str, count: int, resources: Resources) -> None:
    """So many agents, until cancelled."""
    rng = random.Random()
    async with trio.open_nursery() as nursery:
        for number in range(count):
            agent = EmulatedAgent(number=number, resources=resources, rng=rng)
            nursery.start_soon(agent.run, address)


def main() -> None:
    """The program. Ends when its standard input does."""
    address, count, resources = sys.argv[1:]

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            parsed = parse_resources(resources)
            nursery.start_soon(emulate, address, int(count), parsed)
            async with trio.lowlevel.FdStream(0) as stdin:
                while await stdin.receive_some():
                    pass
            nursery.cancel_scope.cancel()

    trio.run(run)


if __name__ == "__main__":
    main()
