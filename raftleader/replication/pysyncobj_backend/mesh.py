"""The links between the nodes of one cluster.

Every node dials every other, and sends on the links it dialled; an accepted link is
for receiving (and for the answers to Hello and Ping). So each direction has one link,
one owner, and one order. The first frame on a link says who dialled, for whom, and of
which cluster; whatever does not agree is refused. If a peer dials again, its newest
link counts: the old one is closed and no frame of it is taken any more (G').

Identity rests on the network: whoever reaches the port and knows the names may speak
for a member. Keep the peer port inside, or use a transport that authenticates.
"""

from __future__ import annotations

import collections
import logging
import random
from collections.abc import Mapping
from typing import Protocol

import trio

from raftleader.replication.pysyncobj_backend.wire import (
    PROTOCOL_VERSION,
    BadMessageError,
    Hello,
    Ping,
    Pong,
    RaftMessage,
    Welcome,
    decode,
    encode,
)
from raftleader.replication.settings import RaftSettings
from transports.interface import Link, Transport, TransportError

logger = logging.getLogger(__name__)

_PING, _PONG, _WELCOME = encode(Ping()), encode(Pong()), encode(Welcome())


class Inbox(Protocol):
    """Where the mesh puts what happens. Called from its tasks; must not wait."""

    def receive(self, peer: str, message: RaftMessage) -> None:
        """A message came from ``peer``."""

    def link_up(self, peer: str) -> None:
        """We can send to ``peer``."""

    def link_down(self, peer: str) -> None:
        """We can no longer send to ``peer``."""

    def peer_lost(self, peer: str) -> None:
        """The link that ``peer`` sends on has ended, and there is no newer one."""


class _Outgoing:
    """Frames on their way to one peer; lost when the link is, as the promise allows."""

    def __init__(self, frames_max: int) -> None:
        self._frames_max = frames_max
        self._frames: list[bytes] = []
        self._filled = trio.Event()
        self.is_up = False

    def put(self, frames: list[bytes]) -> None:
        if self.is_up and len(self._frames) + len(frames) <= self._frames_max:
            self._frames += frames
            self._filled.set()

    async def take(self) -> list[bytes]:
        await self._filled.wait()
        self._filled = trio.Event()
        frames, self._frames = self._frames, []
        return frames

    def set_up(self, is_up: bool) -> None:
        self.is_up = is_up
        self._frames, self._filled = [], trio.Event()


class Mesh:
    """This node's links to all its peers.

    Attributes:
        refusals: How often a link or a message was refused, by reason.
    """

    def __init__(
        self,
        *,
        cluster_id: str,
        node_id: str,
        members: Mapping[str, str],
        transport: Transport,
        inbox: Inbox,
        rng: random.Random,
        settings: RaftSettings,
    ) -> None:
        self.refusals: collections.Counter[str] = collections.Counter()
        self._cluster_id = cluster_id
        self._node_id = node_id
        self._members = members
        self._transport = transport
        self._inbox = inbox
        self._rng = rng
        self._settings = settings
        self._outgoing = {
            peer: _Outgoing(settings.outbox_frames_max)
            for peer in sorted(members)
            if peer != node_id
        }
        self._incoming: dict[str, Link] = {}

    async def start(self, nursery: trio.Nursery) -> None:
        """Listen and dial in ``nursery``; returns once peers can reach us.

        Raises what ``Transport.serve`` raises for an address that cannot be used.
        """
        address = self._members[self._node_id]
        await nursery.start(self._transport.serve, address, self._serve_link)
        for peer in self._outgoing:
            nursery.start_soon(self._keep_dialling, peer)

    def send(self, peer: str, frames: list[bytes]) -> None:
        """Send frames in order, in one write if possible. Lost if there is no link,
        or if it is too slow."""
        self._outgoing[peer].put(frames)

    @property
    def peers_connected(self) -> tuple[str, ...]:
        """Peers that we can send to."""
        return tuple(
            peer for peer, outgoing in self._outgoing.items() if outgoing.is_up
        )

    # --- links that we dial: sending ---------------------------------------------

    async def _keep_dialling(self, peer: str) -> None:
        pause_s = self._settings.redial_min_s
        while True:
            try:
                with trio.fail_after(self._settings.handshake_s):
                    link = await self._dial(peer)
            except (TransportError, BadMessageError, trio.TooSlowError) as error:
                logger.debug("node %s: no link to %s: %s", self._node_id, peer, error)
            else:
                pause_s = self._settings.redial_min_s
                await self._send_on(peer, link)
            await trio.sleep(pause_s * self._rng.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, self._settings.redial_max_s)

    async def _dial(self, peer: str) -> Link:
        link = await self._transport.dial(self._members[peer])
        try:
            hello = Hello(
                protocol=PROTOCOL_VERSION,
                cluster_id=self._cluster_id,
                sender=self._node_id,
                recipient=peer,
            )
            await link.send(encode(hello))
            answer = decode(await link.receive())
            if not isinstance(answer, Welcome):
                raise BadMessageError("unexpected", type(answer).__name__)
        except BaseException:
            await _close(link)
            raise
        return link

    async def _send_on(self, peer: str, link: Link) -> None:
        """Use a link for as long as it lives and its other end answers."""
        outgoing = self._outgoing[peer]
        outgoing.set_up(True)
        self._inbox.link_up(peer)
        try:
            async with trio.open_nursery() as nursery:

                async def until_broken(work: _LinkWork) -> None:
                    try:
                        await work(link, outgoing)
                    except (TransportError, BadMessageError, trio.TooSlowError):
                        nursery.cancel_scope.cancel()

                nursery.start_soon(until_broken, self._write)
                nursery.start_soon(until_broken, self._ping)
                nursery.start_soon(until_broken, self._await_pongs)
        finally:
            outgoing.set_up(False)
            self._inbox.link_down(peer)
            await _close(link)

    async def _write(self, link: Link, outgoing: _Outgoing) -> None:
        while True:
            await link.send_many(await outgoing.take())

    async def _ping(self, link: Link, outgoing: _Outgoing) -> None:
        while True:
            await trio.sleep(self._settings.ping_interval_s)
            outgoing.put([_PING])

    async def _await_pongs(self, link: Link, outgoing: _Outgoing) -> None:
        while True:
            with trio.fail_after(self._settings.silence_s):
                answer = decode(await link.receive())
            if not isinstance(answer, Pong):
                raise BadMessageError("unexpected", type(answer).__name__)

    # --- links that we accept: receiving -------------------------------------------

    async def _serve_link(self, link: Link) -> None:
        try:
            with trio.fail_after(self._settings.handshake_s):
                peer = self._check_hello(decode(await link.receive()))
            await self._replace_incoming(peer, link)
            try:
                await self._receive_on(peer, link)
            finally:
                if self._incoming.get(peer) is link:
                    del self._incoming[peer]
                    self._inbox.peer_lost(peer)
        except BadMessageError as error:
            self.refusals[error.reason] += 1
            logger.warning(
                "node %s: closed a link from %s: %s", self._node_id, link.peer, error
            )
        except trio.TooSlowError:
            self.refusals["silent"] += 1

    def _check_hello(self, hello: object) -> str:
        """Return who dialled, or refuse."""
        if not isinstance(hello, Hello):
            raise BadMessageError("no hello", type(hello).__name__)
        if hello.protocol != PROTOCOL_VERSION:
            raise BadMessageError("other protocol", str(hello.protocol))
        if hello.cluster_id != self._cluster_id:
            raise BadMessageError("other cluster", repr(hello.cluster_id))
        if hello.recipient != self._node_id:
            raise BadMessageError("other recipient", repr(hello.recipient))
        if hello.sender not in self._outgoing:
            raise BadMessageError("no member", repr(hello.sender))
        return hello.sender

    async def _replace_incoming(self, peer: str, link: Link) -> None:
        old = self._incoming.get(peer)
        self._incoming[peer] = link
        if old is not None:
            await old.aclose()

    async def _receive_on(self, peer: str, link: Link) -> None:
        await link.send(_WELCOME)
        while True:
            with trio.fail_after(2 * self._settings.silence_s):
                frames = await link.receive_many()
            is_pinged = False
            for frame in frames:
                if self._incoming.get(peer) is not link:
                    return
                message = decode(frame)
                if isinstance(message, Ping):
                    is_pinged = True
                elif isinstance(message, Hello | Welcome | Pong):
                    raise BadMessageError("unexpected", type(message).__name__)
                elif message.sender != peer:
                    raise BadMessageError("wrong sender", repr(message.sender))
                else:
                    self._inbox.receive(peer, message)
            if is_pinged:
                await link.send(_PONG)


class _LinkWork(Protocol):
    async def __call__(self, link: Link, outgoing: _Outgoing) -> None: ...


async def _close(link: Link) -> None:
    with trio.CancelScope(shield=True):  # closing never waits for the peer
        await link.aclose()
