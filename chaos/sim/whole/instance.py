"""One instance of a framework: a process with a driver, over all its lives."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import trio

from chaos.sim.whole.lives import Lives, innermost
from chaos.sim.whole.processes import Process
from raftleader.framework.driver import SchedulerDriver
from raftleader.framework.errors import FrameworkEndedError
from raftleader.framework.session import FAILED_OVER
from raftleader.protocol.frameworks import FrameworkInfo

if TYPE_CHECKING:
    from chaos.sim.whole.framework import SimulatedFramework


class Instance:
    """See the module.

    Attributes:
        host: Where it runs, and so the name of its connections.
        driver: Of the present life.
    """

    def __init__(
        self,
        framework: SimulatedFramework,
        host: str,
        process: Process,
        nursery: trio.Nursery,
    ) -> None:
        self.host = host
        self.process = process
        self.driver: SchedulerDriver | None = None
        self.lives = Lives(process, framework.history, nursery, self._live)
        self._framework = framework

    async def crash(self) -> None:
        """The process dies."""
        http = self._framework.http
        await self.lives.end("goes away", lambda: http.break_all(self.host))

    async def _live(self, *, task_status: trio.TaskStatus[None]) -> None:
        framework = self._framework
        task_status.started()
        is_over = False
        while True:
            try:
                await self._drive()
            except* FrameworkEndedError as errors:
                error = next(innermost(errors))
                # One that has little time to return may be too late for it.
                may_be_removed = not framework.habits.is_returning
                if FAILED_OVER not in str(error) and not may_be_removed:
                    raise
                framework.history.note(f"{self.host}: {error}", counted="failed over")
                if may_be_removed or framework.instances[-1] is not self:
                    is_over = True
            if is_over:
                return
            # Else a SUBSCRIBE of an earlier life was carried out after ours.

    async def _drive(self) -> None:
        framework = self._framework
        self.driver = SchedulerDriver(
            framework.leaders,
            FrameworkInfo(
                user="nobody",
                name=framework.name,
                id=framework.id,
                roles=(framework.name,),
                failover_timeout_ms=round(framework.habits.failover_timeout_s * 1000),
                capabilities=("PARTITION_AWARE",),
            ),
            framework,
            connect=framework.http.connector(self.host),
            rng=random.Random(framework.rng.getrandbits(64)),
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(framework.grow)
            await self.driver.run()
            nursery.cancel_scope.cancel()
