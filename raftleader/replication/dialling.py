"""The links that a node dials, and sends on."""

from __future__ import annotations

import collections
import logging
import random
from collections.abc import Mapping
from typing import Protocol

import attrs
import trio

from raftleader.replication import link_messages
from raftleader.replication.link_messages import (
    PING,
    PONG,
    PROTOCOL_VERSION,
    BadMessageError,
    Hello,
    LinkRefusedError,
)
from raftleader.replication.outgoing import Outgoing
from raftleader.replication.settings import RaftSettings
from transports.interface import Link, Transport, TransportError

logger = logging.getLogger(__name__)


class LinkListener(Protocol):
    """Hears of links. Called from their tasks; must not wait."""

    def link_up(self, peer: str) -> None:
        """We can send to ``peer``."""

    def link_down(self, peer: str) -> None:
        """We can no longer send to ``peer``."""


@attrs.frozen(kw_only=True, eq=False)
class Dialling:
    """Dials for one node.

    ``address`` is where the node listens, for peers that do not know it.

    Attributes:
        via: Where to dial a peer, instead of at the address that the group has for it.
        refusals: How often a peer refused a link, by its reason.
    """

    _cluster_id: str
    _node_id: str
    _engine: str
    _address: str
    _via: Mapping[str, str]
    _transport: Transport
    _rng: random.Random
    _settings: RaftSettings
    _listener: LinkListener
    refusals: collections.Counter[str]

    async def keep_link(self, outgoing: Outgoing) -> None:
        """Dial, use the link, and dial again; until ``outgoing.scope`` ends."""
        peer, refused_for = outgoing.peer, ""
        pause_s = self._settings.redial_min_s
        with outgoing.scope:
            while True:
                try:
                    with trio.fail_after(self._settings.handshake_s):
                        link = await self._dial(outgoing)
                except LinkRefusedError as error:
                    self.refusals[f"refused by peer: {error.reason}"] += 1
                    if error.reason != refused_for:
                        refused_for = error.reason
                        logger.warning(
                            "node %s: %s at %s refuses our links: %s",
                            *(self._node_id, peer, outgoing.address, error),
                        )
                except (TransportError, BadMessageError, trio.TooSlowError) as error:
                    logger.debug(
                        "node %s: no link to %s: %s", self._node_id, peer, error
                    )
                else:
                    pause_s, refused_for = self._settings.redial_min_s, ""
                    await self._send_on(outgoing, link)
                if await outgoing.pause(pause_s * self._rng.uniform(0.5, 1.0)):
                    pause_s = self._settings.redial_min_s
                else:
                    pause_s = min(2 * pause_s, self._settings.redial_max_s)

    async def _dial(self, outgoing: Outgoing) -> Link:
        address = self._via.get(outgoing.peer, outgoing.address)
        link = await self._transport.dial(address)
        try:
            hello = Hello(
                protocol=PROTOCOL_VERSION,
                cluster_id=self._cluster_id,
                sender=self._node_id,
                recipient=outgoing.peer,
                engine=self._engine,
                address=self._address,
            )
            await link.send(link_messages.encode(hello))
            link_messages.decode_answer(await link.receive())
        except BaseException:
            await _close(link)
            raise
        return link

    async def _send_on(self, outgoing: Outgoing, link: Link) -> None:
        """Use a link for as long as it lives and its other end answers."""
        peer = outgoing.peer
        outgoing.set_up(True)
        self._listener.link_up(peer)
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
            if not outgoing.is_replaced:
                self._listener.link_down(peer)
            await _close(link)

    async def _write(self, link: Link, outgoing: Outgoing) -> None:
        while True:
            await link.send_many(await outgoing.take())

    async def _ping(self, link: Link, outgoing: Outgoing) -> None:
        while True:
            await trio.sleep(self._settings.ping_interval_s)
            outgoing.put([PING])

    async def _await_pongs(self, link: Link, outgoing: Outgoing) -> None:
        while True:
            with trio.fail_after(self._settings.silence_s):
                answer = await link.receive()
            if answer != PONG:
                raise BadMessageError("unexpected", f"{len(answer)} bytes, no Pong")


class _LinkWork(Protocol):
    async def __call__(self, link: Link, outgoing: Outgoing) -> None: ...


async def _close(link: Link) -> None:
    with trio.CancelScope(shield=True):  # closing never waits for the peer
        await link.aclose()
