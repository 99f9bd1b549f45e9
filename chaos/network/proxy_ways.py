"""Who dials whom through which proxy, and what toxics make of a fault on a link. Pure
but for looking for addresses that are free.

A fault is of a direction of a link. Who dialled does not matter to it: leader nodes
dial each other both ways, and answers come back on the same connection. So a fault
from A to B is on the upstream of proxies that A dials to reach B, and on the
downstream of those that B dials to reach A.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Mapping

import attrs

from chaos.live.seams import Link, LinkFault
from chaos.network.rules import UNHURT
from chaos.proxy.control import ToxicPlan
from chaos.proxy.toxics import DOWNSTREAM, UPSTREAM
from raftleader.cli.local_ports import LOOPBACK, free_ports, is_free
from raftleader.errors import ConfigError, UnavailableError
from raftleader.httpd.server import split_address

WAYS_MAX = 4_000
"""Directed pairs of hosts in a run."""
HOLD_END_MS = 60_000
"""A cut holds the end of a connection back too, but no longer than this. The real
server forgets a toxic that holds an end when another, before it, is taken away."""
RESET_DATA_MS, RESET_SILENCE_MS = 50, 100
"""Until a connection is reset, after its first bytes or without any. Not at once:
whoever dials again without a pause would do so a thousand times a second."""
_ADDRESS_ATTEMPTS = 50


@attrs.frozen(kw_only=True)
class Way:
    """A proxy between two hosts.

    Attributes:
        name: Of the proxy.
        address: Where the target listens.
        listen: Where the source dials instead.
    """

    name: str
    source: str
    target: str
    address: str
    listen: str


class AddressBook:
    """Addresses for proxies: each has one of its own in 127.0.0.0/8, and the port of
    what stands behind it. So a port that a node needs is never taken by a proxy."""

    def __init__(
        self, seed: int, is_free: Callable[[int, str], bool] = is_free
    ) -> None:
        rng = random.Random(seed)
        self._rng = random.Random()
        # Two runs at once should not meet; if they do, ``is_free`` sees it.
        self._second, self._third = rng.randrange(64, 128), self._rng.randrange(256)
        self._is_free = is_free
        self._taken = 0

    def new(self, address: str) -> str:
        """A free one, for a proxy before ``address``. Raises UnavailableError."""
        try:
            port = split_address(address)[1]
        except ConfigError as error:
            raise UnavailableError(str(error)) from error
        for _ in range(_ADDRESS_ATTEMPTS):
            host = self._next_host()
            if self._is_free(port, host):
                return f"{host}:{port}"
        # A machine on which loopback is one address only.
        return f"{LOOPBACK}:{free_ports(1, self._rng)[0]}"

    def _next_host(self) -> str:
        self._taken += 1
        block, last = divmod(self._taken, 254)
        third = (self._third + block) % 256
        return f"127.{self._second}.{third}.{last + 1}"


Wanted = dict[tuple[str, str], ToxicPlan]
"""By name of the proxy and of the toxic."""


def wanted_toxics(
    ways: Iterable[Way],
    in_force: Mapping[Link, LinkFault],
    half_open: Iterable[Link],
) -> Wanted:
    """All toxics that there should be now, in the order to add them.

    ``half_open`` are directions in which no end of a connection is told.
    """
    wanted: Wanted = {}
    holding = set(half_open)
    for way in ways:
        for stream, link in _directions(way):
            fault = in_force.get(link, UNHURT)
            toxics = [*_toxics_of(fault, stream)]
            if fault.is_cut or link in holding:
                hold = _toxic("hold", stream, "slow_close", delay=HOLD_END_MS)
                toxics.insert(0, hold)
            wanted |= {(way.name, toxic.name): toxic for toxic in toxics}
    return wanted


def _directions(way: Way) -> tuple[tuple[str, Link], tuple[str, Link]]:
    there, back = (way.source, way.target), (way.target, way.source)
    return (UPSTREAM, there), (DOWNSTREAM, back)


def _toxics_of(fault: LinkFault, stream: str) -> Iterable[ToxicPlan]:
    delay_ms, jitter_ms = round(1000 * fault.delay_s), round(1000 * fault.jitter_s)
    if delay_ms or jitter_ms:
        # Theirs may come early too, ours only comes late.
        half_ms = (jitter_ms + 1) // 2
        yield _toxic(
            "delay", stream, "latency", latency=delay_ms + half_ms, jitter=half_ms
        )
    if fault.bytes_per_s is not None:
        yield _toxic(
            "rate", stream, "bandwidth", rate=max(1, round(fault.bytes_per_s / 1000))
        )
    if fault.is_cut:
        yield _toxic("cut", stream, "bandwidth", rate=0)


def reset_toxics(stream: str) -> tuple[ToxicPlan, ToxicPlan]:
    """What ends connections at the side that ``stream`` leads to: those that begin
    while it is there by RST, for the first toxic makes them so, and the second ends
    them, data or not. Those there were end as if the other side had closed."""
    return (
        _toxic("reset", stream, "reset_peer", timeout=RESET_DATA_MS),
        _toxic("end", stream, "timeout", timeout=RESET_SILENCE_MS),
    )


def reset_streams(
    ways: Iterable[Way], links: Collection[Link], cut: Collection[Link]
) -> list[tuple[Way, str]]:
    """Where to put these toxics, to end connections of the first host of each link
    with the second at the side of the first.

    One stream of a proxy is enough to end both sides, unless a cut keeps them apart.
    """
    chosen: list[tuple[Way, str]] = []
    for way in ways:
        there, back = (way.source, way.target), (way.target, way.source)
        streams = [
            stream
            for link, stream in ((there, DOWNSTREAM), (back, UPSTREAM))
            if link in links
        ]
        is_apart = there in cut or back in cut
        chosen += [(way, stream) for stream in streams[: 2 if is_apart else 1]]
    return chosen


def _toxic(name: str, stream: str, kind: str, **attributes: int) -> ToxicPlan:
    return ToxicPlan(
        name=f"{name}-{stream}", type=kind, stream=stream, attributes=attributes
    )
