"""A network on loopback with a proxy between every two hosts that talk. No root.

    leader-1 - proxy - leader-2     each dials the other: two proxies
    agent-1  - proxy - leader-1     one proxy, dialled by the agent
    framework-1 - proxy - leader-1  likewise

Processes are told the proxies' addresses when they are started (``via``): leader nodes
by ``--peer-via``, agents by ``--leader``, frameworks by ``--via``, which holds for
redirects to a leader too; so each framework has links of its own. The driver dials
without proxies.

A cut holds bytes and ends of connections back and loses none, as TCP would by sending
again; but connecting works through a cut, up to the proxy. Directions are truly apart:
TCP's own answers are not cut with the bytes they answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from chaos.live.seams import DRIVER
from chaos.network.namespaces import NetworkError
from chaos.network.proxy_faults import NOT_BY_PROXIES as NOT_BY_PROXIES
from chaos.network.proxy_faults import PROXIES_FAULTS as PROXIES_FAULTS
from chaos.network.proxy_network import ProxyNetwork, Replacement
from chaos.network.proxy_ways import WAYS_MAX, AddressBook, Way
from chaos.proxy.control import CALL_TIMEOUT_S, Control
from chaos.proxy.processes import ServerError, find_real_server, open_server
from raftleader.framework.nursery import open_plain_nursery

REPLACEABLE_CALL_TIMEOUT_S = 2.0
"""Of a call to a server that may be replaced: a fault that hangs is none of ours."""


@asynccontextmanager
async def open_proxies(
    hosts: Iterable[str],
    seed: int,
    *,
    is_ours_preferred: bool = False,
    log_file: Path | None = None,
) -> AsyncIterator[ProxyNetwork]:
    """A network of these hosts and ``driver``, on loopback.

    The proxies are in a process of their own, which ends with the block, or with us:
    the ``toxiproxy-server`` that is found, or else ours. Ours comes too when the former
    hangs.

    Raises NetworkError if it cannot be started, and in the middle of the block when it
    dies.
    """
    real = None if is_ours_preferred else find_real_server()
    open_ours = partial(open_server, real=None, seed=seed, log_file=log_file)
    try:
        async with AsyncExitStack() as stack, open_plain_nursery() as nursery:
            limit_s = CALL_TIMEOUT_S if real is None else REPLACEABLE_CALL_TIMEOUT_S
            server = await stack.enter_async_context(
                open_ours(real=real, call_timeout_s=limit_s)
            )

            given_up: set[str] = set()

            async def watch() -> None:
                watched = server
                error = await watched.wait_ended()
                if watched.name not in given_up:
                    raise NetworkError(str(error))

            async def replace() -> tuple[Control, str]:
                nonlocal server
                given_up.add(server.name)
                await stack.aclose()
                server = await stack.enter_async_context(open_ours())
                nursery.start_soon(watch)
                return server.control, server.name

            nursery.start_soon(watch)
            async with open_proxies_of(
                server.control,
                server.name,
                hosts,
                seed,
                replace_server=replace if real is not None else None,
            ) as network:
                yield network
            nursery.cancel()
    except ServerError as error:
        raise NetworkError(str(error)) from error


@asynccontextmanager
async def open_proxies_of(
    control: Control,
    server_name: str,
    hosts: Iterable[str],
    seed: int,
    *,
    replace_server: Replacement | None = None,
) -> AsyncIterator[ProxyNetwork]:
    """The same with the proxies of a server that runs; they stay there.

    ``replace_server`` is called once at most, when it does not answer any more: it
    ends it and starts another.
    """
    send, receive = trio.open_memory_channel[Way](WAYS_MAX)
    async with open_plain_nursery() as nursery:
        network = ProxyNetwork(
            hosts=frozenset((DRIVER, *hosts)),
            control=control,
            server_name=server_name,
            replace_server=replace_server,
            addresses=AddressBook(seed),
            nursery=nursery,
            to_make=send,
        )
        nursery.start_soon(network.make_proxies, receive)
        yield network
        nursery.cancel()
