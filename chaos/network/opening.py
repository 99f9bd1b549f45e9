"""The network of a run, for as long as a block runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import trio

from chaos.live.seams import DRIVER, Network
from chaos.network.bridge import make_bridge
from chaos.network.hosted import HostedNetwork
from chaos.network.hosts import make_hosts
from chaos.network.kinds import BRIDGE_FAULTS, SWITCH_FAULTS, NetworkKind
from chaos.network.layout import lay_out
from chaos.network.loopback import LoopbackNetwork
from chaos.network.namespaces import own_namespace
from chaos.network.switched import open_switch


@asynccontextmanager
async def open_network(
    kind: NetworkKind | str, hosts: Iterable[str], seed: int
) -> AsyncIterator[Network]:
    """A network with these hosts and ``driver``, which is the process that calls.

    ``seed`` is for chance in a switch. Whatever ends the block, namespaces and devices
    are gone afterwards, also when we are killed: nothing holds them but descriptors of
    ours (and processes in them that were left running).

    Raises NetworkError where it cannot be made, and in the middle of the block when
    the switch dies; ValueError for ``proxies``, which have a door of their own.
    """
    kind = NetworkKind(kind)
    if kind is NetworkKind.LOOPBACK:
        yield LoopbackNetwork(frozenset((DRIVER, *hosts)))
        return
    if kind is NetworkKind.PROXIES:
        raise ValueError("a network of proxies is opened by chaos.network.proxies")
    layout, driver = lay_out(hosts), own_namespace()
    # Shielded, for what is being made must be known to us to be closed.
    with trio.CancelScope(shield=True):
        made = await trio.to_thread.run_sync(make_hosts, layout, driver)
    try:
        if kind is NetworkKind.SWITCH:
            async with open_switch(made, seed) as switch:
                yield HostedNetwork(kind, SWITCH_FAULTS, made, switch)
            return
        with trio.CancelScope(shield=True):
            bridge = await trio.to_thread.run_sync(make_bridge, made)
        try:
            yield HostedNetwork(kind, BRIDGE_FAULTS, made, bridge)
        finally:
            bridge.close()
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(made.close)
