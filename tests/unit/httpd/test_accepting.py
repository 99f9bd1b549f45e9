from __future__ import annotations

import errno

import pytest
import trio
import trio.testing

from raftleader.httpd.accepting import accept_connections


class Listener:
    """Has no descriptors for a while, then one connection, then breaks or waits."""

    def __init__(self, short_s: float, last: OSError | None = None) -> None:
        self.short_until = trio.current_time() + short_s
        self.last = last
        self.is_closed = False
        self.connections = iter([trio.testing.memory_stream_pair()[0]])

    async def accept(self) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        if trio.current_time() < self.short_until:
            raise OSError(errno.EMFILE, "Too many open files")
        for stream in self.connections:
            return stream
        if self.last is not None:
            raise self.last
        return await trio.sleep_forever()

    async def __aenter__(self) -> Listener:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.is_closed = True


async def test_without_descriptors_it_waits_for_some_and_says_so_seldom(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    served: list[float] = []

    async def serve(stream: trio.abc.Stream) -> None:
        await trio.lowlevel.checkpoint()
        served.append(trio.current_time())

    listener = Listener(short_s=25.0)
    with trio.move_on_after(100.0):
        async with trio.open_nursery() as nursery:
            await accept_connections(listener, serve, nursery)  # type: ignore[arg-type]
    assert len(served) == 1 and 25.0 <= served[0] < 25.2
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    assert "Too many open files" in caplog.records[0].getMessage()
    assert listener.is_closed


async def test_a_broken_listener_is_told_of(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def serve(stream: trio.abc.Stream) -> None:
        await trio.lowlevel.checkpoint()

    listener = Listener(short_s=0.0, last=OSError(errno.EBADF, "Bad file descriptor"))
    with pytest.raises(BaseExceptionGroup) as caught:
        async with trio.open_nursery() as nursery:
            await accept_connections(listener, serve, nursery)  # type: ignore[arg-type]
    assert caught.group_contains(OSError, match="Bad file descriptor")
    assert listener.is_closed
