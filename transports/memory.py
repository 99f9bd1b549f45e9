"""A network in memory: named nodes, latency drawn from a seed, cuts.

For simulation and tests. Time is trio's clock, so on a ``MockClock`` an hour
passes at once. A :class:`MemoryNetwork` hands out one transport for each node;
a node listens at ``mem://NAME``, or at as many addresses as it likes that begin
so: ``mem://NAME/agents``, ``mem://NAME:7070``, ``mem://NAME:0`` (finds a number).
"""

from __future__ import annotations

import errno
import math
import random
import re
import weakref
from collections import Counter
from operator import itemgetter

import attrs
import trio

from transports.addresses import split_address
from transports.errors import BadAddressError, DialError
from transports.handling import handle_link
from transports.interface import FRAME_BYTES_MAX, Link, LinkHandler
from transports.memory_link import MemoryLink, Pipe

PIPE_BYTES_MAX = 1024 * 1024
"""Bytes on their way in one direction of a link before senders wait: of the order
of a TCP link's buffers, so that backpressure shows in simulation too. One frame
may be larger if it is alone."""

_NODE_NAME = re.compile(r"[^\s:/#]+")


@attrs.define(kw_only=True, eq=False)
class MemoryNetwork:
    """Nodes in one process, and the latency and the cuts between them.

    Same seed and same traffic, same latencies: each direction of each link has
    its own generator, derived from ``rng``, the two names and how many links these
    two have had. So the order in which trio runs tasks does not change them.

    Attributes:
        latency_s: Least and greatest latency of a frame, in seconds. Frames of one
            link keep their order, so one may wait for the one before it.
        pipe_bytes_max: Bytes on their way in one direction before senders wait.
    """

    rng: random.Random
    latency_s: tuple[float, float] = attrs.field(default=(0.0, 0.0))
    pipe_bytes_max: int = PIPE_BYTES_MAX
    _seed: int = attrs.field(init=False)
    _listeners: dict[str, _Listener] = attrs.field(factory=dict, init=False)
    # Both ends of each link; weak, so that a link nobody holds is not kept.
    _links: weakref.WeakValueDictionary[tuple[int, int], MemoryLink] = attrs.field(
        factory=weakref.WeakValueDictionary, init=False
    )
    _links_made: int = attrs.field(default=0, init=False)
    _links_of_pair: Counter[tuple[str, str]] = attrs.field(factory=Counter, init=False)
    _refused: set[str] = attrs.field(factory=set, init=False)
    _next_port: int = attrs.field(default=49152, init=False)

    @_seed.default
    def _draw_seed(self) -> int:
        return self.rng.getrandbits(64)

    @latency_s.validator
    def _check_latency(
        self, _: attrs.Attribute[tuple[float, float]], value: tuple[float, float]
    ) -> None:
        if not 0.0 <= value[0] <= value[1] < math.inf:
            raise ValueError(f"latency_s: want 0 <= least <= greatest, not {value}")

    def transport(
        self, node: str, *, frame_bytes_max: int = FRAME_BYTES_MAX
    ) -> MemoryTransport:
        """The transport of the node of that name. Raises BadAddressError."""
        if not _NODE_NAME.fullmatch(node):
            raise BadAddressError(f"{node!r} cannot name a node")
        return MemoryTransport(network=self, node=node, frame_bytes_max=frame_bytes_max)

    def close_links(self, node: str) -> int:
        """Break every link of ``node`` at once, at both ends; says how many.

        Frames on their way are lost. Listeners stay: they are the node's tasks,
        and whoever crashes a node cancels those.
        """
        ends = sorted(self._links.items(), key=itemgetter(0))
        return sum(link.break_now() for _, link in ends if node in link.nodes)

    def refuse_dials(self, node: str) -> None:
        """From now on refuse dials to and from ``node``; its links stay."""
        self._refused.add(node)

    def allow_dials(self, node: str) -> None:
        """The end of :meth:`refuse_dials`."""
        self._refused.discard(node)

    async def _dial(self, dialler: MemoryTransport, address: str) -> Link:
        target = _node_of(address)
        pair = (dialler.node, target)
        self._links_of_pair[pair] += 1
        name = f"{self._seed}/{dialler.node}/{target}/{self._links_of_pair[pair]}"
        there = self._pipe(f"{name}/there")
        back = self._pipe(f"{name}/back")
        await trio.sleep(there.draw_latency_s() + back.draw_latency_s())
        listener = self._listeners.get(address)
        if listener is None:
            raise DialError(f"cannot dial {address}: nobody listens there")
        if self._refused & set(pair):
            raise DialError(f"cannot dial {address}: the network refuses it")
        self._links_made += 1
        local = f"mem://{dialler.node}#{self._links_made}"
        ours = MemoryLink(
            peer=address,
            local=local,
            nodes=pair,
            incoming=back,
            outgoing=there,
            frame_bytes_max=dialler.frame_bytes_max,
        )
        theirs = MemoryLink(
            peer=local,
            local=address,
            nodes=pair,
            incoming=there,
            outgoing=back,
            frame_bytes_max=listener.frame_bytes_max,
        )
        self._links[self._links_made, 0] = ours
        self._links[self._links_made, 1] = theirs
        listener.nursery.start_soon(handle_link, listener.handler, theirs)
        return ours

    def _pipe(self, name: str) -> Pipe:
        rng = random.Random(name) if self.latency_s[1] > 0.0 else None
        return Pipe(rng=rng, latency_s=self.latency_s, bytes_max=self.pipe_bytes_max)

    def _free_address(self, address: str) -> str:
        """``address`` with a number for a port of 0."""
        if not address.endswith(":0"):
            return address
        self._next_port += 1
        return f"{address[:-1]}{self._next_port}"


@attrs.frozen(kw_only=True, eq=False)
class MemoryTransport:
    """One node's way to dial and to listen in a :class:`MemoryNetwork`."""

    network: MemoryNetwork
    node: str
    frame_bytes_max: int = FRAME_BYTES_MAX

    async def dial(self, address: str) -> Link:
        return await self.network._dial(self, address)

    async def serve(
        self,
        address: str,
        handler: LinkHandler,
        *,
        task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        if _node_of(address) != self.node:
            raise BadAddressError(f"{self.node} cannot listen at {address!r}")
        listeners = self.network._listeners
        bound = self.network._free_address(address)
        if bound in listeners:
            raise OSError(errno.EADDRINUSE, f"{bound}: address in use")
        async with trio.open_nursery() as nursery:
            listeners[bound] = _Listener(
                nursery=nursery, handler=handler, frame_bytes_max=self.frame_bytes_max
            )
            try:
                task_status.started(bound)
                await trio.sleep_forever()
            finally:
                del listeners[bound]


@attrs.frozen(kw_only=True, eq=False)
class _Listener:
    nursery: trio.Nursery
    handler: LinkHandler
    frame_bytes_max: int


def _node_of(address: str) -> str:
    scheme, rest = split_address(address)
    match = _NODE_NAME.match(rest)
    if scheme != "mem" or match is None or "#" in rest:
        raise BadAddressError(f"{address!r}: want mem://NAME")
    return match[0]
