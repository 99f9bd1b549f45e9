"""Ports on loopback for processes that are not started yet."""

from __future__ import annotations

import random
import socket
from collections.abc import Sequence
from pathlib import Path

from raftleader.errors import ConfigError, UnavailableError

LOOPBACK = "127.0.0.1"
FIRST_PORT, LAST_PORT = 20_000, 30_999
"""Where we look. Below the usual range for outgoing connections (from 32768): a
port of a killed node must still be free when it comes back, and a connection to a
dead port in that range can end up connected to itself. Above 31000 are the ports
that agents offer to tasks."""
_ATTEMPTS = 2_000


def free_ports(count: int, rng: random.Random) -> list[int]:
    """``count`` different ports nobody listens on at this moment.

    Another process may still take one before it is used: whoever starts on it
    fails with a clear error and may ask again. Raises UnavailableError.
    """
    first, last = _range_outside_of(_outgoing_ports())
    found: list[int] = []
    for _ in range(_ATTEMPTS):
        if len(found) == count:
            return found
        port = rng.randint(first, last)
        if port not in found and is_free(port):
            found.append(port)
    raise UnavailableError(f"no {count} free ports between {first} and {last}")


def ports_from(base: int, count: int) -> list[int]:
    """``count`` ports from ``base`` on. Raises ConfigError naming one in use."""
    if not 1 <= base <= 65_536 - count:
        raise ConfigError(f"--base-port: {base} leaves no room for {count} ports")
    ports = list(range(base, base + count))
    for port in ports:
        if not is_free(port):
            raise ConfigError(f"--base-port: port {port} is taken")
    return ports


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now."""
    try:
        socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        ).close()
    except OSError:
        return False
    return True


def _outgoing_ports() -> tuple[int, int]:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    except OSError:
        return (32_768, 60_999)
    first, last = (int(word) for word in text.split())
    return first, last


def _range_outside_of(outgoing: Sequence[int]) -> tuple[int, int]:
    """Our range without that of outgoing connections, if enough of it is left."""
    last = min(LAST_PORT, outgoing[0] - 1)
    return (FIRST_PORT, last) if last - FIRST_PORT >= 1_000 else (FIRST_PORT, LAST_PORT)
