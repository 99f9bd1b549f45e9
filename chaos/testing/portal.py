"""Calls from plain threads into a trio loop in a thread of its own.

    portal = Portal("name")
    value = portal.open(make_context)      # enters an async context manager there
    portal.call(value.method, argument)    # awaits it there, blocks here
    portal.close()                         # leaves the context manager

The loop hears no signals: Ctrl-C is raised in the thread that waits, and what it waited
for is cancelled. The thread is a daemon: it does not keep an interpreter from ending.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar, TypeVarTuple

import attrs
import trio

from chaos.testing.errors import ClusterDiedError
from raftleader.cli.exit_codes import one_line, sole_error

T = TypeVar("T")
R = TypeVar("R")
Args = TypeVarTuple("Args")

CLOSE_TIMEOUT_S = 90.0
"""Healing may take a minute, stopping nodes some seconds."""


@attrs.define(eq=False)
class _Call:
    run: Callable[[], Awaitable[None]]
    fail: Callable[[Exception], None]
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)


@attrs.define(eq=False, slots=False)
class Portal(Generic[T]):
    """See the module. ``call`` may be used by several threads at once."""

    name: str
    _opened: Future[T] = attrs.field(factory=Future, init=False)
    _thread: threading.Thread | None = attrs.field(default=None, init=False)
    _token: trio.lowlevel.TrioToken | None = attrs.field(default=None, init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _closing: trio.Event = attrs.field(factory=trio.Event, init=False)
    _nursery: trio.Nursery | None = attrs.field(default=None, init=False)
    _failure: BaseException | None = attrs.field(default=None, init=False)

    def open(self, make: Callable[[], AbstractAsyncContextManager[T]]) -> T:
        """Start the loop and enter what ``make`` returns; its error if it has one.

        Interrupted, it is left again before this raises.
        """
        self._thread = threading.Thread(
            target=self._main, args=(make,), name=self.name, daemon=True
        )
        self._thread.start()
        try:
            return self._opened.result()
        except BaseException:
            self.abandon()
            raise

    def call(self, function: Callable[[*Args], Awaitable[R]], *args: *Args) -> R:
        """Await ``function`` in the loop; what it returns or raises.

        An exception in the waiting thread (Ctrl-C, a timeout of the test) cancels it.
        Raises ClusterDiedError when the loop has ended.
        """
        future: Future[R] = Future()

        async def run() -> None:
            future.set_result(await function(*args))

        call = _Call(run, future.set_exception)
        self._soon(lambda: self._begin(call))
        try:
            return future.result()
        except BaseException:
            if not future.done():
                self._soon(call.scope.cancel)
            raise

    def close(self) -> None:
        """Leave the context manager and end the loop. Idempotent.

        Raises what leaving it raised, or what it died of before.
        """
        try:
            self._soon(self._closing.set)
        except ClusterDiedError:
            pass  # it is closed, or the reason is raised below
        self._join()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def abandon(self) -> None:
        """The same in a hurry: what is being done is cancelled; raises nothing."""
        try:
            self._soon(self._scope.cancel)
        except ClusterDiedError:
            pass
        self._join()

    @property
    def is_alive(self) -> bool:
        """Whether calls can be made."""
        return self._thread is not None and self._thread.is_alive()

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join(CLOSE_TIMEOUT_S)

    def _soon(self, function: Callable[[], object]) -> None:
        if self._token is not None:
            try:
                self._token.run_sync_soon(function)
                return
            except trio.RunFinishedError:
                pass
        why = f": {one_line(self._failure)}" if self._failure is not None else ""
        raise ClusterDiedError(f"{self.name} has ended{why}")

    def _main(self, make: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        try:
            trio.run(self._serve, make)
        except BaseException as error:
            cause = sole_error(error)
            if self._opened.done():
                self._failure = cause
            else:
                self._opened.set_exception(cause)
        if not self._opened.done():
            self._opened.set_exception(ClusterDiedError(f"{self.name} was interrupted"))

    async def _serve(self, make: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._token = trio.lowlevel.current_trio_token()
        with self._scope:
            async with make() as value, trio.open_nursery() as nursery:
                self._nursery = nursery
                self._opened.set_result(value)
                await self._closing.wait()
                nursery.cancel_scope.cancel()

    def _begin(self, call: _Call) -> None:
        assert self._nursery is not None, "calls come after opening"
        try:
            self._nursery.start_soon(self._run, call)
        except RuntimeError:  # it is being closed
            call.fail(ClusterDiedError(f"{self.name} has ended"))

    async def _run(self, call: _Call) -> None:
        try:
            with call.scope:
                await call.run()
        except Exception as error:
            call.fail(error)
        except BaseException:
            call.fail(ClusterDiedError(f"{self.name} has ended"))
            raise
