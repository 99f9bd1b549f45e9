"""Looks at tasks again and again, and tells the machine what changed."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import trio

from agent.checks.definition import (
    HealthDefinition,
    Probe,
    read_check,
    read_health_check,
    result_of,
)
from agent.checks.probing import ProbeError, is_success, look
from agent.containerizer.interface import Launch
from agent.inbox import Inbox
from agent.machine.events import CheckReported, HealthReported
from raftleader.protocol.ids import TaskKey
from raftleader.protocol.tasks import TaskInfo

logger = logging.getLogger(__name__)

Look = Callable[[Probe, Launch], Awaitable[dict[str, Any]]]


@attrs.define(eq=False)
class Checks:
    """The checks of all tasks of one agent. ``look`` takes one look."""

    inbox: Inbox
    look: Look = look
    _scopes: dict[TaskKey, trio.CancelScope] = attrs.field(factory=dict, init=False)
    _nursery: trio.Nursery | None = attrs.field(default=None, init=False)

    async def run(self) -> None:
        """Carry out checks until cancelled; none is begun before or after."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None

    def begin(self, key: TaskKey, task: TaskInfo, launch: Launch) -> None:
        """Look at this task, which has just been started, until :meth:`end`."""
        if self._nursery is None:
            return
        scope = self._scopes[key] = trio.CancelScope()
        self._nursery.start_soon(self._keep, key, task, launch, scope)

    def end(self, key: TaskKey) -> None:
        """Look at it no more; idempotent."""
        scope = self._scopes.pop(key, None)
        if scope is not None:
            scope.cancel()

    async def _keep(
        self, key: TaskKey, task: TaskInfo, launch: Launch, scope: trio.CancelScope
    ) -> None:
        with scope:
            async with trio.open_nursery() as nursery:
                if task.health_check is not None:
                    health = read_health_check(task.health_check)
                    nursery.start_soon(self._watch_health, key, health, launch)
                if task.check is not None:
                    probe = read_check(task.check)
                    nursery.start_soon(self._watch, key, probe, launch)

    async def _watch_health(
        self, key: TaskKey, health: HealthDefinition, launch: Launch
    ) -> None:
        """Every failure is reported, and the first success, and that after failures."""
        began_s = trio.current_time()
        failures, was_healthy = 0, False

        def take(found: dict[str, Any] | None) -> None:
            nonlocal failures, was_healthy
            if found is not None and is_success(health.probe, found):
                if not was_healthy or failures:
                    self.inbox.post_nowait(HealthReported(key, is_healthy=True))
                failures, was_healthy = 0, True
                return
            age_s = trio.current_time() - began_s
            if not was_healthy and age_s <= health.grace_s:
                return
            failures += 1
            is_fatal = failures >= health.failures_max
            self.inbox.post_nowait(
                HealthReported(key, is_healthy=False, is_fatal=is_fatal)
            )

        await self._repeat(key, health.probe, launch, take)

    async def _watch(self, key: TaskKey, probe: Probe, launch: Launch) -> None:
        """A result is reported when it is another than before."""
        before = result_of(probe.kind, {})

        def take(found: dict[str, Any] | None) -> None:
            nonlocal before
            result = result_of(probe.kind, found or {})
            if result != before:
                self.inbox.post_nowait(CheckReported(key, result))
                before = result

        await self._repeat(key, probe, launch, take)

    async def _repeat(
        self,
        key: TaskKey,
        probe: Probe,
        launch: Launch,
        take: Callable[[dict[str, Any] | None], None],
    ) -> None:
        await trio.sleep(probe.delay_s)
        while True:
            found: dict[str, Any] | None = None
            try:
                found = await self.look(probe, launch)
            except ProbeError as error:
                logger.info("%s check of %s: %s", probe.kind.value, key[1], error)
            take(found)
            await trio.sleep(probe.interval_s)
