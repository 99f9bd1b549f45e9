"""``run``: one command as a task, as if it ran here."""

from __future__ import annotations

import getpass
import os
import secrets
import signal
import sys
from collections.abc import Sequence
from math import inf
from pathlib import PurePath
from typing import BinaryIO

import attrs
import trio
import typer

from raftleader.cli.exit_codes import EXIT_INTERRUPTED
from raftleader.cli.output import nowhere
from raftleader.cli.sandbox_output import SandboxFile, copy_if_possible
from raftleader.cli.task_end import exit_code_of_task
from raftleader.errors import ConfigError, RaftLeaderError, UnavailableError
from raftleader.framework import (
    HttpClient,
    Scheduler,
    SchedulerDriver,
    open_http_client,
)
from raftleader.framework.nursery import open_plain_nursery
from raftleader.protocol.frameworks import FrameworkInfo, role_problem
from raftleader.protocol.ids import TaskId
from raftleader.protocol.offers import Offer
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import CommandInfo, TaskInfo, TaskStatus

EXIT_TIMEOUT = 124
"""As of timeout(1)."""
FOLLOW_INTERVAL_S = 0.1
"""Between two looks at the outputs."""
FAILOVER_TIMEOUT_S = 10.0
"""If we are killed, our task is ended after so long; a short cut it outlives."""
GOODBYE_TIMEOUT_S = 10.0
"""For killing the task and leaving the cluster, when we are told to end."""
OFFER_PATIENCE_S = 5.0
"""After so long without an offer that suffices, we say what we wait for."""


@attrs.frozen(kw_only=True)
class RunRequest:
    """What to run, and with how much."""

    command: tuple[str, ...]
    resources: Resources
    role: str
    name: str
    environment: tuple[tuple[str, str], ...]
    timeout_s: float | None

    @classmethod
    def of(
        cls,
        *,
        command: Sequence[str],
        cpus: float,
        mem_mb: float,
        role: str,
        name: str | None,
        environment: Sequence[str],
        timeout_s: float | None,
    ) -> RunRequest:
        """Checked. Raises ConfigError that names the flag."""
        for flag, amount in (("--cpus", cpus), ("--mem", mem_mb)):
            if not 0 <= amount < 1e9:
                raise ConfigError(f"{flag}: expected a number of at least 0")
        if timeout_s is not None and not timeout_s > 0:
            raise ConfigError("--timeout: expected more than 0 seconds")
        if problem := role_problem(role):
            raise ConfigError(f"--role: {problem}")
        pairs = []
        for item in environment:
            key, equals, value = item.partition("=")
            if not key or not equals:
                raise ConfigError(f"--env: {item!r} is not K=V")
            pairs.append((key, value))
        return cls(
            command=tuple(command),
            resources=Resources.of(
                {"cpus": round(cpus * 1000), "mem": round(mem_mb * 1000)}
            ),
            role=role,
            name=name or PurePath(command[0]).name or command[0],
            environment=tuple(pairs),
            timeout_s=timeout_s,
        )


@attrs.define
class OneTask(Scheduler):
    """Launches one task on the first offer that suffices, and waits for its end."""

    request: RunRequest
    task_id: TaskId
    agent: str | None = None
    end: TaskStatus | None = None
    launched: trio.Event = attrs.field(factory=trio.Event)
    ended: trio.Event = attrs.field(factory=trio.Event)

    async def offers(self, driver: SchedulerDriver, offers: Sequence[Offer]) -> None:
        if self.ended.is_set():
            return
        for offer in offers:
            usable = offer.resources.for_role(self.request.role)
            if self.agent is not None or not usable.contains(self.request.resources):
                await driver.decline([offer.id])
                continue
            self.agent = f"{offer.agent.ip}:{offer.agent.port}"
            await driver.accept([offer.id], [self._task(offer)])
            self.launched.set()
            await driver.suppress()

    async def update(self, driver: SchedulerDriver, status: TaskStatus) -> None:
        if status.state.is_terminal:
            self.end = status
            self.ended.set()

    def _task(self, offer: Offer) -> TaskInfo:
        command = self.request.command
        return TaskInfo(
            name=self.request.name,
            task_id=self.task_id,
            agent_id=offer.agent_id,
            resources=self.request.resources,
            command=CommandInfo(
                value=command[0],
                shell=False,
                arguments=command,
                environment=self.request.environment,
            ),
        )


async def run_one_task(
    request: RunRequest,
    leaders: Sequence[str],
    find_timeout_s: float,
    *,
    out: BinaryIO | None = None,
    err: BinaryIO | None = None,
) -> int:
    """Run it to its end, showing its outputs; returns the exit code.

    On Ctrl-C or TERM the task is killed first; on a second one we go at once, and
    the cluster ends the task when our failover timeout is over. Raises
    UnavailableError when no leader is found within ``find_timeout_s``, and what ends
    a framework.
    """
    scheduler = OneTask(request, TaskId(f"run-{secrets.token_hex(8)}"))
    framework = FrameworkInfo(
        user=user_name(),
        name=f"run {request.name}",
        roles=(request.role,),
        failover_timeout_ms=round(FAILOVER_TIMEOUT_S * 1000),
    )
    driver = SchedulerDriver(leaders, framework, scheduler)
    interrupted = trio.Event()
    outs = (
        out or (sys.stdout or nowhere()).buffer,
        err or (sys.stderr or nowhere()).buffer,
    )
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_plain_nursery() as watchers:
            async with open_http_client() as http:
                run = _Run(scheduler, driver, http, interrupted, outs)

                async def watch_signals() -> None:
                    async for _ in signals:
                        if interrupted.is_set():
                            run.abandon()
                        interrupted.set()

                watchers.start_soon(watch_signals)
                code = EXIT_INTERRUPTED
                with run.everything:
                    code = await run.run(find_timeout_s)
            watchers.cancel()
    if run.everything.cancelled_caught:
        typer.echo(
            "raftleader: left without waiting for the task's end; the cluster ends "
            f"it within {FAILOVER_TIMEOUT_S:g} s",
            err=True,
        )
    return code


def user_name() -> str:
    """Of this process; its number if nobody gave it a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


async def _cancel_after(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


@attrs.define
class _Run:
    """One run, from looking for a leader to leaving the cluster."""

    scheduler: OneTask
    driver: SchedulerDriver
    http: HttpClient
    interrupted: trio.Event
    outs: tuple[BinaryIO, BinaryIO]
    files: tuple[SandboxFile, ...] = ()
    is_leaving: bool = False
    everything: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    showing: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    def abandon(self) -> None:
        """Whoever waits for us has lost patience: ``run`` ends, whatever it does."""
        self.everything.cancel()
        self.showing.cancel()

    async def run(self, find_timeout_s: float) -> int:
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(find_timeout_s) as finding:
                nursery.start_soon(_cancel_after, self.interrupted, finding)
                await nursery.start(self._drive)
            if finding.cancelled_caught:
                nursery.cancel_scope.cancel()
                if self.interrupted.is_set():
                    return EXIT_INTERRUPTED
                raise UnavailableError(
                    f"no leader could be reached within {find_timeout_s:g} s"
                )
            nursery.start_soon(self._say_what_we_wait_for)
            code = await self._follow()
            self.is_leaving = True
            with trio.move_on_after(GOODBYE_TIMEOUT_S):
                await self.driver.teardown()
            nursery.cancel_scope.cancel()
        return code

    async def _drive(self, *, task_status: trio.TaskStatus[None]) -> None:
        try:
            await self.driver.run(task_status=task_status)
        except RaftLeaderError:
            if not self.is_leaving:  # else a call of ours was overtaken by TEARDOWN
                raise

    async def _say_what_we_wait_for(self) -> None:
        with trio.move_on_after(OFFER_PATIENCE_S):
            await self.scheduler.launched.wait()
            return
        wanted = self.scheduler.request
        typer.echo(
            f"raftleader: waiting for an offer with {wanted.resources} "
            f"for role {wanted.role}",
            err=True,
        )

    async def _follow(self) -> int:
        """Show the outputs until the task ends, is interrupted or takes too long."""
        scheduler, timeout_s = self.scheduler, self.scheduler.request.timeout_s
        with trio.move_on_after(inf if timeout_s is None else timeout_s) as waiting:
            await self._show_until(self.interrupted, scheduler.ended)
        if scheduler.end is None:
            with trio.move_on_after(GOODBYE_TIMEOUT_S):
                if scheduler.agent is not None:
                    await self.driver.kill(scheduler.task_id)
                    await self._show_until(scheduler.ended)
        await self._show()
        if self.interrupted.is_set():
            return EXIT_INTERRUPTED
        if waiting.cancelled_caught:
            what = "not started" if scheduler.agent is None else "not done"
            typer.echo(
                f"raftleader: {what} after {timeout_s:g} s (--timeout)", err=True
            )
            return EXIT_TIMEOUT
        assert scheduler.end is not None
        return exit_code_of_task(scheduler.end)

    async def _show_until(self, *events: trio.Event) -> None:
        """Show the outputs until one of the events is set."""
        while not any(event.is_set() for event in events):
            await self._show()
            with trio.move_on_after(FOLLOW_INTERVAL_S):
                async with trio.open_nursery() as nursery:
                    for event in events:
                        nursery.start_soon(_cancel_after, event, nursery.cancel_scope)

    async def _show(self) -> None:
        """Copy what the outputs have that was not shown. Shielded, so that nothing
        is shown twice; bounded."""
        agent, framework_id = self.scheduler.agent, self.driver.framework_id
        if agent is None or framework_id is None:
            return
        if not self.files:
            folder = f"frameworks/{framework_id}/tasks/{self.scheduler.task_id}"
            self.files = tuple(
                SandboxFile(http=self.http, agent=agent, path=f"{folder}/{name}")
                for name in ("stdout", "stderr")
            )
        with trio.CancelScope(shield=True) as self.showing:
            for file, out in zip(self.files, self.outs, strict=True):
                await copy_if_possible(file, out)
