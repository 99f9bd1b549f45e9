"""Something that starts, dies and starts again, like a process."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import attrs
import trio

from chaos.sim.whole.history import History
from chaos.sim.whole.processes import Process


class Death(Exception):
    """Raised inside a life to end it as a crash does: at a point of the code."""


class Body(Protocol):
    """One life: runs until cancelled; ``started`` when it is up."""

    async def __call__(self, *, task_status: trio.TaskStatus[None]) -> None: ...


@attrs.define(eq=False)
class Lives:
    """The lives of one process, one after another, in the nursery it is given.

    Attributes:
        count: Lives begun so far.
        is_over: It is dead for ever: ``start`` does nothing.
    """

    process: Process
    history: History
    nursery: trio.Nursery
    body: Body
    count: int = 0
    is_over: bool = False
    _is_crash: bool = attrs.field(default=False, init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _up: trio.Event = attrs.field(factory=trio.Event, init=False)
    _ended: trio.Event | None = attrs.field(default=None, init=False)

    @property
    def is_up(self) -> bool:
        return self._ended is not None and not self._ended.is_set()

    @property
    def label(self) -> str:
        """The name of the present life."""
        return f"{self.process.name}/{self.count}"

    async def start(self) -> None:
        """Begin a life, unless one goes on; waits for one that is ending, and until
        the new one is up, or has ended already."""
        while self.is_up:
            if not self._scope.cancel_called:
                return
            await self.wait_ended()
        if self.is_over:
            return
        self.count += 1
        self._is_crash = False
        self.history.note(f"{self.label} starts")
        self._ended, self._up = trio.Event(), trio.Event()
        self._scope = trio.CancelScope()
        self.process.run(self.nursery.start_soon, self._live)
        await self._up.wait()

    async def end(
        self,
        how: str,
        before: Callable[[], object] = lambda: None,
        *,
        is_crash: bool = False,
    ) -> None:
        """End the life, if one goes on, and wait; ``before`` is called just before.

        ``is_crash``: what it raises meanwhile is no failure: it is dead already."""
        if not self.is_up:
            return
        self.history.note(f"{self.label} {how}", counted=how)
        self._is_crash = is_crash
        before()
        self.process.go_on()
        self._scope.cancel()
        await self.wait_ended()

    async def wait_ended(self) -> None:
        """Return when no life goes on."""
        if self._ended is not None:
            await self._ended.wait()

    async def _live(self) -> None:
        assert self._ended is not None
        up = _Up(self._up)
        try:
            with self._scope:
                await self.body(task_status=up)
        except Exception as error:
            for one in innermost(error):
                if not (self._is_crash or isinstance(one, Death)):
                    self.history.fail(f"{self.label} died: {_words(one)}")
        finally:
            self._ended.set()
            up.started()


def innermost(error: BaseException) -> Iterator[BaseException]:
    """The errors in nested groups, or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from innermost(inner)
    else:
        yield error


def _words(error: BaseException) -> str:
    """What went wrong, and the last places it went through."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    way = ", ".join(
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames
    )
    return f"{type(error).__name__}: {error} ({way})"


@attrs.define
class _Up:
    """A life may end before it has started; whoever waits must not wait for ever."""

    event: trio.Event

    def started(self, value: None = None) -> None:
        self.event.set()
