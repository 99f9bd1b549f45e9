"""A nursery whose first error comes out as itself.

Users of this library write ``except UnavailableError`` around ``async with``;
an ExceptionGroup, however right inside, would make them write ``except*``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol, TypeVarTuple

import trio

Args = TypeVarTuple("Args")


class PlainNursery:
    """Children that end together; of several errors the first one is told."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.problem: Exception | KeyboardInterrupt | None = None
        self._nursery = nursery

    def start_soon(
        self,
        child: Callable[[*Args], Awaitable[object]],
        *args: *Args,
    ) -> None:
        """Run ``child``; an exception it raises ends all."""
        self._nursery.start_soon(self._run, child, args)

    def cancel(self) -> None:
        """End all children and the body."""
        self._nursery.cancel_scope.cancel()

    def fail(self, problem: Exception | KeyboardInterrupt) -> None:
        """End all because of ``problem``."""
        if self.problem is None:
            self.problem = problem
        self.cancel()

    async def _run(
        self,
        child: Callable[[*Args], Awaitable[object]],
        args: tuple[*Args],
    ) -> None:
        try:
            await child(*args)
        except Exception as error:  # raised again by open_plain_nursery
            self.fail(error)


@asynccontextmanager
async def open_plain_nursery() -> AsyncIterator[PlainNursery]:
    """Like ``trio.open_nursery``, but for how errors come out.

    Leaving the body waits for the children; call ``cancel`` to end them.
    """
    async with trio.open_nursery() as nursery:
        plain = PlainNursery(nursery)
        try:
            yield plain
        except (Exception, KeyboardInterrupt) as error:
            plain.fail(error)
    if plain.problem is not None:
        raise plain.problem


class Service(Protocol):
    """A service as our house writes them."""

    async def __call__(self, *, task_status: trio.TaskStatus[None]) -> None: ...


@asynccontextmanager
async def run_behind(service: Service) -> AsyncIterator[None]:
    """Run ``service`` while the body runs, which begins once it has started.

    If the service fails the body is cancelled and the error comes out; if it
    returns, the body goes on.
    """
    async with open_plain_nursery() as nursery:
        status = _Started()

        async def run() -> None:
            await service(task_status=status)

        nursery.start_soon(run)
        await status.event.wait()
        yield
        nursery.cancel()


class _Started(trio.TaskStatus[None]):
    """A task status that sets an event."""

    def __init__(self) -> None:
        self.event = trio.Event()

    def started(self, value: None = None) -> None:
        self.event.set()
