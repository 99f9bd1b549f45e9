"""Scripted tasks, for simulations: no process, no sandbox, time by trio's clock.

One object stands for the processes of one machine: like them it outlives an agent
that crashes, and its next agent finds what is left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import attrs
import trio

from agent.containerizer.interface import Launch, Leftover, OnExit, StartError
from agent.machine.effects import Signal
from agent.machine.events import ProcessExit
from agent.records import ProcessKey, ProcessMark

BOOT_ID = "simulated"


@attrs.frozen(kw_only=True)
class Script:
    """How a task goes.

    Attributes:
        duration_s: Until it ends by itself.
        exit: How it then ends.
        is_term_ignored: Whether only KILL ends it early.
        problem: If set, it cannot be started at all, for this reason.
        fetch_s: How long it takes to fetch what its command names, if it names any.
    """

    duration_s: float = 0.0
    exit: ProcessExit = attrs.field(default=ProcessExit(code=0))
    is_term_ignored: bool = False
    problem: str | None = None
    fetch_s: float = 0.0


@attrs.define(eq=False)
class _Running:
    launch: Launch
    script: Script
    mark: ProcessMark
    asked: trio.Event = attrs.field(factory=trio.Event)
    signal: Signal | None = None


@attrs.define(eq=False)
class FakeContainerizer:
    """A Containerizer that runs what ``script_of`` says.

    Attributes:
        starts: Every task ever started, in order, for checkers: none may be in
            it twice.
        signals: Every signal sent to a task that ran.
        fetching: What is being fetched for now.
    """

    script_of: Callable[[Launch], Script] = attrs.field(default=lambda launch: Script())
    starts: list[ProcessKey] = attrs.field(factory=list, init=False)
    signals: list[tuple[ProcessKey, Signal]] = attrs.field(factory=list, init=False)
    fetching: list[ProcessKey] = attrs.field(factory=list, init=False)
    _running: dict[ProcessKey, _Running] = attrs.field(factory=dict, init=False)
    _new: deque[_Running] = attrs.field(factory=deque, init=False)
    _woken: trio.Event = attrs.field(factory=trio.Event, init=False)

    @property
    def running(self) -> list[ProcessKey]:
        """What runs now, in order of its start."""
        return list(self._running)

    async def run(
        self,
        on_exit: OnExit,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        async with trio.open_nursery() as nursery:
            task_status.started()
            while True:
                while self._new:
                    nursery.start_soon(self._play, self._new.popleft(), on_exit)
                self._woken = trio.Event()
                await self._woken.wait()

    async def fetch(self, launch: Launch) -> None:
        self.fetching.append(launch.key)
        try:
            await trio.sleep(self.script_of(launch).fetch_s)
        finally:
            self.fetching.remove(launch.key)

    def start_nowait(self, launch: Launch) -> ProcessMark:
        script = self.script_of(launch)
        if script.problem is not None:
            raise StartError(script.problem)
        self.starts.append(launch.key)
        number = len(self.starts)
        mark = ProcessMark(pid=number, start_ticks=number, boot_id=BOOT_ID)
        running = _Running(launch, script, mark)
        self._running[launch.key] = running
        self._new.append(running)
        self._woken.set()
        return mark

    def signal_nowait(self, key: ProcessKey, signal_: Signal) -> None:
        running = self._running.get(key)
        if running is None:
            return
        self.signals.append((key, signal_))
        if signal_ is Signal.TERM and running.script.is_term_ignored:
            return
        running.signal = running.signal or signal_
        running.asked.set()

    def signal_number_nowait(self, key: ProcessKey, number: int) -> None:
        self.signal_nowait(key, Signal.KILL if number == 9 else Signal.TERM)

    async def kill_leftovers(self, leftovers: Sequence[Leftover]) -> int:
        await trio.lowlevel.checkpoint()
        wanted = {item.key for item in leftovers}
        found = [key for key in self._running if key in wanted]
        for key in found:
            del self._running[key]
        return len(found)

    async def _play(self, running: _Running, on_exit: OnExit) -> None:
        key = running.launch.key
        if self._running.get(key) is not running:
            return  # killed as a leftover before this agent got to it
        with trio.move_on_after(running.script.duration_s):
            await running.asked.wait()
        del self._running[key]
        if running.signal is not None:
            on_exit(key, ProcessExit(signal=running.signal.value))
        else:
            on_exit(key, running.script.exit)
