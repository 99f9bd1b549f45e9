"""The same seed gives the same run: trio's order of tasks comes from the seed too.

Trio runs the tasks that are ready in an order of chance, so that nobody relies on
one. It has a switch, made for Hypothesis, that sorts them by age first and draws the
order from a generator that can be seeded; it is private, so all use of it is here.
``tests/simulation/test_determinism.py`` notices when it no longer works.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import trio

from chaos.sim.whole.clock import VirtualClock

T = TypeVar("T")

LOOK_EVERY = 1000
"""Turns of the loop between two looks at the system."""


class StandstillError(Exception):
    """Every task waits, and nothing will ever happen."""


def run_deterministically(
    main: Callable[[], Awaitable[T]], seed: int, clock: VirtualClock | None = None
) -> T:
    """``trio.run(main)`` on a clock that jumps, in the order that ``seed`` gives.

    Nothing may wait for another thread or for the system: time jumps as soon as
    every task waits. Raises StandstillError if nothing will ever happen.
    """
    clock = clock or VirtualClock()

    async def run() -> T:
        _look_at_the_system_rarely()
        with trio.CancelScope() as scope:
            clock.on_standstill = scope.cancel
            return await main()
        raise StandstillError("every task waits, and nothing will ever happen")

    with _seeded_order(seed):
        return trio.run(run, clock=clock)


def _look_at_the_system_rarely() -> None:
    """No task waits for a socket or a thread, so a look in each turn of the loop is in
    vain; now and then, for whoever interrupts us, and at the end, it is not."""
    task: Any = trio.lowlevel.current_task()
    runner = task._runner
    runner.io_manager = _RareLooks(runner.io_manager)


class _RareLooks:
    """What looks for trio whether a socket is ready."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self._turns = 0

    def get_events(self, timeout: float) -> Any:
        self._turns += 1
        if timeout == 0 and self._turns % LOOK_EVERY:
            return ()
        return self._real.get_events(timeout)

    def process_events(self, events: Any) -> None:
        if events:
            self._real.process_events(events)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@contextmanager
def _seeded_order(seed: int) -> Iterator[None]:
    scheduler: Any = importlib.import_module("trio._core._run")
    generator: random.Random = scheduler._r
    before = scheduler._ALLOW_DETERMINISTIC_SCHEDULING, generator.getstate()
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True
    generator.seed(seed)
    try:
        yield
    finally:
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING = before[0]
        generator.setstate(before[1])
