"""Processes of the simulation: sets of tasks that can be stopped, as by SIGSTOP.

Every task belongs to the process whose context it was started in. A stopped process
runs nothing: its tasks that become ready, for whatever reason, are kept back until it
goes on. Time passes meanwhile, and what others send it waits.

Trio has no such thing; its queue of ready tasks is replaced by one that looks. That
is private to trio, as is the switch in ``determinism.py``.
"""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import attrs
import trio

from chaos.sim.whole.clock import VirtualClock

T = TypeVar("T")

_process: contextvars.ContextVar[Process | None] = contextvars.ContextVar(
    "process", default=None
)


@attrs.define(eq=False)
class Process:
    """One process; it has the tasks that were started through ``run``, and theirs.

    Attributes:
        pauses: How often it was stopped.
    """

    name: str
    clock: VirtualClock
    _queue: ReadyQueue
    pauses: int = attrs.field(default=0, init=False)
    _context: contextvars.Context = attrs.field(init=False)
    _held: list[trio.lowlevel.Task] | None = attrs.field(default=None, init=False)
    _until_s: float = attrs.field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self._context = contextvars.copy_context()
        self._context.run(_process.set, self)

    @property
    def is_stopped(self) -> bool:
        return self._held is not None

    def run(self, function: Callable[..., T], /, *args: Any) -> T:
        """Call it in the name of this process: tasks that it starts are ours."""
        return self._context.copy().run(function, *args)

    def stop_until(self, until_s: float) -> None:
        """Run nothing before this time; of several the last counts. A task that is
        running now goes on until it waits."""
        self.pauses += 1
        if self._held is None:
            self._held = []
            self._queue.stopped += 1
        if until_s > self._until_s:
            self._until_s = until_s
            self.clock.call_at(until_s, self._perhaps_go_on)

    def go_on(self) -> None:
        """Run again, before the time. Idempotent."""
        self._until_s = 0.0
        held, self._held = self._held, None
        if held is not None:
            self._queue.stopped -= 1
            self._queue.extend(held)

    def _perhaps_go_on(self) -> None:
        if self.clock.now_s >= self._until_s:
            self.go_on()

    def hold(self, task: trio.lowlevel.Task) -> bool:
        """Keep a task that is ready back, if we are stopped."""
        if self._held is None:
            return False
        self._held.append(task)
        return True


class ReadyQueue(deque[trio.lowlevel.Task]):
    """Trio's queue of ready tasks, without those of stopped processes.

    Attributes:
        stopped: How many processes are stopped.
    """

    stopped = 0

    def append(self, task: trio.lowlevel.Task, /) -> None:
        if self.stopped:
            process = task.context.get(_process)
            if process is not None and process.hold(task):
                return
        super().append(task)

    def install(self) -> None:
        """Take the place of the queue of the trio loop that is running."""
        task: Any = trio.lowlevel.current_task()
        runner = task._runner
        self.extend(runner.runq)
        runner.runq = self
