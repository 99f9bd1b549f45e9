"""Addresses of transports: ``scheme://rest``. Pure.

For schemes of hosts and ports, an IPv6 host stands in brackets:
``tcp://127.0.0.1:7070``, ``tcp://leader-1.example:7070``, ``tcp://[::1]:7070``.
"""

from __future__ import annotations

import re

from transports.errors import BadAddressError

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_HOST_PORT = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+(?:%[^\[\]/]+)?)\]|(?P<host>[^\s:/\[\]@]+))"
    r":(?P<port>[0-9]{1,5})"
)


def split_address(address: str) -> tuple[str, str]:
    """The scheme (in lower case) and what follows ``://``.

    Raises BadAddressError.
    """
    scheme, separator, rest = address.partition("://")
    scheme = scheme.lower()
    if not separator or not _SCHEME.fullmatch(scheme):
        raise BadAddressError(f"{address!r} is no address: want scheme://...")
    return scheme, rest


def parse_host_port(address: str, *, scheme: str) -> tuple[str, int]:
    """Host and port of ``scheme://HOST:PORT``; brackets are removed.

    Raises BadAddressError.
    """
    its_scheme, rest = split_address(address)
    match = _HOST_PORT.fullmatch(rest)
    if its_scheme != scheme or match is None:
        raise BadAddressError(
            f"{address!r}: want {scheme}://HOST:PORT (an IPv6 host in brackets)"
        )
    port = int(match["port"])
    if port > 65535:
        raise BadAddressError(f"{address!r}: there is no port {port}")
    return match["ipv6"] or match["host"], port


def format_host_port(host: str, port: int, *, scheme: str) -> str:
    """The address of a host and port; the inverse of :func:`parse_host_port`."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
