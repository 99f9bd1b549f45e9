"""An agent as one service: recovery, then everything at once, then a clean stop."""

from __future__ import annotations

import logging
import os
import random
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import attrs
import trio

from agent.checkpoint import Checkpoint, RunBlocking, read_checkpoint
from agent.checks.service import Checks
from agent.cleanup import Cleanup
from agent.config import AgentConfig
from agent.containerizer.interface import Containerizer
from agent.containerizer.process import ProcessContainerizer
from agent.detect import detect_resources, parse_attributes
from agent.endpoints import Endpoints
from agent.executor_api.endpoint import ExecutorEndpoint, is_executor_path
from agent.executor_api.streams import ExecutorStreams
from agent.files import lock_file
from agent.identity import load_identity
from agent.inbox import Inbox
from agent.launching import LaunchMaker, leftovers_of
from agent.leader_link import LeaderLinks
from agent.machine import Machine
from agent.machine.events import Tick
from agent.machine.tasks import TaskTable
from agent.machine_view import MachineView
from agent.operator_api.api import streams_body
from agent.own_facts import own_facts
from agent.performer import Performer
from agent.recovery import Recovered, compacted, fill_table, recover
from agent.starter import Starter
from agent.status_updates import TICK_INTERVAL_S
from agent.stopping import stop_tasks
from agent.volumes import VolumeStore
from raftleader import __version__
from raftleader.errors import ConfigError, RaftLeaderError
from raftleader.httpd.messages import Answer, Deferred, Handler, Request
from raftleader.httpd.server import serve_http
from raftleader.protocol.agents import AgentInfo
from transports.interface import BadAddressError, Transport
from transports.registry import transport_for as transport_for_address

logger = logging.getLogger(__name__)


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


async def run_agent(
    config: AgentConfig,
    *,
    transport_for: Callable[[str], Transport] = transport_for_address,
    containerizer: Containerizer | None = None,
    rng: random.Random | None = None,
    clock: Callable[[], int] = wall_clock_ms,
    run_blocking: RunBlocking = trio.to_thread.run_sync,
    crash: trio.CancelScope | None = None,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run an agent until cancelled; then kill its tasks, note their ends, and go.

    ``task_status.started`` is given the address of the HTTP port ("" without one)
    once recovery is over. Cancelling takes at most ``stop_grace_s`` and a few
    seconds. Raises ConfigError, JournalDamagedError, or OSError when the disk
    fails: then tasks are left running, for the next start to find.

    Args:
        transport_for: The transport to dial an address of a leader node with.
        containerizer: What runs the tasks; None is real processes.
        rng: For uuids, the agent's key and backoff; None is the system's.
        clock: Wall time in milliseconds, to date status updates.
        run_blocking: See ``RunBlocking``.
        crash: Cancelling it is a ``kill -9``, for simulations: nothing is cleaned
            up, tasks run on.
    """
    agent = _Agent(
        config=attrs.evolve(config, work_dir=config.work_dir.absolute()),
        transports=_transports(config, transport_for),
        containerizer=containerizer or ProcessContainerizer(),
        rng=rng or random.SystemRandom(),
        clock=clock,
        run_blocking=run_blocking,
    )
    # The services run shielded, in a task of their own, so that they still work
    # while the agent stops; this one waits for the order to stop.
    stop = trio.Event()
    try:
        async with trio.open_nursery() as nursery:
            # First, so that a cancellation while the agent begins is heard too.
            nursery.start_soon(_stop_when_cancelled, stop)
            address = await nursery.start(_run_shielded, agent, stop, crash)
            task_status.started(address)
    except BaseExceptionGroup as group:
        raise _only_problem(group) from None


def _only_problem(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error of ours or of the system in ``group``, or else ``group``."""
    problem: BaseException = group
    while isinstance(problem, BaseExceptionGroup) and len(problem.exceptions) == 1:
        problem = problem.exceptions[0]
    return problem if isinstance(problem, (RaftLeaderError, OSError)) else group


async def _stop_when_cancelled(stop: trio.Event) -> None:
    try:
        await stop.wait()
    finally:
        stop.set()


async def _run_shielded(
    agent: _Agent,
    stop: trio.Event,
    crash: trio.CancelScope | None,
    *,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    try:
        with crash or trio.CancelScope() as scope:
            scope.shield = True
            await agent.run(stop, task_status)
    finally:
        stop.set()


@attrs.define(eq=False, kw_only=True)
class _Agent:
    config: AgentConfig
    transports: dict[str, Transport]
    containerizer: Containerizer
    rng: random.Random
    clock: Callable[[], int]
    run_blocking: RunBlocking

    async def run(self, stop: trio.Event, task_status: trio.TaskStatus[str]) -> None:
        config = self.config
        for folder in (config.meta_dir, config.sandbox_root):
            _make_folder(folder)
        lock = lock_file(config.meta_dir / "lock")
        checkpoint = Checkpoint(
            config.meta_dir / "checkpoint", self.run_blocking, config.is_fsync_on
        )
        try:
            await self._run_locked(checkpoint, stop, task_status)
        finally:
            checkpoint.close()
            os.close(lock)

    async def _run_locked(
        self,
        checkpoint: Checkpoint,
        stop: trio.Event,
        task_status: trio.TaskStatus[str],
    ) -> None:
        config = self.config
        found = recover(read_checkpoint(checkpoint.path))
        is_known = not found.is_empty
        identity_path = config.meta_dir / "identity.json"
        if is_known and not identity_path.exists():
            raise ConfigError(
                f"work_dir: {identity_path} is missing, but tasks are recorded beside"
                " it; start with an empty work folder, as a new agent"
            )
        identity = load_identity(
            identity_path,
            cluster_id=config.cluster_id,
            rng=self.rng,
            is_fsync_on=config.is_fsync_on,
        )
        checkpoint.rewrite(compacted(found))
        await self._kill_leftovers(found)
        table = TaskTable(self._new_uuid)
        restarted = fill_table(table, found)
        inbox = Inbox()
        inbox.post_nowait(restarted)
        links = LeaderLinks(config, self.transports, inbox, self.rng)
        machine = Machine(identity, self._info("", 0), table)
        cleanup = Cleanup(config, self.run_blocking)
        cleanup.add_found(self.clock())
        volumes = VolumeStore(config.work_dir / "volumes")
        launches = LaunchMaker(config=config, machine=machine, volumes=volumes)
        streams = ExecutorStreams(inbox)
        checks = Checks(inbox)
        view = MachineView(
            machine=machine,
            launches=launches,
            containerizer=self.containerizer,
            start_time_s=self.clock() / 1000,
        )
        endpoints = Endpoints(
            config=config,
            view=view,
            run_blocking=self.run_blocking,
            own_facts=lambda: own_facts(machine, links),
            is_registered=lambda: machine.is_registered,
            streams_cut=lambda: streams.cut,
        )
        executor_api = ExecutorEndpoint(machine, inbox, streams)

        def handle(request: Request) -> Answer | Deferred:
            if is_executor_path(request.path):
                return executor_api.handle(request)
            return endpoints.handle(request)

        async with trio.open_nursery() as nursery:
            address = await _serve(nursery, handle, config.http)
            launches.address = address
            if config.http is not None:
                await nursery.start(endpoints.run)
            machine.info = self._info(*_split(address))
            performer = Performer(
                config=config,
                machine=machine,
                inbox=inbox,
                checkpoint=checkpoint,
                containerizer=self.containerizer,
                links=links,
                starter=Starter(self.containerizer, inbox),
                cleanup=cleanup,
                launches=launches,
                streams=streams,
                checks=checks,
                volumes=volumes,
                end_watchers=view.end_watchers,
                clock=self.clock,
                run_blocking=self.run_blocking,
                timers=nursery,
            )
            await nursery.start(self.containerizer.run, performer.on_exit)
            for service in (
                performer.run,
                performer.starter.run,
                links.run,
                cleanup.run,
                checks.run,
            ):
                nursery.start_soon(service)
            nursery.start_soon(self.run_blocking, volumes.empty)
            nursery.start_soon(_tick, inbox)
            name = identity.agent_id or "(not registered yet)"
            logger.info("agent %s serves at %s", name, address)
            task_status.started(address)
            await stop.wait()
            await stop_tasks(performer)
            nursery.cancel_scope.cancel()

    async def _kill_leftovers(self, found: Recovered) -> None:
        leftovers = leftovers_of(self.config.sandbox_root, found)
        count = await self.containerizer.kill_leftovers(leftovers)
        if leftovers:
            logger.warning(
                "the agent had died with %d tasks and executors; killed %d processes of"
                " theirs",
                len(leftovers),
                count,
            )

    def _info(self, host: str, port: int) -> AgentInfo:
        config = self.config
        return AgentInfo(
            hostname=config.hostname or socket.gethostname(),
            ip=config.ip or host,
            port=port,
            resources=detect_resources(config.work_dir, config.resources),
            attributes=parse_attributes(config.attributes),
            version=__version__,
            domain=config.domain,
        )

    def _new_uuid(self) -> bytes:
        return self.rng.getrandbits(128).to_bytes(16, "big")


def _transports(
    config: AgentConfig, transport_for: Callable[[str], Transport]
) -> dict[str, Transport]:
    try:
        return {address: transport_for(address) for address in config.leaders}
    except BadAddressError as error:
        raise ConfigError(f"leaders: {error}") from error


async def _serve(nursery: trio.Nursery, handler: Handler, http: str | None) -> str:
    """Start the HTTP port; the address really bound, or "" for none."""
    if http is None:
        return ""
    serve = partial(serve_http, handler, http, streams_body=streams_body)
    address = await nursery.start(serve)
    assert isinstance(address, str)
    return address


async def _tick(inbox: Inbox) -> None:
    while True:
        await trio.sleep(TICK_INTERVAL_S)
        inbox.post_nowait(Tick())


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"work_dir: {error}") from error


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port or 0)
