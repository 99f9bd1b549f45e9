"""Addresses to listen at, read and refused as Go's ``net`` does."""

from __future__ import annotations

import errno
import os
import socket

import trio

BACKLOG = 1024
_ANYWHERE, _ANYWHERE_4 = "::", "0.0.0.0"


class BadListenError(Exception):
    """Nobody can listen there; the text is the one Go has."""


async def resolved(address: str) -> str:
    """``HOST:PORT`` with names looked up, to compare. Raises BadListenError."""
    if not address:
        return ":0"
    host, port = _split(address)
    return join(await _ip_of(host) if host else "", port)


async def listening(address: str) -> trio.SocketListener:
    """A listener there; "" and ``:PORT`` are all addresses of the machine.

    Raises BadListenError.
    """
    try:
        host, port = _split(address) if address else ("", 0)
        ip = await _ip_of(host) if host else _anywhere()
    except BadListenError as error:
        raise BadListenError(f"listen tcp: {error}") from error
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    try:
        sock = trio.socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                is_narrow = int(ip != _ANYWHERE)
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, is_narrow)
            await sock.bind((ip, port))
            sock.listen(BACKLOG)
        except BaseException:
            sock.close()
            raise
    except OSError as error:
        problem = errno_text(error)
        shown = join(ip if host else "", port)
        raise BadListenError(f"listen tcp {shown}: bind: {problem}") from error
    return trio.SocketListener(sock)


def bound(listener: trio.SocketListener) -> str:
    """Where it listens."""
    name = listener.socket.getsockname()
    return join(str(name[0]), int(name[1]))


def errno_text(error: OSError) -> str:
    """What Go calls it."""
    if error.errno == errno.EADDRNOTAVAIL:
        return "cannot assign requested address"
    text = os.strerror(error.errno) if error.errno else str(error)
    return text[:1].lower() + text[1:]


def join(host: str, port: int) -> str:
    """As Go writes it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _anywhere() -> str:
    """All addresses of both families, where there are two."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind((_ANYWHERE, 0))
    except OSError:
        return _ANYWHERE_4
    return _ANYWHERE


def _split(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        raise BadListenError(f"address {address}: missing port in address")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise BadListenError(f"address {address}: too many colons in address")
    return host, _port(port)


def _port(text: str) -> int:
    if not text:
        return 0
    if text.isascii() and text.isdigit():
        if int(text) < 65536:
            return int(text)
        raise BadListenError(f"address {text}: invalid port")
    try:
        return socket.getservbyname(text, "tcp")
    except OSError:
        raise BadListenError(f"lookup tcp/{text}: unknown port") from None


async def _ip_of(host: str) -> str:
    try:
        found = await trio.socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        raise BadListenError(f"lookup {host}: no such host") from None
    by_family = sorted(found, key=lambda item: item[0] != socket.AF_INET)
    return str(by_family[0][4][0])
