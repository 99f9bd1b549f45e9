"""The HTTP server: listens, and serves each connection in a task of its own."""

from __future__ import annotations

import logging
import socket

import trio

from raftleader.errors import ConfigError
from raftleader.httpd.accepting import accept_connections
from raftleader.httpd.connection import Connection
from raftleader.httpd.flushing import Flushing
from raftleader.httpd.messages import Handler, Response, StreamsBody
from raftleader.httpd.sockets import SocketStream
from raftleader.httpd.writing import response_bytes

CONNECTIONS_MAX = 4_000
"""Connections of one server: hundreds of frameworks with a few connections each,
and room left under the descriptor limit for agents."""
USER_TIMEOUT_MS = 60_000
"""Sent bytes that a peer does not acknowledge for so long end its connection:
a machine that lost power says no goodbye."""

_TOO_MANY = response_bytes(
    Response(
        status=503, headers=(("Retry-After", "1"),), body=b"too many connections\n"
    ),
    closes=True,
    has_body=True,
)

_log = logging.getLogger(__name__)


async def serve_http(
    handler: Handler,
    address: str,
    *,
    connections_max: int = CONNECTIONS_MAX,
    streams_body: StreamsBody | None = None,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve ``handler`` on ``address`` (``HOST:PORT``) until cancelled.

    ``started`` is given the address that was bound, with the real port where
    ``address`` says 0. Raises ConfigError for an address that is none, and OSError
    if it cannot be bound. ``streams_body`` says which bodies are not read whole
    before the handler is called; None is none. No client can end it. Beyond
    ``connections_max`` a connection is answered 503 and closed. When cancelled, all
    connections are closed at once, and streams and deferred answers are cancelled.
    """
    host, port = split_address(address)
    listeners = await trio.open_tcp_listeners(port, host=host)
    for superfluous in listeners[1:] if port == 0 else []:
        # ``localhost`` has two addresses, which would get two different ports.
        await superfluous.aclose()
    del listeners[1 if port == 0 else len(listeners) :]
    connections = 0
    flushing = Flushing()

    async def serve_one(stream: trio.SocketStream) -> None:
        nonlocal connections
        if connections >= connections_max:
            await _turn_away(stream)
            return
        connections += 1
        try:
            ours = SocketStream.taking_over(stream)
            _prepare(ours.socket)
            await Connection(
                ours,
                handler,
                peer=_peer_of(ours.socket),
                streams_body=streams_body,
                flushing=flushing,
            ).serve()
        except Exception:
            _log.exception("connection failed")
        finally:
            connections -= 1

    bound_port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(flushing.run)
        for listener in listeners:
            nursery.start_soon(accept_connections, listener, serve_one, nursery)
        task_status.started(join_address(host, bound_port))


def split_address(address: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT`` or ``[IPV6]:PORT``. Raises ConfigError."""
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    if not (colon and host and port.isdecimal() and int(port) < 65536):
        raise ConfigError(f"{address!r} is not HOST:PORT")
    return host, int(port)


def join_address(host: str, port: int) -> str:
    """The form that :func:`split_address` reads."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _prepare(sock: socket.socket) -> None:
    try:
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS
            )
    except OSError:
        pass  # The client is gone already; reading will say so.


def _peer_of(sock: socket.socket) -> str:
    try:
        name = sock.getpeername()
    except OSError:
        return "?"
    return join_address(str(name[0]), int(name[1]))


async def _turn_away(stream: trio.SocketStream) -> None:
    """Say that we are full, briefly: this must not hold a descriptor for long."""
    with trio.move_on_after(1.0):
        try:
            await stream.send_all(_TOO_MANY)
            await stream.send_eof()
            while await stream.receive_some():
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
    await trio.aclose_forcefully(stream)
