"""The end of a run: everything begun gets done, the cluster is asked what it holds,
and the workloads end. Every wait is bounded."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import attrs
import trio

from chaos.live.outcome import Bound
from chaos.live.pages import Pages
from chaos.live.run_file import FINAL, write_json
from chaos.live.seams import World
from chaos.live.settled import settled_workloads
from raftleader.cli.exit_codes import one_line
from raftleader.errors import RaftLeaderError

LEADER_CALLS = (
    "GET_STATE",
    "GET_AGENTS",
    "GET_FRAMEWORKS",
    "GET_TASKS",
    "GET_OPERATIONS",
)
LISTS = ("frameworks", "agents", "tasks", "offers")
DOCUMENT_TIMEOUT_S = 20.0
"""Of one document; the leader of so small a cluster answers within milliseconds, if
there is one."""
POLL_S = 0.2

Ask = Callable[[], Awaitable[Any]]


@attrs.define(kw_only=True)
class Finishing:
    """The last things done with a cluster.

    Attributes:
        problems: What could not be done is added here.
    """

    world: World
    pages: Pages
    problems: list[str]

    async def settle(self, within_s: float) -> Bound:
        """Have the workloads begin nothing more; wait until all they began has ended.

        What is missing when the time is over is in ``why``.
        """
        cluster, journal = self.world.cluster, self.world.journal
        began, since_ns = trio.current_time(), journal.now_ns()
        told: dict[str, int] = {}
        settled: dict[str, str] = {}
        with trio.move_on_after(within_s):
            while len(settled) < len(cluster.frameworks):
                for name in cluster.frameworks:
                    pid = cluster.pid(name)
                    if name not in settled and pid and told.get(name) != pid:
                        # Its next life, too, if it was just started again.
                        cluster.kill(name, signal.SIGUSR1)
                        told[name] = pid
                await trio.sleep(POLL_S)
                settled = settled_workloads(
                    self.world.folder, cluster.frameworks, since_ns
                )
        lacking = [
            f"{name}: {settled.get(name, 'has not said that it settled')}"
            for name in cluster.frameworks
            if settled.get(name) != ""
        ]
        took_s = round(trio.current_time() - began, 3)
        if lacking:
            return Bound(within_s=within_s, why="; ".join(lacking))
        return Bound(within_s=within_s, took_s=took_s)

    async def save_documents(self) -> None:
        """What the leader, every leader node and every agent say of themselves."""
        cluster, pages = self.world.cluster, self.pages
        documents: dict[str, Ask] = {}
        for call in LEADER_CALLS:
            documents[call.lower()] = partial(cluster.operator, {"type": call})
        for name in LISTS:
            documents[name] = partial(pages.rows, name)
        for name in cluster.leaders:
            documents[name] = partial(pages.status, cluster.node(name).http)
        for name in cluster.agents:
            documents[name] = partial(pages.agent_state, cluster.node(name).http)
        async with trio.open_nursery() as nursery:
            for name, ask in documents.items():
                nursery.start_soon(self._save, f"{name}.json", ask)

    async def end_workloads(self) -> None:
        """TERM each; those that take too long are killed by the cluster."""
        cluster = self.world.cluster
        async with trio.open_nursery() as nursery:
            for name in cluster.frameworks:
                cluster.hold(name)
                nursery.start_soon(cluster.stop, name)

    async def _save(self, file: str, ask: Ask) -> None:
        """Asked again while it does not work: an election may come in between."""
        problem = f"no answer within {DOCUMENT_TIMEOUT_S:g} s"
        with trio.move_on_after(DOCUMENT_TIMEOUT_S):
            while True:
                try:
                    document = await ask()
                except (RaftLeaderError, ValueError, OSError) as error:
                    problem = one_line(error)
                    await trio.sleep(POLL_S)
                else:
                    write_json(self.world.folder / FINAL / file, document)
                    return
        self.problems.append(f"{FINAL}/{file} could not be read: {problem}")
