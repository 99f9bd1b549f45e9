"""Waiting for what sends no word when it happens."""

from __future__ import annotations

from collections.abc import Callable

import trio


async def wait_until(is_so: Callable[[], bool], *, every_s: float = 0.01) -> None:
    """Look again and again. Cancel-safe."""
    while not is_so():  # noqa: ASYNC110 - the kernel has no event for it
        await trio.sleep(every_s)
