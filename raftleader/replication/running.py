"""Where a function that waits for the disk is called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

import trio


class RunBlocking(Protocol):
    """Calls a function that waits for the disk, and raises what it raises."""

    def __call__(
        self, function: Callable[[Callable[[], None]], None], sync: Callable[[], None]
    ) -> Awaitable[None]: ...


async def run_here(
    function: Callable[[Callable[[], None]], None], sync: Callable[[], None]
) -> None:
    """At once, in the event loop."""
    function(sync)


def in_thread() -> RunBlocking:
    """In a thread, one at a time, while the event loop goes on.

    Has room of its own: it must not wait for others' threads.
    """
    return partial(trio.to_thread.run_sync, limiter=trio.CapacityLimiter(1))
