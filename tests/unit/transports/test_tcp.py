from __future__ import annotations

import logging
import os
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import trio
import trio.testing

from transports.errors import BadAddressError, DialError, LinkClosedError
from transports.interface import Link
from transports.tcp import TcpTransport
from transports.tcp_link import TcpLink

ANYWHERE = "tcp://127.0.0.1:0"


async def echo(link: Link) -> None:
    while True:
        await link.send_many(await link.receive_many())


@asynccontextmanager
async def listening(transport: TcpTransport) -> AsyncIterator[str]:
    async with trio.open_nursery() as nursery:
        yield await nursery.start(transport.serve, ANYWHERE, echo)
        nursery.cancel_scope.cancel()


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """No file or socket can be opened; those that are open stay."""
    lowest_free = os.dup(0)
    os.close(lowest_free)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_listener_says_the_address_it_is_bound_to() -> None:
    async with listening(TcpTransport()) as bound:
        assert bound.startswith("tcp://127.0.0.1:")
        assert not bound.endswith(":0")


async def test_links_of_both_ends_send_small_frames_at_once_and_are_probed() -> None:
    accepted: list[TcpLink] = []

    async def keep(link: Link) -> None:
        assert isinstance(link, TcpLink)
        accepted.append(link)
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        bound = await nursery.start(TcpTransport().serve, ANYWHERE, keep)
        dialled = await TcpTransport().dial(bound)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert isinstance(dialled, TcpLink)
        for link in (dialled, accepted[0]):
            connected = link._socket
            assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
            assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
            user_timeout = socket.TCP_USER_TIMEOUT
            assert connected.getsockopt(socket.IPPROTO_TCP, user_timeout) == 30_000
        assert dialled.peer == accepted[0].local == bound
        assert dialled.local == accepted[0].peer
        await dialled.aclose()
        nursery.cancel_scope.cancel()


async def test_listener_goes_on_when_it_was_out_of_descriptors(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        async with listening(TcpTransport()) as bound:
            host, port = bound[6:].split(":")
            with socket.socket() as client:
                client.setblocking(False)
                with no_more_descriptors():
                    assert client.connect_ex((host, int(port))) in (0, 115)
                    await trio.sleep(0.05)
                    assert "cannot accept links" in caplog.text
                link = await TcpTransport().dial(bound)
                await link.send(b"x")
                assert await link.receive() == b"x"
                await link.aclose()
    assert "Too many open files" in caplog.text


async def test_link_over_the_limit_is_closed_and_there_is_room_again_later() -> None:
    transport = TcpTransport(links_max=2)
    async with listening(transport) as bound:
        links = [await transport.dial(bound) for _ in range(2)]
        for link in links:
            await link.send(b"x")
            assert await link.receive() == b"x"
        extra = await transport.dial(bound)
        with pytest.raises(LinkClosedError):
            await extra.receive()
        await links[0].aclose()
        await trio.testing.wait_all_tasks_blocked(0.01)
        late = await transport.dial(bound)
        await late.send(b"x")
        assert await late.receive() == b"x"
        for link in (*links, extra, late):
            await link.aclose()


async def test_limit_is_said_once_not_for_every_link_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    transport = TcpTransport(links_max=0)
    with caplog.at_level(logging.WARNING):
        async with listening(transport) as bound:
            for _ in range(5):
                link = await transport.dial(bound)
                with pytest.raises(LinkClosedError):
                    await link.receive()
    assert len([r for r in caplog.records if "refused" in r.message]) == 1


async def test_dial_gives_up_after_its_timeout() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # the kernel answers no SYN once its queue is full
            filler.setblocking(False)
            filler.connect_ex(address)
        with (
            trio.fail_after(5),
            pytest.raises(DialError, match=r"did not answer in 0\.1 s"),
        ):
            await TcpTransport(dial_timeout_s=0.1).dial(f"tcp://127.0.0.1:{address[1]}")
        for filler in fillers:
            filler.close()


async def test_dial_of_port_0_or_of_no_host_is_refused() -> None:
    with pytest.raises(BadAddressError, match="port 0"):
        await TcpTransport().dial("tcp://127.0.0.1:0")
    with pytest.raises(DialError):
        await TcpTransport().dial("tcp://" + "x" * 70 + ".invalid:1")
    with pytest.raises(BadAddressError, match="invalid"):
        await TcpTransport().serve("tcp://" + "x" * 70 + ".invalid:1", echo)


async def test_dial_that_meets_itself_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TCP lets a socket connect to its own port, which the kernel may have chosen
    for it; here we choose."""
    itself = trio.socket.socket()
    await itself.bind(("127.0.0.1", 0))
    port = itself.getsockname()[1]
    await itself.connect(("127.0.0.1", port))

    async def open_tcp_stream(host: str, port: int) -> trio.SocketStream:
        return trio.SocketStream(itself)

    monkeypatch.setattr(trio, "open_tcp_stream", open_tcp_stream)
    with pytest.raises(DialError, match="nobody listens there"):
        await TcpTransport().dial(f"tcp://127.0.0.1:{port}")


async def test_half_a_frame_at_the_end_is_told() -> None:
    heard: list[str] = []

    async def note(link: Link) -> None:
        with pytest.raises(LinkClosedError) as caught:
            await link.receive()
        heard.append(str(caught.value))

    async with trio.open_nursery() as nursery:
        bound = await nursery.start(TcpTransport().serve, ANYWHERE, note)
        host, port = bound[6:].split(":")
        stream = await trio.open_tcp_stream(host, int(port))
        await stream.send_all(b"\xd7\x01")
        await stream.aclose()
        await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()
    assert len(heard) == 1
    assert heard[0].endswith("closed the link in half a frame")


async def test_batch_costs_one_write_and_few_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []

    class CountingSocket(socket.socket):
        def send(self, data: Any, flags: int = 0) -> int:
            calls.append("send")
            return super().send(data, flags)

        def recv(self, size: int, flags: int = 0) -> bytes:
            calls.append("recv")
            return super().recv(size, flags)

    left, right = socket.socketpair()
    links = []
    for end in (left, right):
        end.setblocking(False)
        counting = CountingSocket(fileno=end.detach())
        links.append(TcpLink(counting, peer="p", local="l", frame_bytes_max=1000))
    frames = [b"x" * 100] * 200
    await links[0].send_many(frames)
    assert await links[1].receive_many() == frames
    assert calls == ["send", "recv"]
    for link in links:
        await link.aclose()
