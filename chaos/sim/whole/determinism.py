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


def run_deterministically(
    main: Callable[[], Awaitable[T]], seed: int, clock: VirtualClock | None = None
) -> T:
    """``trio.run(main)`` on a clock that jumps, in the order that ``seed`` gives.

    Nothing may wait for another thread or for the system: time jumps as soon as
    every task waits.
    """
    with _seeded_order(seed):
        return trio.run(main, clock=clock or VirtualClock())


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
