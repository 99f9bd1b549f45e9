"""Calls into a loop in another thread."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import pytest
import trio

from chaos.testing.errors import ClusterDiedError
from chaos.testing.portal import Portal


@attrs.define
class Place:
    """What is opened; notes what happens to it."""

    is_open: bool = False
    is_broken: trio.Event = attrs.field(factory=trio.Event)
    was_cancelled: threading.Event = attrs.field(factory=threading.Event)
    thread: str = ""

    async def double(self, number: int) -> int:
        await trio.lowlevel.checkpoint()
        self.thread = threading.current_thread().name
        return 2 * number

    async def fail(self) -> None:
        await trio.lowlevel.checkpoint()
        raise ValueError("no")

    async def wait(self, began: threading.Event) -> None:
        try:
            began.set()
            await trio.sleep_forever()
        finally:
            self.was_cancelled.set()

    def opener(self) -> Callable[[], AbstractAsyncContextManager[Place]]:
        @asynccontextmanager
        async def make() -> AsyncIterator[Place]:
            self.is_open = True
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._break)
                    yield self
                    nursery.cancel_scope.cancel()
            finally:
                self.is_open = False

        return make

    async def _break(self) -> None:
        await self.is_broken.wait()
        raise OSError("it fell down")

    async def break_it(self) -> None:
        self.is_broken.set()
        await trio.sleep_forever()


def test_portal_calls_in_its_own_thread_and_hands_on_what_comes() -> None:
    place, portal = Place(), Portal[Place]("the place")
    assert portal.open(place.opener()) is place
    assert portal.call(place.double, 21) == 42
    assert place.thread == "the place"
    with pytest.raises(ValueError, match="no"):
        portal.call(place.fail)
    assert portal.call(place.double, 1) == 2
    assert place.is_open
    portal.close()
    portal.close()
    assert not place.is_open
    assert not portal.is_alive


def test_portal_says_why_it_could_not_open() -> None:
    @asynccontextmanager
    async def make() -> AsyncIterator[None]:
        await trio.lowlevel.checkpoint()
        raise OSError("no room")
        yield

    portal = Portal[None]("the place")
    with pytest.raises(OSError, match="no room"):
        portal.open(make)
    assert not portal.is_alive


def test_portal_cancels_what_an_interrupted_thread_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place, portal = Place(), Portal[Place]("the place")
    portal.open(place.opener())
    began = threading.Event()

    class Interrupted(Exception):
        pass

    def interrupt(future: object, timeout: float | None = None) -> None:
        began.wait(5.0)
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr("chaos.testing.portal.Future.result", interrupt)
        with pytest.raises(Interrupted):
            portal.call(place.wait, began)
    assert place.was_cancelled.wait(5.0)
    portal.close()


def test_portal_that_died_says_of_what() -> None:
    place, portal = Place(), Portal[Place]("the place")
    portal.open(place.opener())
    with pytest.raises(ClusterDiedError, match="the place has ended"):
        portal.call(place.break_it)
    with pytest.raises(OSError, match="it fell down"):
        portal.close()
    with pytest.raises(ClusterDiedError):
        portal.call(place.double, 1)


def test_portal_abandoned_leaves_what_it_opened_and_ends_calls() -> None:
    place, portal = Place(), Portal[Place]("the place")
    portal.open(place.opener())
    began, errors = threading.Event(), list[Exception]()

    def wait() -> None:
        try:
            portal.call(place.wait, began)
        except ClusterDiedError as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    assert began.wait(5.0)
    portal.abandon()
    thread.join(5.0)
    assert len(errors) == 1
    assert not place.is_open
