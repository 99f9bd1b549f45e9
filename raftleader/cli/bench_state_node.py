"""The leader of ``bench state``: a real node whose cluster was made up.

A program: ``python -m raftleader.cli.bench_state_node DIRECTORY AGENTS TASKS``. It says
``{"http": ADDRESS}`` once it leads. Any line on standard input is answered by
``{"longest_pause_ms": ...}``: the longest time, since the last such line, in which
nothing else of the node could run. It ends with its standard input.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path

import attrs
import trio
from msgspec.structs import replace

from raftleader.cli.bench_log_node import Lines, say
from raftleader.cli.synthetic_state import synthetic_state
from raftleader.leader.service import LeaderService
from raftleader.node import Engine, NodeConfig, run_node
from raftleader.state.bounds import TIME_MS_MAX
from raftleader.state.cluster import ClusterState

NODE_ID = "leader"
LOOK_S = 0.001
"""Length of a sleep: a pause is seen but for so much of it."""
LEADING_LOOK_S = 0.05


@attrs.define
class Pauses:
    """The longest time between two turns of a task that always wants one."""

    longest_s: float = 0.0

    async def run(self) -> None:
        """Look until cancelled."""
        last = time.perf_counter()
        while True:
            await trio.sleep(LOOK_S)
            now = time.perf_counter()
            self.longest_s = max(self.longest_s, now - last - LOOK_S)
            last = now

    def take_ms(self) -> float:
        """The longest since the last call."""
        longest_s, self.longest_s = self.longest_s, 0.0
        return longest_s * 1000


def fill(service: LeaderService, made_up: ClusterState) -> None:
    """Give the node a state before anything runs, as if a snapshot had been read."""
    made_up.index = made_up.term = 0
    made_up.offers = {
        key: replace(offer, expires_ms=TIME_MS_MAX)
        for key, offer in made_up.offers.items()
    }
    for field in attrs.fields(ClusterState):
        if field.name != "cluster_id":
            setattr(service.state, field.name, getattr(made_up, field.name))


async def serve(directory: Path, agents: int, tasks: int) -> None:
    """Lead, and answer until standard input ends."""
    services: list[LeaderService] = []

    def on_made(service: LeaderService) -> None:
        fill(service, synthetic_state(agents, tasks))
        services.append(service)

    config = NodeConfig(
        cluster_id="bench",
        node_id=NODE_ID,
        members={NODE_ID: "tcp://127.0.0.1:0"},
        http="127.0.0.1:0",
        agents="tcp://127.0.0.1:0",
        data_dir=directory,
        engine=Engine.SINGLE_NODE,
    )
    pauses = Pauses()
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(partial(run_node, config, on_made=on_made))
        while not services[0].leadership.leading:  # noqa: ASYNC110 - tells nobody
            await trio.sleep(LEADING_LOOK_S)
        nursery.start_soon(pauses.run)
        say({"http": addresses.http})
        async for _ in Lines(trio.lowlevel.FdStream(os.dup(0))):
            say({"longest_pause_ms": pauses.take_ms()})
        nursery.cancel_scope.cancel()


def main() -> None:
    """The program."""
    directory, agents, tasks = sys.argv[1:]
    trio.run(serve, Path(directory), int(agents), int(tasks))


if __name__ == "__main__":
    main()
