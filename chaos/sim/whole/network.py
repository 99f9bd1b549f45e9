"""The simulated network between leader nodes, and between these and agents.

It keeps the promises of ``transports.interface`` and no others: frames of one link
keep their order; a frame may never arrive; nothing is promised across two links, so
that what was sent on a link that is gone may still come after what was sent on the
next. What goes wrong between whom stands in a ``FaultPlan``.
"""

from __future__ import annotations

import errno
import random
import re
from collections import Counter
from collections.abc import Callable

import attrs
import trio

from chaos.sim.whole.clock import VirtualClock
from chaos.sim.whole.link import Delivered, Direction, SimulatedLink
from transports.addresses import split_address
from transports.errors import BadAddressError, DialError
from transports.fault_plan import FaultPlan
from transports.handling import handle_link
from transports.interface import FRAME_BYTES_MAX, Link, LinkHandler

PIPE_BYTES_MAX = 1024 * 1024
"""Bytes on their way in one direction of a link before senders wait: of the order of
a TCP link's buffers."""
DIAL_TIMEOUT_S = 3.0
"""So long a dial takes that is not answered."""
STALE_S_MAX = 1.0
"""What is left on a link that was reset arrives at most so much later."""

_NODE_NAME = re.compile(r"[^\s:/#]+")


Spawn = Callable[..., object]
"""Calls a function in the name of a process: ``Process.run``."""


@attrs.define(eq=False, kw_only=True)
class SimulatedNetwork:
    """All links of a run.

    Attributes:
        latency_s: Least and greatest time of a frame on its way, when all is well.
        counts: Frames delivered and lost, links reset.
    """

    clock: VirtualClock
    rng: random.Random
    plan: FaultPlan
    latency_s: tuple[float, float]
    delivered: Delivered
    counts: Counter[str] = attrs.field(factory=Counter)
    _listeners: dict[str, _Listener] = attrs.field(factory=dict, init=False)
    _links: dict[int, _Pair] = attrs.field(factory=dict, init=False)
    _links_made: int = attrs.field(default=0, init=False)
    _twice: dict[tuple[str, str], float] = attrs.field(factory=dict, init=False)
    _links_of_pair: Counter[tuple[str, str]] = attrs.field(factory=Counter, init=False)

    def transport(self, node: str, spawn: Spawn) -> SimulatedTransport:
        """That of a node; ``spawn`` starts the tasks that serve links to it."""
        return SimulatedTransport(network=self, node=node, spawn=spawn)

    def lose_links(self, node: str, *, is_sudden: bool = False) -> None:
        """The node is dead: its links end. What it had sent before arrives.

        ``is_sudden``: not even its system says goodbye; peers must notice that
        nothing comes any more."""
        for pair in self._pairs_of(node):
            own = pair.dialled if pair.nodes[0] == node else pair.accepted
            if is_sudden:
                own.outgoing.vanish()
            own.close_now()

    def duplicate(self, a: str, b: str, probability: float) -> None:
        """What either sends to the other arrives twice with this probability."""
        for nodes in ((a, b), (b, a)):
            self._twice[nodes] = probability
            self._twice = {key: value for key, value in self._twice.items() if value}
        for pair in self._pairs_of(a):
            pair.dialled.outgoing.twice_probability = self._twice_of(pair.nodes)
            pair.accepted.outgoing.twice_probability = self._twice_of(pair.nodes)

    def reset(self, a: str, b: str) -> int:
        """Break every link between the two, seen at the dialler's end only.

        What was on its way to the other end still arrives there, but late: perhaps
        after what is sent on the next link. Says how many frames that may concern.
        """
        stale = 0
        for pair in self._pairs_of(a):
            if b in pair.nodes:
                late = pair.accepted.incoming
                stale += late.hold_back(self.rng.uniform(0.0, STALE_S_MAX))
                pair.dialled.close_now()
                self.counts["resets"] += 1
        return stale

    async def wait_sent(self, a: str, b: str) -> None:
        """Return when something has just left a dialler for a listener of these."""
        sent = trio.Event()
        for pair in self._pairs_of(a):
            if b in pair.nodes:
                pair.accepted.incoming.sent = sent
        await sent.wait()

    def _pairs_of(self, node: str) -> list[_Pair]:
        # Links that are over at both ends are forgotten here: nobody else looks.
        over = [number for number, pair in self._links.items() if pair.is_over]
        for number in over:
            del self._links[number]
        return [pair for pair in self._links.values() if node in pair.nodes]

    async def dial(self, dialler: SimulatedTransport, address: str) -> Link:
        target = _node_of(address)
        nodes = (dialler.node, target)
        self._links_of_pair[nodes] += 1
        name = f"{dialler.node}/{target}/{self._links_of_pair[nodes]}"
        there = self._direction(*nodes, name)
        back = self._direction(target, dialler.node, name)
        await trio.sleep(there.draw_latency_s() + back.draw_latency_s())
        listener = self._listeners.get(address)
        if self.plan.is_cut(*nodes):
            raise DialError(f"cannot dial {address}: the network refuses it")
        if self._is_deaf(there, back):
            await trio.sleep(DIAL_TIMEOUT_S)
            raise DialError(f"{address} did not answer in {DIAL_TIMEOUT_S} s")
        if listener is None:
            raise DialError(f"cannot dial {address}: nobody listens there")
        self._links_made += 1
        local = f"mem://{dialler.node}#{self._links_made}"
        ours = SimulatedLink(
            peer=address,
            local=local,
            frame_bytes_max=FRAME_BYTES_MAX,
            incoming=back,
            outgoing=there,
        )
        theirs = SimulatedLink(
            peer=local,
            local=address,
            frame_bytes_max=FRAME_BYTES_MAX,
            incoming=there,
            outgoing=back,
        )
        pair = _Pair(self.plan, nodes, ours, theirs)
        self._links[self._links_made] = pair
        self.plan.watch(pair)
        pair.reconsider()  # it may have changed while we dialled
        listener.spawn(
            listener.nursery.start_soon, handle_link, listener.handler, theirs
        )
        return ours

    def _is_deaf(self, there: Direction, back: Direction) -> bool:
        """Whether the dial is lost, as the first frames of a link may be."""
        is_lost = any(
            one.fault.is_silent or one.fault.is_stalled for one in (there, back)
        )
        return is_lost and self.rng.random() < 0.5

    def _direction(self, source: str, target: str, name: str) -> Direction:
        return Direction(
            source=source,
            target=target,
            clock=self.clock,
            rng=self.plan.stream(f"{source}>{target}/{name}"),
            latency_s=self.latency_s,
            bytes_max=PIPE_BYTES_MAX,
            delivered=self.delivered,
            lost=self._lost,
            repeated=self._repeated,
            fault=self.plan.fault(source, target),
            twice_probability=self._twice_of((source, target)),
        )

    def _twice_of(self, nodes: tuple[str, str]) -> float:
        return self._twice.get(nodes, 0.0)

    def _lost(self, frames: int) -> None:
        self.counts["frames lost"] += frames

    def _repeated(self, frames: int) -> None:
        self.counts["frames repeated"] += frames


@attrs.frozen(eq=False)
class _Pair:
    """The two ends of one link."""

    plan: FaultPlan
    nodes: tuple[str, str]
    dialled: SimulatedLink
    accepted: SimulatedLink

    @property
    def is_over(self) -> bool:
        return self.dialled.outgoing.is_at_end and self.accepted.outgoing.is_at_end

    def reconsider(self) -> None:
        """The plan has changed."""
        for one in (self.dialled.outgoing, self.accepted.outgoing):
            one.suffer(self.plan.fault(one.source, one.target))
        if self.plan.is_cut(*self.nodes):
            self.dialled.outgoing.cut()
            self.accepted.outgoing.cut()


@attrs.frozen(kw_only=True, eq=False)
class SimulatedTransport:
    """One node's way to dial and to listen: a ``transports.interface.Transport``."""

    network: SimulatedNetwork
    node: str
    spawn: Spawn

    async def dial(self, address: str) -> Link:
        return await self.network.dial(self, address)

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
        if address in listeners:
            raise OSError(errno.EADDRINUSE, f"{address}: address in use")
        async with trio.open_nursery() as nursery:
            listeners[address] = _Listener(nursery, handler, self.spawn)
            try:
                task_status.started(address)
                await trio.sleep_forever()
            finally:
                del listeners[address]


@attrs.frozen(eq=False)
class _Listener:
    nursery: trio.Nursery
    handler: LinkHandler
    spawn: Spawn


def _node_of(address: str) -> str:
    scheme, rest = split_address(address)
    match = _NODE_NAME.match(rest)
    if scheme != "mem" or match is None or "#" in rest:
        raise BadAddressError(f"{address!r}: want mem://NAME")
    return match[0]
