"""A machine of the simulated cluster: an agent, and tasks that follow a script."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import trio

from agent.config import AgentConfig
from agent.containerizer.fake import FakeContainerizer, Script
from agent.containerizer.interface import Launch
from agent.machine.events import ProcessExit
from agent.records import ExecutorRun
from agent.service import run_agent
from chaos.sim.whole.history import History
from chaos.sim.whole.lives import Lives
from chaos.sim.whole.network import SimulatedNetwork
from chaos.sim.whole.node import CLUSTER_ID
from chaos.sim.whole.processes import Process
from chaos.sim.whole.wall_clock import WallClock

SILENCE_TIMEOUT_S = 18.0
"""Three times as long as a standby takes between two pings, with the settings here."""
RESOURCES = "cpus:4;mem:4096;disk:10000;ports:[31000-32000]"


def script_of(launch: Launch) -> Script:
    """A task's command says how it goes: ``run SECONDS ok|fail|stubborn|broken``."""
    _, seconds, how = (launch.command.value or "run 1 ok").split()
    return Script(
        duration_s=float(seconds),
        exit=ProcessExit(code=1 if how == "fail" else 0),
        is_term_ignored=how == "stubborn",
        problem="no such program" if how == "broken" else None,
    )


@attrs.define(eq=False, kw_only=True)
class SimulatedMachine:
    """One agent over all its lives; its disk and its tasks outlive it."""

    name: str
    leaders: tuple[str, ...]
    directory: Path
    clock: WallClock
    network: SimulatedNetwork
    history: History
    seed: str
    process: Process
    containerizer: FakeContainerizer = attrs.field(init=False)
    lives: Lives = attrs.field(init=False)
    _crash: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    @containerizer.default
    def _make_containerizer(self) -> FakeContainerizer:
        def script(launch: Launch) -> Script:
            found = script_of(launch)
            if found.problem is None and not isinstance(launch.key, ExecutorRun):
                self.history.started(self.name, launch.key)
            return found

        return FakeContainerizer(script)

    def begin(self, nursery: trio.Nursery) -> None:
        """Its lives go on in ``nursery``."""
        self.lives = Lives(self.process, self.history, nursery, self._live)

    async def crash(self) -> None:
        """``kill -9`` of the agent."""
        await self.lives.end("crashes", self._die, is_crash=True)

    async def stop(self) -> None:
        """End in good order: its tasks are killed."""
        await self.lives.end("stops")

    def pause(self, seconds: float) -> None:
        """It stands still for so long, tasks and all."""
        self.process.stop_until(self.history.clock.now_s + seconds)

    def _die(self) -> None:
        self.network.lose_links(self.name)
        self._crash.cancel()

    async def _live(self, *, task_status: trio.TaskStatus[None]) -> None:
        self._crash = trio.CancelScope()
        transport = self.network.transport(self.name, self.process.run)
        config = AgentConfig(
            leaders=self.leaders,
            work_dir=self.directory / self.name,
            http=None,
            hostname=self.name,
            ip="127.0.0.1",
            resources=RESOURCES,
            cluster_id=CLUSTER_ID,
            is_fsync_on=False,
            silence_timeout_s=SILENCE_TIMEOUT_S,
            disk_free_fraction_min=0.0,  # that of the real machine is not ours
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(
                lambda task_status: run_agent(
                    config,
                    transport_for=lambda address: transport,
                    containerizer=self.containerizer,
                    rng=random.Random(f"{self.seed}/{self.lives.label}"),
                    clock=self.clock.wall_ms,
                    run_blocking=run_inline,
                    crash=self._crash,
                    task_status=task_status,
                )
            )
            task_status.started()


async def run_inline(function: Callable[..., Any], /, *args: Any) -> Any:
    """A disk that takes no time, and no thread."""
    await trio.lowlevel.checkpoint()
    return function(*args)
