"""Links over TCP: ``tcp://HOST:PORT``, an IPv6 host in brackets.

No encryption and no identity: whoever reaches the port may speak. Frames carry a
checksum (``frames.py``); a peer that sends anything else is cut.
"""

from __future__ import annotations

import errno
import logging
import socket

import attrs
import trio

from transports.addresses import format_host_port, parse_host_port
from transports.errors import BadAddressError, DialError
from transports.handling import handle_link
from transports.interface import FRAME_BYTES_MAX, Link, LinkHandler
from transports.tcp_link import TcpLink

logger = logging.getLogger(__name__)

DIAL_TIMEOUT_S = 5.0
"""Longer than three lost SYN packets take (1 + 2 s until the third is sent)."""

LINKS_MAX = 18_000
"""Accepted links of one listener at a time. A process usually may hold 20,000
descriptors; the rest is for the journal, for HTTP and for links we dial."""

SILENT_PEER_TIMEOUT_S = 30
"""A link breaks when what we sent is not taken for so long: the machine at the
other end is gone, or its process has stopped reading. Idle links are probed.
Who needs to know sooner sends heartbeats."""

KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_PROBES = 10, 5, 4

BACKLOG_LINKS = 1024
"""Links the kernel completes before we accept them: for many agents coming back
at once; beyond that the kernel lets them try again."""

ACCEPTS_PER_TURN = 64
"""So that a thousand new links do not hold up the loop."""

ACCEPT_PAUSE_S = 0.1
"""Out of descriptors or memory: how long until the next try."""

_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_PEER_GAVE_UP = {
    errno.ECONNABORTED,
    errno.ECONNRESET,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.ENOPROTOOPT,
    errno.EOPNOTSUPP,
    errno.EPERM,
    errno.EPROTO,
    errno.ETIMEDOUT,
}


@attrs.define(kw_only=True)
class TcpTransport:
    """Dials and listens over TCP; holds no state but its limits.

    Attributes:
        frame_bytes_max: Largest frame in either direction.
        dial_timeout_s: Bound on a dial, name lookup included, in seconds.
        links_max: Accepted links of each listener; one more is closed at once,
            so that its dialler learns of it and backs off. It is counted for each
            listener, so agents cannot take the place of Raft's links.
    """

    frame_bytes_max: int = FRAME_BYTES_MAX
    dial_timeout_s: float = DIAL_TIMEOUT_S
    links_max: int = LINKS_MAX

    async def dial(self, address: str) -> Link:
        host, port = parse_host_port(address, scheme="tcp")
        if port == 0:
            raise BadAddressError(f"{address!r}: nobody can be dialled at port 0")
        try:
            with trio.fail_after(self.dial_timeout_s):
                stream = await trio.open_tcp_stream(host, port)
        except trio.TooSlowError as error:
            raise DialError(
                f"{address} did not answer in {self.dial_timeout_s} s"
            ) from error
        except (OSError, UnicodeError) as error:
            raise DialError(f"cannot dial {address}: {error}") from error
        connected = socket.socket(fileno=stream.socket.detach())
        try:
            _set_link_options(connected)
            local = connected.getsockname()
            if local == connected.getpeername():
                # The kernel chose the port we dial as our own, so we met ourselves.
                raise ConnectionRefusedError("nobody listens there")
        except OSError as error:
            connected.close()
            raise DialError(f"cannot dial {address}: {error}") from error
        return TcpLink(
            connected,
            peer=address,
            local=_address_of(local),
            frame_bytes_max=self.frame_bytes_max,
        )

    async def serve(
        self,
        address: str,
        handler: LinkHandler,
        *,
        task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        host, port = parse_host_port(address, scheme="tcp")
        listening = await _listen(address, host, port)
        bound = _address_of(listening.getsockname())
        listener = _Listener(
            listening,
            address=bound,
            handler=handler,
            frame_bytes_max=self.frame_bytes_max,
            links_max=self.links_max,
        )
        try:
            async with trio.open_nursery() as nursery:
                task_status.started(bound)
                await listener.accept_links(nursery)
        finally:
            trio.lowlevel.notify_closing(listening)
            listening.close()


@attrs.define(eq=False)
class _Listener:
    """Accepts links and counts them."""

    _socket: socket.socket
    _address: str = attrs.field(kw_only=True)
    _handler: LinkHandler = attrs.field(kw_only=True)
    _frame_bytes_max: int = attrs.field(kw_only=True)
    _links_max: int = attrs.field(kw_only=True)
    _links_open: int = attrs.field(default=0, init=False)
    _is_full: bool = attrs.field(default=False, init=False)

    async def accept_links(self, nursery: trio.Nursery) -> None:
        """Accept until cancelled. Raises only if the listener itself is broken."""
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            for _ in range(ACCEPTS_PER_TURN):
                try:
                    accepted, peer = self._socket.accept()
                except BlockingIOError:
                    break
                except OSError as error:
                    if error.errno in _PEER_GAVE_UP:
                        continue
                    if error.errno not in _EXHAUSTED:
                        raise
                    logger.warning("cannot accept links for now: %s", error)
                    await trio.sleep(ACCEPT_PAUSE_S)
                    break
                if self._has_room(_address_of(peer)):
                    self._links_open += 1
                    nursery.start_soon(self._serve, accepted, _address_of(peer))
                else:
                    accepted.close()

    async def _serve(self, accepted: socket.socket, peer: str) -> None:
        # Its options came with it: Linux copies the listener's.
        accepted.setblocking(False)
        link = TcpLink(
            accepted,
            peer=peer,
            local=self._address,
            frame_bytes_max=self._frame_bytes_max,
        )
        try:
            await handle_link(self._handler, link)
        finally:
            self._links_open -= 1

    def _has_room(self, peer: str) -> bool:
        was_full, self._is_full = self._is_full, self._links_open >= self._links_max
        if self._is_full and not was_full:  # once, not for each of thousands
            logger.warning("refused %s: all %d links taken", peer, self._links_max)
        return not self._is_full


async def _listen(address: str, host: str, port: int) -> socket.socket:
    try:
        found = await trio.socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError) as error:
        raise BadAddressError(f"cannot listen at {address!r}: {error}") from error
    family, kind, protocol, _, bind_to = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        # A node that was just killed must be able to start again at its address.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _set_link_options(listener)
        listener.bind(bind_to)
        listener.listen(BACKLOG_LINKS)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"{address}: {error.strerror}") from error
    return listener


def _set_link_options(to: socket.socket) -> None:
    to.setblocking(False)
    to.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    to.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    to.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    to.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
    to.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
    to.setsockopt(
        socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_PEER_TIMEOUT_S * 1000
    )


def _address_of(socket_address: tuple[str, int]) -> str:
    """The address of what ``getsockname`` gives (IPv6 has two items more)."""
    return format_host_port(socket_address[0], socket_address[1], scheme="tcp")
