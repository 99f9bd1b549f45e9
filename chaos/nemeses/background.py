"""Something a nemesis goes on doing between its beginning and its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio


@attrs.define
class Background:
    """A task that runs until it is stopped.

    ``inject`` returns while its fault is in force, so no nursery of a nemesis can be
    open then; the task is one of trio's system tasks, which end with the run whatever
    happens. What it raises is kept for who stops it.
    """

    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _done: trio.Event = attrs.field(factory=trio.Event, init=False)
    _problem: Exception | None = attrs.field(default=None, init=False)

    @classmethod
    def start(cls, work: Callable[[], Awaitable[None]]) -> Background:
        """Begin; ``work`` may also end by itself."""
        task = cls()
        trio.lowlevel.spawn_system_task(task._run, work, name="a nemesis")
        return task

    async def stop(self) -> None:
        """Cancel it, wait until it is over, and raise what it raised. Once only."""
        self._scope.cancel()
        with trio.CancelScope(shield=True):
            await self._done.wait()
        if self._problem is not None:
            raise self._problem

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            with self._scope:
                await work()
        except Exception as error:  # told by stop
            self._problem = error
        finally:
            self._done.set()
