"""One client's connection: to the proxy, and on to what stands behind it."""

from __future__ import annotations

import logging
import random
import socket
import struct
from collections.abc import Callable, Sequence

import attrs
import trio

from chaos.proxy.links import Counted, Link, close_now
from chaos.proxy.toxics import DOWNSTREAM, UPSTREAM, Toxic
from raftleader.errors import ConfigError
from raftleader.httpd.server import split_address
from raftleader.httpd.sockets import SocketStream

DIAL_TIMEOUT_S = 30.0
"""For the server behind the proxy: somebody waits."""

_NO_LINGER = struct.pack("ii", 1, 0)
"""On, for no time: close() drops what was not sent, and sends a RST."""

_log = logging.getLogger(__name__)


@attrs.define(kw_only=True)
class ConnectionPlan:
    """What a proxy tells each of its connections."""

    upstream: str
    rng: random.Random
    toxics: Callable[[str], Sequence[Toxic]]
    """In force now, of a direction."""
    on_link: Callable[[Link], None]
    """It begins now."""
    on_link_over: Callable[[Link, Counted], None]


class Connection:
    """Serve one client; ``end`` from outside, or when both links are over."""

    def __init__(self, client: SocketStream, plan: ConnectionPlan) -> None:
        self._streams = [client]
        self._plan = plan
        self._scope = trio.CancelScope()

    def end(self) -> None:
        """Close it now, both ways. Idempotent."""
        for stream in self._streams:
            close_now(stream)
        self._scope.cancel()

    async def run(self) -> None:
        """Dial, and pass bytes both ways until it is over. Closes everything."""
        try:
            with self._scope:
                server = await self._dial()
                if server is not None:
                    self._streams.append(server)
                    await self._serve(self._streams[0], server)
        finally:
            for stream in self._streams:
                close_now(stream)

    async def _dial(self) -> SocketStream | None:
        try:
            host, port = split_address(self._plan.upstream)
            with trio.fail_after(DIAL_TIMEOUT_S):
                stream = await trio.open_tcp_stream(host, port)
        except (OSError, ConfigError, trio.TooSlowError) as error:
            _log.info("no connection to %s: %s", self._plan.upstream, error)
            return None
        return SocketStream.taking_over(stream)

    async def _serve(self, client: SocketStream, server: SocketStream) -> None:
        # From here to the start of both links nothing waits: no change is missed.
        links = (
            self._link(client, server, UPSTREAM),
            self._link(server, client, DOWNSTREAM),
        )
        async with trio.open_nursery() as nursery:
            for link in links:
                nursery.start_soon(self._run_link, link)

    def _link(self, source: SocketStream, dest: SocketStream, direction: str) -> Link:
        toxics = tuple(self._plan.toxics(direction))
        if any(toxic.resets for toxic in toxics):
            for stream in (source, dest):
                stream.socket.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER
                )
        link = Link(
            source, dest, direction=direction, toxics=toxics, rng=self._plan.rng
        )
        self._plan.on_link(link)
        return link

    async def _run_link(self, link: Link) -> None:
        try:
            await link.run()
        finally:
            self._plan.on_link_over(link, link.counted)
