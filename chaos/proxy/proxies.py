"""Proxies by name: where each listens, what stands behind it, its toxics.

Whatever changes a proxy waits its turn (``lock``); reading never waits.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Mapping

import attrs
import trio

from chaos.proxy import addresses
from chaos.proxy.connections import Connection, ConnectionPlan
from chaos.proxy.links import Counted, Link
from chaos.proxy.toxics import DOWNSTREAM, UPSTREAM, Toxic
from raftleader.httpd.sockets import SocketStream

ACCEPT_PAUSE_S = 0.1
"""After accept() failed, for want of descriptors mostly."""
CONNECTIONS_MAX = 4_000
"""Of one proxy at once; more are closed at once."""

ChangeLink = Callable[[Link], Awaitable[None]]
CountBytes = Callable[["Proxy", str, Counted], None]
"""Told what a link of a direction carried, when it is over."""

_log = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class Grounds:
    """What all proxies of a server share."""

    nursery: trio.Nursery
    rng: random.Random
    count_bytes: CountBytes


class Proxy:
    """One listener, and the connections that came through it.

    Attributes:
        listen: As it was asked for; once it has listened, where it really did.
        enabled: Whether it listens.
    """

    def __init__(
        self, grounds: Grounds, *, name: str, listen: str, upstream: str
    ) -> None:
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.enabled = False
        self.lock = trio.Lock()
        self._grounds = grounds
        self._listener: trio.SocketListener | None = None
        self._accepting = trio.CancelScope()
        self._connections: set[Connection] = set()
        self._links: set[Link] = set()
        self._toxics: dict[str, list[Toxic]] = {UPSTREAM: [], DOWNSTREAM: []}

    # --- listening ---

    async def start(self) -> None:
        """Listen, unless it does. Raises BadListenError."""
        if self.enabled:
            return
        listener = await addresses.listening(self.listen)
        self.listen = addresses.bound(listener)
        self.enabled = True
        self._listener = listener
        self._accepting = trio.CancelScope()
        self._grounds.nursery.start_soon(self._accept, listener, self._accepting)

    def stop(self) -> None:
        """Listen no more, and close all connections; the port is free at once, and
        is the one it will listen at again. Idempotent."""
        if not self.enabled:
            return
        self.enabled = False
        assert self._listener is not None
        self._accepting.cancel()
        self._listener.socket.close()
        for connection in list(self._connections):
            connection.end()

    async def update(self, *, listen: str, upstream: str, enabled: bool) -> None:
        """Another address or upstream restarts it. Raises BadListenError: of a bad
        ``listen`` before anything changed, of one in use it is stopped."""
        if await self.differs(listen, upstream):
            self.stop()
            self.listen, self.upstream = listen, upstream
        if enabled:
            await self.start()
        else:
            self.stop()

    async def differs(self, listen: str, upstream: str) -> bool:
        """Whether these are others. Raises BadListenError."""
        is_elsewhere = self.listen != await addresses.resolved(listen)
        return is_elsewhere or self.upstream != upstream

    async def _accept(
        self, listener: trio.SocketListener, scope: trio.CancelScope
    ) -> None:
        with scope:
            while True:
                try:
                    stream = await listener.accept()
                except trio.ClosedResourceError:
                    return
                except OSError as error:
                    _log.warning("proxy %s: accept failed: %s", self.name, error)
                    await trio.sleep(ACCEPT_PAUSE_S)
                    continue
                client = SocketStream.taking_over(stream)
                self._grounds.nursery.start_soon(self._serve, client)

    async def _serve(self, client: SocketStream) -> None:
        connection = Connection(
            client,
            ConnectionPlan(
                upstream=self.upstream,
                rng=self._grounds.rng,
                toxics=self._toxics.__getitem__,
                on_link=self._links.add,
                on_link_over=self._link_over,
            ),
        )
        if not self.enabled or len(self._connections) >= CONNECTIONS_MAX:
            connection.end()
        self._connections.add(connection)
        try:
            await connection.run()
        except Exception:
            _log.exception("proxy %s: a connection failed", self.name)
        finally:
            self._connections.discard(connection)

    def _link_over(self, link: Link, counted: Counted) -> None:
        self._links.discard(link)
        self._grounds.count_bytes(self, link.direction, counted)

    # --- toxics ---

    @property
    def toxics(self) -> list[Toxic]:
        """Upstream ones first, each in their order."""
        return [*self._toxics[UPSTREAM], *self._toxics[DOWNSTREAM]]

    def toxic(self, name: str) -> Toxic | None:
        """Of that name, in whichever direction."""
        return next((toxic for toxic in self.toxics if toxic.name == name), None)

    async def add_toxic(self, toxic: Toxic) -> None:
        """At the end, and on all connections there are. Its name must be new."""
        self._toxics[toxic.direction].append(toxic)
        await self._on_links(toxic, lambda link: link.add(toxic))

    async def update_toxic(self, toxic: Toxic) -> None:
        """Its numbers have changed."""
        await self._on_links(toxic, lambda link: link.update(toxic))

    async def remove_toxic(self, toxic: Toxic) -> None:
        """From all connections; waits for those it is about to reset."""
        self._toxics[toxic.direction].remove(toxic)
        await self._on_links(toxic, lambda link: link.remove(toxic))

    async def _on_links(self, toxic: Toxic, change: ChangeLink) -> None:
        async with trio.open_nursery() as nursery:
            for link in list(self._links):
                if link.direction == toxic.direction:
                    nursery.start_soon(change, link)


@attrs.define(kw_only=True)
class Proxies:
    """All of a server. Names are unique."""

    grounds: Grounds
    _by_name: dict[str, Proxy] = attrs.field(factory=dict, init=False)
    lock: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    @property
    def by_name(self) -> Mapping[str, Proxy]:
        return self._by_name

    def make(self, *, name: str, listen: str, upstream: str) -> Proxy:
        """A proxy that stands apart: neither listed nor listening."""
        return Proxy(self.grounds, name=name, listen=listen, upstream=upstream)

    async def add(self, proxy: Proxy, *, enabled: bool) -> None:
        """List it, and have it listen. Raises BadListenError; then it is not listed."""
        if enabled:
            await proxy.start()
        self._by_name[proxy.name] = proxy

    async def add_or_replace(self, proxy: Proxy, *, enabled: bool) -> Proxy:
        """The one of that name stays, as it is, if it is for the same addresses.

        Raises BadListenError; if the new one cannot listen, the old one is stopped.
        """
        old = self._by_name.get(proxy.name)
        if old is not None:
            async with old.lock:
                if not await old.differs(proxy.listen, proxy.upstream):
                    return old
                old.stop()
        await self.add(proxy, enabled=enabled)
        return proxy

    def remove(self, proxy: Proxy) -> None:
        """Stop it and forget it."""
        proxy.stop()
        del self._by_name[proxy.name]
