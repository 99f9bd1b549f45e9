"""Addresses as users and redirects write them."""

from __future__ import annotations

from urllib.parse import urlsplit

from raftleader.errors import InvalidInputError


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT`` or ``[IPV6]:PORT``. Raises InvalidInputError."""
    host, colon, port = address.rpartition(":")
    is_number = port.isascii() and port.isdigit()
    if not colon or not host or "/" in host or not is_number:
        raise InvalidInputError("address", f"{address!r} is not HOST:PORT")
    if not 0 < int(port) < 65536:
        raise InvalidInputError("address", f"{address!r} has no valid port")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    return host, int(port)


def address_of_location(location: str | None) -> str | None:
    """``HOST:PORT`` of a redirect's ``Location``, or None if it names none.

    Leaders send it without a scheme, ``//HOST:PORT/path``; ``http://`` is taken
    too, everything else is not ours to follow.
    """
    if not location:
        return None
    try:
        parts = urlsplit(location)
    except ValueError:
        return None
    if parts.scheme not in ("", "http") or not parts.netloc:
        return None
    try:
        parse_address(parts.netloc)
    except InvalidInputError:
        return None
    return parts.netloc
