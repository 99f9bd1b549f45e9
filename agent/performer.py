"""Carries out what the machine decides: records first, then effects, in order."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from agent.checkpoint import Checkpoint, RunBlocking
from agent.cleanup import Cleanup
from agent.config import AgentConfig
from agent.containerizer.interface import Containerizer, Launch
from agent.identity import save_identity
from agent.inbox import Inbox
from agent.leader_link import LeaderLinks
from agent.machine import Machine
from agent.machine.effects import (
    CancelStart,
    CloseSession,
    Effect,
    Send,
    SetTimer,
    SignalTask,
    StartTask,
    TaskEnded,
    Turn,
)
from agent.machine.events import GraceOver, ProcessExit, ProcessExited
from agent.recovery import compacted, recovered_of
from agent.sandbox import read_result, sandbox_path
from agent.starter import Starter
from raftleader.protocol.agent_rpc import TaskOrder
from raftleader.protocol.ids import TaskKey


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
    clock: Callable[[], int]
    run_blocking: RunBlocking
    timers: trio.Nursery
    turned: trio.Event = attrs.field(factory=trio.Event, init=False)

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
        if self.checkpoint.is_compaction_due:
            portions = list(compacted(recovered_of(self.machine.tasks)))
            await self.run_blocking(self.checkpoint.rewrite, portions)

    def on_exit(self, key: TaskKey, exit_: ProcessExit) -> None:
        """For the containerizer: a task's process has ended."""
        data = read_result(sandbox_path(self.config.sandbox_root, key))
        self.inbox.post_nowait(ProcessExited(key, exit_, data))

    def _perform_effect(self, effect: Effect) -> None:
        match effect:
            case Send(session, message):
                self.links.send_nowait(session, message)
            case StartTask(order):
                self._start(order)
            case SignalTask(key, signal):
                self.containerizer.signal_nowait(key, signal)
            case SetTimer(key, after_ms):
                self.timers.start_soon(self._time, key, after_ms)
            case TaskEnded(key):
                self.cleanup.add_ended(key)
            case CancelStart(key):
                self.starter.cancel(key)
            case CloseSession(session, problem, is_refusal):
                self.links.close_nowait(session, problem, is_refusal=is_refusal)

    def _start(self, order: TaskOrder) -> None:
        key = (order.framework_id, order.task.task_id)
        assert order.task.command is not None, "the machine has looked"
        launch = Launch(
            key=key,
            command=order.task.command,
            sandbox=sandbox_path(self.config.sandbox_root, key),
            data=order.task.data,
            agent_id=self.machine.identity.agent_id or "",
        )
        self.starter.add(launch)

    async def _time(self, key: TaskKey, after_ms: int) -> None:
        await trio.sleep(after_ms / 1000)
        self.inbox.post_nowait(GraceOver(key))

    def _save_identity(self) -> None:
        save_identity(
            self.config.meta_dir / "identity.json",
            self.machine.identity,
            is_fsync_on=self.config.is_fsync_on,
        )
