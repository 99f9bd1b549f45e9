"""What gets from host to host: sockets that stand in the hosts of a network."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Collection, Sized
from contextlib import asynccontextmanager
from functools import partial

import trio

from chaos.live.seams import Link
from chaos.network.hosted import HostedNetwork

WORD_PORT = 7001
ECHO_PORT = 7002
ARRIVAL_S = 0.06
"""When nothing has come for so long, nothing comes any more: links take 0.1 ms."""
SO_RCVBUFFORCE = 33  # Python does not name it
BUFFER_BYTES = 4 * 1024 * 1024


def host_socket(
    network: HostedNetwork, host: str, kind: socket.SocketKind
) -> trio.socket.SocketType:
    """A socket belongs to the namespace in which it was made."""
    make = partial(socket.socket, socket.AF_INET, kind)
    made = network.hosts.namespaces[host].run(make)
    made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setblocking(False)
    return trio.socket.from_stdlib_socket(made)


async def word_socket(network: HostedNetwork, host: str) -> trio.socket.SocketType:
    """For datagrams."""
    made = host_socket(network, host, socket.SOCK_DGRAM)
    await made.bind((network.ip(host), WORD_PORT))
    return made


async def passing(network: HostedNetwork, hosts: Collection[str]) -> set[Link]:
    """The directions in which a datagram arrives, out of all."""
    sockets = {host: await word_socket(network, host) for host in hosts}
    seen: set[Link] = set()

    async def hear(host: str) -> None:
        while True:
            word = await sockets[host].recv(100)
            seen.add((word.decode(), host))

    try:
        async with trio.open_nursery() as nursery:
            for host in hosts:
                nursery.start_soon(hear, host)
            for source in hosts:
                for target in hosts:
                    if source != target:
                        address = (network.ip(target), WORD_PORT)
                        await sockets[source].sendto(source.encode(), address)
            await quiet(seen, ARRIVAL_S)
            nursery.cancel_scope.cancel()
    finally:
        for one in sockets.values():
            one.close()
    return seen


async def quiet(growing: Sized, for_s: float) -> None:
    """Until nothing was added for so long."""
    size = -1
    while len(growing) > size:
        size = len(growing)
        await trio.sleep(for_s)


async def numbered(
    network: HostedNetwork,
    link: Link,
    count: int,
    *,
    size: int = 100,
    wait_s: float = ARRIVAL_S,
) -> list[tuple[int, float]]:
    """Send so many numbered datagrams at once: those that arrive, in the order in which
    they do, each with the seconds since all were sent."""
    source, target = link
    sender = await word_socket(network, source)
    hearer = await word_socket(network, target)
    arrived: list[tuple[int, float]] = []
    began = trio.current_time()

    async def hear() -> None:
        while True:
            word = await hearer.recv(size)
            arrived.append((int(word[:8]), trio.current_time() - began))

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hear)
            for number in range(count):
                word = b"%08d" % number
                address = (network.ip(target), WORD_PORT)
                await sender.sendto(word.ljust(size, b"."), address)
                if number % 20 == 19:
                    await trio.sleep(0.0005)  # no queue on the way is to be full
            await quiet(arrived, wait_s)
            nursery.cancel_scope.cancel()
    finally:
        sender.close()
        hearer.close()
    return arrived


async def round_trip_s(network: HostedNetwork, link: Link) -> float:
    """There and back, of a datagram."""
    source, target = link
    one = await word_socket(network, source)
    other = await word_socket(network, target)
    try:
        began = trio.current_time()
        await one.sendto(b"there", (network.ip(target), WORD_PORT))
        _, address = await other.recvfrom(100)
        await other.sendto(b"back", address)
        await one.recv(100)
        return trio.current_time() - began
    finally:
        one.close()
        other.close()


@asynccontextmanager
async def connections(
    network: HostedNetwork, source: str, targets: Collection[str]
) -> AsyncIterator[dict[str, tuple[trio.SocketStream, trio.SocketStream]]]:
    """A TCP connection from a host to each of others: both ends, its own first."""
    ends: dict[str, tuple[trio.SocketStream, trio.SocketStream]] = {}
    listeners = []
    try:
        for target in targets:
            listener = host_socket(network, target, socket.SOCK_STREAM)
            listeners.append(listener)
            await listener.bind((network.ip(target), ECHO_PORT))
            listener.listen(10)
            dialled = host_socket(network, source, socket.SOCK_STREAM)
            await dialled.connect((network.ip(target), ECHO_PORT))
            accepted, _ = await listener.accept()
            ends[target] = (trio.SocketStream(dialled), trio.SocketStream(accepted))
        yield ends
    finally:
        for listener in listeners:
            listener.close()
        with trio.CancelScope() as scope:
            scope.cancel()
            for pair in ends.values():
                for end in pair:
                    await trio.aclose_forcefully(end)


async def hears_end(stream: trio.SocketStream, within_s: float = 0.3) -> bool:
    """Whether this end of a connection learns, without speaking, that it is over."""
    with trio.move_on_after(within_s):
        try:
            assert await stream.receive_some(10) == b""
        except trio.BrokenResourceError:
            pass
        return True
    return False
