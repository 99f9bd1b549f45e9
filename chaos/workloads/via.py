"""Ways around: where a proxy stands between a workload and a leader node.

Leaders redirect clients to their own addresses, so giving a client the proxies' does
not suffice: every connection that this process opens is looked up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import trio

from raftleader.errors import ConfigError, InvalidInputError
from raftleader.framework.addresses import parse_address

Address = tuple[str, int]


def parse_via(texts: Sequence[str]) -> dict[Address, Address]:
    """Of ``HOST:PORT=HOST:PORT`` each: for what is on the left dial the right.

    Raises ConfigError.
    """
    ways: dict[Address, Address] = {}
    for text in texts:
        target, _, proxy = text.partition("=")
        try:
            ways[parse_address(target)] = parse_address(proxy)
        except InvalidInputError as error:
            raise ConfigError(
                f"--via: expected HOST:PORT=HOST:PORT, got {text!r}"
            ) from error
    return ways


def dial_via(ways: Mapping[Address, Address]) -> None:
    """From now on TCP connections of this process take these ways. Once, at the
    start, before there are any."""
    direct = trio.open_tcp_stream

    async def open_tcp_stream(host: str, port: int, **options: Any) -> Any:
        host, port = ways.get((host, port), (host, port))
        return await direct(host, port, **options)

    trio.open_tcp_stream = open_tcp_stream  # type: ignore[assignment]
