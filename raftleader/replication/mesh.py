"""The links between the nodes of one cluster, for every engine.

Every node dials every other, and sends on the links it dialled; an accepted link is
for receiving (and for the answers to Hello and Ping). So each direction has one link,
one owner, and one order. The first frame on a link says who dialled, for whom, and of
which cluster and engine; whatever does not agree is refused, and told why. If a peer
dials again, its newest link counts: the old one is closed and no frame of it is taken
any more.

Members come and go (``set_members``). A node that is behind may not know its leader
yet: with ``is_open_to_guests`` a node of the same cluster that is no member is taken
in, and dialled back at the address that it gives, for as long as its link lasts.

Identity rests on the network: whoever reaches the port and knows the names may speak
for a member. Keep the peer port inside, or use a transport that authenticates.
"""

from __future__ import annotations

import collections
import logging
import random
from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

import trio

from raftleader.replication import link_messages
from raftleader.replication.dialling import Dialling
from raftleader.replication.link_messages import (
    PING,
    PONG,
    REASONS,
    WELCOME,
    BadMessageError,
    Hello,
    Refused,
)
from raftleader.replication.outgoing import Outgoing
from raftleader.replication.settings import RaftSettings
from transports.interface import (
    BadFrameError,
    FrameTooLargeError,
    Link,
    Transport,
)

logger = logging.getLogger(__name__)

GUESTS_MAX = 8
"""Nodes that are no members and are dialled back at once; a group has few members."""

WARNING_INTERVAL_S = 60.0
"""The same refusal is logged as a warning no more often than that."""


class PeerMessage(Protocol):
    """A message of an engine."""

    @property
    def sender(self) -> str:
        """Who made it; must be who the link is from."""


M = TypeVar("M", bound=PeerMessage)
M_contra = TypeVar("M_contra", bound=PeerMessage, contravariant=True)


class Inbox(Protocol[M_contra]):
    """Where the mesh puts what happens. Called from its tasks; must not wait."""

    def receive(self, peer: str, message: M_contra) -> None:
        """A message came from ``peer``."""

    def link_up(self, peer: str) -> None:
        """We can send to ``peer``."""

    def link_down(self, peer: str) -> None:
        """We can no longer send to ``peer``."""

    def peer_lost(self, peer: str) -> None:
        """The link that ``peer`` sends on has ended, and there is no newer one."""


class Mesh(Generic[M]):
    """This node's links to all its peers.

    Args:
        members: Transport address of every member by node id, this node's included.
        decode: The engine's codec: the message in a frame, or BadMessageError.
        is_open_to_guests: Whether a node that is no member may be taken in now.
        via: Where to dial a node, by its id, instead of at its address.

    Attributes:
        refusals: How often a link or a message was refused, by reason.
    """

    def __init__(
        self,
        *,
        cluster_id: str,
        node_id: str,
        engine: str,
        members: Mapping[str, str],
        transport: Transport,
        decode: Callable[[bytes], M],
        inbox: Inbox[M],
        rng: random.Random,
        settings: RaftSettings,
        is_open_to_guests: Callable[[], bool] = lambda: False,
        via: Mapping[str, str] | None = None,
    ) -> None:
        self.refusals: collections.Counter[str] = collections.Counter()
        self._cluster_id = cluster_id
        self._node_id = node_id
        self._engine = engine
        self._address = members[node_id]
        self._transport = transport
        self._dialling = Dialling(
            cluster_id=cluster_id,
            node_id=node_id,
            engine=engine,
            address=self._address,
            via=dict(via or {}),
            transport=transport,
            rng=rng,
            settings=settings,
            refusals=self.refusals,
            listener=inbox,
        )
        self._decode = decode
        self._inbox = inbox
        self._settings = settings
        self._is_open_to_guests = is_open_to_guests
        self._nursery: trio.Nursery | None = None
        self._members: dict[str, str] = {}
        self._guests: dict[str, str] = {}
        self._outgoing: dict[str, Outgoing] = {}
        self._incoming: dict[str, Link] = {}
        self._warned_at: dict[tuple[str, str], float] = {}
        self.set_members(members)

    async def start(self, nursery: trio.Nursery) -> None:
        """Listen and dial in ``nursery``; returns once peers can reach us.

        Raises what ``Transport.serve`` raises for an address that cannot be used.
        """
        await nursery.start(self._transport.serve, self._address, self._serve_link)
        self._nursery = nursery
        for outgoing in self._outgoing.values():
            nursery.start_soon(self._dialling.keep_link, outgoing)

    def set_members(self, members: Mapping[str, str]) -> None:
        """From now on these are the members, by node id, with their addresses.

        Links with those who left end a moment later: what is on its way, perhaps the
        news that they left, still arrives.
        """
        self._members = {
            peer: address
            for peer, address in sorted(members.items())
            if peer != self._node_id
        }
        for peer in self._members:
            self._guests.pop(peer, None)
        self._dial_whom_we_should()

    def send(self, peer: str, frames: list[bytes]) -> None:
        """Send frames in order, in one write if possible. Lost if there is no link,
        or if it is too slow."""
        outgoing = self._outgoing.get(peer)
        if outgoing is not None:
            outgoing.put(frames)

    @property
    def peers_connected(self) -> tuple[str, ...]:
        """Peers that we can send to, sorted."""
        return tuple(
            peer for peer, outgoing in sorted(self._outgoing.items()) if outgoing.is_up
        )

    def _dial_whom_we_should(self) -> None:
        wanted = self._guests | self._members
        for peer, outgoing in list(self._outgoing.items()):
            if wanted.get(peer) != outgoing.address:
                del self._outgoing[peer]
                outgoing.end_at(trio.current_time() + self._settings.silence_s)
                outgoing.is_replaced = peer in wanted
                if not outgoing.is_replaced:
                    self._dismiss(peer)
        for peer, address in wanted.items():
            if peer not in self._outgoing:
                outgoing = Outgoing(peer, address, self._settings.outbox_frames_max)
                self._outgoing[peer] = outgoing
                if self._nursery is not None:
                    self._nursery.start_soon(self._dialling.keep_link, outgoing)

    def _dismiss(self, peer: str) -> None:
        """Close the link of who left, so that its next Hello tells it."""
        link = self._incoming.get(peer)

        async def close_later() -> None:
            await trio.sleep(self._settings.silence_s)
            if link is not None and peer not in self._guests | self._members:
                await link.aclose()

        if link is not None and self._nursery is not None:
            self._nursery.start_soon(close_later)

    # --- links that we accept: receiving -------------------------------------------

    async def _serve_link(self, link: Link) -> None:
        peer = ""
        try:
            with trio.fail_after(self._settings.handshake_s):
                hello = await self._receive_hello(link)
            peer = hello.sender
            self._outgoing[peer].seems_up()
            await self._replace_incoming(peer, link)
            try:
                await self._receive_on(peer, link)
            finally:
                if self._incoming.get(peer) is link:
                    del self._incoming[peer]
                    self._forget_guest(peer)
                    self._inbox.peer_lost(peer)
        except BadMessageError as error:
            self._refuse(error.reason, peer, f"{link.peer}: {error}")
        except trio.TooSlowError:
            self._refuse("silent", peer, f"{link.peer}: silent")
        except FrameTooLargeError as error:
            self._refuse("frame too large", peer, f"{link.peer}: {error}")
        except BadFrameError as error:
            self._refuse("bad frame", peer, f"{link.peer}: {error}")

    async def _receive_hello(self, link: Link) -> Hello:
        frame = await link.receive()
        try:
            hello = link_messages.decode_hello(frame)
            self._check_hello(hello)
        except BadMessageError as error:
            if error.reason in REASONS:
                refusal = Refused(reason=error.reason)
                await link.send(link_messages.encode(refusal))
            elif self._is_of_engine(frame):
                raise BadMessageError("no hello", "a message of the engine") from error
            raise
        return hello

    def _check_hello(self, hello: Hello) -> None:
        """Raise BadMessageError if it does not agree with what we are."""
        if hello.cluster_id != self._cluster_id:
            raise BadMessageError("other cluster", repr(hello.cluster_id))
        if hello.engine != self._engine:
            raise BadMessageError("other engine", repr(hello.engine))
        if hello.sender == self._node_id:
            raise BadMessageError("own id", f"two nodes are {hello.sender!r}")
        if hello.recipient != self._node_id:
            raise BadMessageError("other recipient", repr(hello.recipient))
        if hello.sender not in self._outgoing:
            self._admit_guest(hello)

    def _admit_guest(self, hello: Hello) -> None:
        if not (hello.address and self._is_open_to_guests()):
            raise BadMessageError("no member", repr(hello.sender))
        if len(self._guests) >= GUESTS_MAX:
            raise BadMessageError("no member", f"{hello.sender!r}, and too many guests")
        self._guests[hello.sender] = hello.address
        self._dial_whom_we_should()

    def _forget_guest(self, peer: str) -> None:
        if self._guests.pop(peer, None) is not None:
            self._dial_whom_we_should()

    async def _replace_incoming(self, peer: str, link: Link) -> None:
        old = self._incoming.get(peer)
        self._incoming[peer] = link
        if old is not None:
            await old.aclose()

    async def _receive_on(self, peer: str, link: Link) -> None:
        await link.send(WELCOME)
        # Half of it at least. One scope for all frames, and it is not moved for each.
        patience_s = 4 * self._settings.silence_s
        with trio.fail_after(patience_s) as scope:
            while True:
                frames = await link.receive_many()
                if scope.deadline < trio.current_time() + patience_s / 2:
                    scope.deadline = trio.current_time() + patience_s
                if self._incoming.get(peer) is not link:
                    self.refusals["old link"] += len(frames)
                    return
                is_pinged = False
                for frame in frames:
                    if frame == PING:
                        is_pinged = True
                        continue
                    message = self._decode_of(frame)
                    if message.sender != peer:
                        raise BadMessageError("wrong sender", repr(message.sender))
                    self._inbox.receive(peer, message)
                if is_pinged:
                    await link.send(PONG)

    def _decode_of(self, frame: bytes) -> M:
        try:
            return self._decode(frame)
        except BadMessageError as error:
            try:
                stray = link_messages.decode(frame)
            except BadMessageError:
                raise error from None
        raise BadMessageError("unexpected", type(stray).__name__)

    def _is_of_engine(self, frame: bytes) -> bool:
        try:
            self._decode(frame)
        except BadMessageError:
            return False
        return True

    def _refuse(self, reason: str, peer: str, problem: str) -> None:
        self.refusals[reason] += 1
        # A guest may come with ever new names.
        key = (reason, peer if peer in self._members else "")
        now = trio.current_time()
        if now < self._warned_at.get(key, -WARNING_INTERVAL_S) + WARNING_INTERVAL_S:
            logger.debug("node %s: closed a link: %s", self._node_id, problem)
            return
        self._warned_at[key] = now
        logger.warning("node %s: closed a link from %s", self._node_id, problem)
