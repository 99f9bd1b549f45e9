"""Carries out what the machine decides: records first, then effects, in order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import attrs
import trio

from agent.checkpoint import Checkpoint, RunBlocking
from agent.checks.service import Checks
from agent.cleanup import Cleanup
from agent.config import AgentConfig
from agent.containerizer.interface import Containerizer
from agent.executor_api.streams import ExecutorStreams
from agent.identity import save_identity
from agent.inbox import Inbox
from agent.launching import LaunchMaker
from agent.leader_link import LeaderLinks
from agent.machine import Machine
from agent.machine.effects import (
    BeginChecks,
    CancelAlarm,
    CancelStart,
    CloseSession,
    CloseStream,
    ContainerEnd,
    DropVolumes,
    Effect,
    EndChecks,
    LinkVolumes,
    RunEnded,
    Send,
    SendEvent,
    SetAlarm,
    SetTimer,
    SignalTask,
    StartExecutor,
    StartTask,
    TaskEnded,
    Turn,
)
from agent.machine.events import (
    CompletionOver,
    GraceOver,
    ProcessExit,
    ProcessExited,
    RegistrationOver,
    StartFailed,
)
from agent.records import ExecutorRun, ProcessKey
from agent.recovery import compacted, recovered_of
from agent.sandbox import read_result
from agent.starter import Starter
from agent.volumes import VolumeError, VolumeStore, link_volumes
from raftleader.protocol.agent_rpc import VolumeName
from raftleader.protocol.resources import Resources

logger = logging.getLogger(__name__)


@attrs.define(eq=False, kw_only=True)
class Performer:
    """The hands of one agent. ``run`` is its one loop: a turn is over before the
    next begins."""

    config: AgentConfig
    machine: Machine
    inbox: Inbox
    checkpoint: Checkpoint
    containerizer: Containerizer
    links: LeaderLinks
    starter: Starter
    cleanup: Cleanup
    launches: LaunchMaker
    streams: ExecutorStreams
    checks: Checks
    volumes: VolumeStore
    end_watchers: Sequence[Callable[[ContainerEnd], None]]
    clock: Callable[[], int]
    run_blocking: RunBlocking
    timers: trio.Nursery
    turned: trio.Event = attrs.field(factory=trio.Event, init=False)
    _alarms: dict[RegistrationOver | CompletionOver, trio.CancelScope] = attrs.field(
        factory=dict, init=False
    )

    async def run(self) -> None:
        """Take events and perform turns, until cancelled.

        An OSError of the checkpoint ends it, and with it the agent: what cannot
        be recorded must not be done.
        """
        while True:
            events = await self.inbox.take()
            await self.perform(self.machine.turn(events, self.clock()))
            self.turned.set()
            self.turned = trio.Event()

    async def perform(self, turn: Turn) -> None:
        if turn.identity is not None:
            await self.run_blocking(self._save_identity)
        if turn.records:
            await self.checkpoint.append(
                turn.records, is_sync_needed=turn.is_sync_needed
            )
        for effect in turn.effects:
            self._perform_effect(effect)
        for end in turn.ends:
            for watcher in tuple(self.end_watchers):
                watcher(end)
        if self.checkpoint.is_compaction_due:
            portions = list(compacted(recovered_of(self.machine)))
            await self.run_blocking(self.checkpoint.rewrite, portions)

    def on_exit(self, key: ProcessKey, exit_: ProcessExit) -> None:
        """For the containerizer: the process of a task or an executor has ended."""
        data = None
        if not isinstance(key, ExecutorRun):
            held = self.machine.tasks.held.get(key)
            run = held.run if held is not None else None
            data = read_result(self.launches.sandbox_of(key, run))
        self.inbox.post_nowait(ProcessExited(key, exit_, data))

    def _perform_effect(self, effect: Effect) -> None:
        match effect:
            case Send(session, message):
                self.links.send_nowait(session, message)
            case StartTask(order, run):
                key = (order.framework_id, order.task.task_id)
                launch = self.launches.of_task(order.task, key, run, order.role)
                self.starter.add(launch)
            case StartExecutor():
                self._start_executor(effect)
            case SignalTask(process_key, signal):
                self.containerizer.signal_nowait(process_key, signal)
            case SetTimer(process_key, after_ms):
                self._set_timer(GraceOver(process_key), after_ms)
            case SetAlarm(event, after_ms):
                self._set_timer(event, after_ms)
            case CancelAlarm(event):
                scope = self._alarms.pop(event, None)
                if scope is not None:
                    scope.cancel()
            case TaskEnded(key):
                self.cleanup.add_ended(self.launches.sandbox_of(key, None))
            case RunEnded(ended_run):
                self.cleanup.add_ended(self.launches.sandbox_of_run(ended_run))
            case CancelStart(process_key):
                self.starter.cancel(process_key)
            case CloseSession(session, problem, is_refusal, is_ordered):
                self.links.close_nowait(
                    session, problem, is_refusal=is_refusal, is_ordered=is_ordered
                )
            case SendEvent(stream, event):
                self.streams.send_nowait(stream, event)
            case CloseStream(stream):
                self.streams.close_nowait(stream)
            case BeginChecks(task, key, run):
                launch = self.launches.of_task(task, key, run, "*")
                self.checks.begin(key, task, launch)
            case EndChecks(key):
                self.checks.end(key)
            case LinkVolumes(linked_run, resources):
                self._link_volumes(linked_run, resources)
            case DropVolumes(kept):
                self._drop_volumes(kept)

    def _start_executor(self, effect: StartExecutor) -> None:
        launch = self.launches.of_executor(
            effect.run, effect.info, effect.framework, effect.role
        )
        if launch is None:
            problem = "no program to start, or the agent has no HTTP port"
            self.inbox.post_nowait(StartFailed(effect.run, problem))
        else:
            self.starter.add(launch)

    def _link_volumes(self, run: ExecutorRun, resources: Resources) -> None:
        links = self.volumes.links_of(resources)
        try:
            link_volumes(self.launches.sandbox_of_run(run), links)
        except (VolumeError, OSError) as error:
            # Its task is handed over all the same: the executor sees what is missing.
            logger.warning("a volume for executor %s: %s", run.executor_id, error)

    def _drop_volumes(self, kept: tuple[VolumeName, ...]) -> None:
        try:
            is_something_to_empty = self.volumes.discard_others(kept)
        except OSError as error:
            logger.warning("cannot delete volumes: %s", error)
            return
        if is_something_to_empty:
            self.timers.start_soon(self.run_blocking, self.volumes.empty)

    def _set_timer(
        self, event: GraceOver | RegistrationOver | CompletionOver, after_ms: int
    ) -> None:
        scope = trio.CancelScope()
        if not isinstance(event, GraceOver):
            self._alarms[event] = scope
        self.timers.start_soon(self._time, event, after_ms, scope)

    async def _time(
        self,
        event: GraceOver | RegistrationOver | CompletionOver,
        after_ms: int,
        scope: trio.CancelScope,
    ) -> None:
        with scope:
            await trio.sleep(after_ms / 1000)
            if not isinstance(event, GraceOver):
                self._alarms.pop(event, None)
            self.inbox.post_nowait(event)

    def _save_identity(self) -> None:
        save_identity(
            self.config.meta_dir / "identity.json",
            self.machine.identity,
            is_fsync_on=self.config.is_fsync_on,
        )
