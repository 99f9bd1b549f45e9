"""Something that starts, dies and starts again, like a process."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import attrs
import trio

from chaos.sim.whole.history import History


class Body(Protocol):
    """One life: runs until cancelled; ``started`` when it is up."""

    async def __call__(self, *, task_status: trio.TaskStatus[None]) -> None: ...


@attrs.define(eq=False)
class Lives:
    """The lives of one process, one after another, in the nursery it is given.

    Attributes:
        count: Lives begun so far.
    """

    name: str
    history: History
    nursery: trio.Nursery
    body: Body
    count: int = 0
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _ended: trio.Event | None = attrs.field(default=None, init=False)

    @property
    def is_up(self) -> bool:
        return self._ended is not None and not self._ended.is_set()

    @property
    def label(self) -> str:
        """The name of the present life."""
        return f"{self.name}/{self.count}"

    async def start(self) -> None:
        """Begin a life, unless one goes on; waits for one that is ending."""
        while self.is_up:
            if not self._scope.cancel_called:
                return
            await self._wait_ended()
        self.count += 1
        self.history.note(f"{self.label} starts")
        self._ended = trio.Event()
        self._scope = trio.CancelScope()
        await self.nursery.start(self._live)

    async def end(self, how: str, before: Callable[[], object] = lambda: None) -> None:
        """End the life, if one goes on, and wait; ``before`` is called just before."""
        if not self.is_up:
            return
        self.history.note(f"{self.label} {how}", counted=how)
        before()
        self._scope.cancel()
        await self._wait_ended()

    async def _wait_ended(self) -> None:
        assert self._ended is not None
        await self._ended.wait()

    async def _live(self, *, task_status: trio.TaskStatus[None]) -> None:
        assert self._ended is not None
        once = _Once(task_status)
        try:
            with self._scope:
                await self.body(task_status=once)
        except Exception as error:
            for one in _innermost(error):
                self.history.fail(f"{self.label} died: {_words(one)}")
        finally:
            self._ended.set()
            once.started()


def _innermost(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _innermost(inner)
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
class _Once:
    """A life may end before it has started; whoever waits must not wait for ever."""

    inner: trio.TaskStatus[None]
    is_started: bool = False

    def started(self, value: None = None) -> None:
        if not self.is_started:
            self.is_started = True
            self.inner.started(value)
