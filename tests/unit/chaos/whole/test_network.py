"""The simulated network: it keeps a transport's promises, and no others."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio

from chaos.sim.whole.clock import VirtualClock
from chaos.sim.whole.determinism import run_deterministically
from chaos.sim.whole.network import DIAL_TIMEOUT_S, PIPE_BYTES_MAX, SimulatedNetwork
from transports.errors import DialError, LinkClosedError
from transports.fault_plan import FaultPlan
from transports.interface import Link


@attrs.define
class Pair:
    """Node ``a`` dials node ``b``, which collects what it receives."""

    network: SimulatedNetwork
    nursery: trio.Nursery
    received: list[tuple[float, bytes]] = attrs.field(factory=list)
    accepted: list[Link] = attrs.field(factory=list)
    ends: list[float] = attrs.field(factory=list)

    async def dial(self) -> Link:
        return await self.network.transport("a", self._spawn).dial("mem://b")

    async def serve(self) -> None:
        transport = self.network.transport("b", self._spawn)
        await self.nursery.start(transport.serve, "mem://b", self._collect)

    def _spawn(self, function: Callable[..., object], *arguments: object) -> object:
        return function(*arguments)

    async def _collect(self, link: Link) -> None:
        self.accepted.append(link)
        try:
            while True:
                for frame in await link.receive_many():
                    self.received.append((trio.current_time(), frame))
        finally:
            self.ends.append(trio.current_time())

    @property
    def frames(self) -> list[bytes]:
        return [frame for _, frame in self.received]


def run(
    body: Callable[[Pair], Awaitable[None]],
    latency_s: tuple[float, float] = (0.01, 0.05),
) -> Pair:
    clock = VirtualClock()
    pairs: list[Pair] = []

    async def main() -> None:
        network = SimulatedNetwork(
            clock=clock,
            rng=random.Random(1),
            plan=FaultPlan(random.Random(2)),
            latency_s=latency_s,
            delivered=lambda *_: None,
        )
        async with trio.open_nursery() as nursery:
            pair = Pair(network, nursery)
            pairs.append(pair)
            await pair.serve()
            await body(pair)
            nursery.cancel_scope.cancel()

    run_deterministically(main, 1, clock)
    return pairs[0]


def test_frames_arrive_in_order_after_their_latency() -> None:
    async def body(pair: Pair) -> None:
        link = await pair.dial()
        for number in range(50):
            await link.send(b"%d" % number)
        await trio.sleep(1.0)

    pair = run(body)
    assert pair.frames == [b"%d" % number for number in range(50)]
    # There and back again for the dial, and there for the first frame.
    assert 0.03 <= pair.received[0][0] <= 0.15


def test_dial_fails_where_nobody_listens_or_a_fault_cuts() -> None:
    async def body(pair: Pair) -> None:
        transport = pair.network.transport("a", pair._spawn)
        with pytest.raises(DialError, match="nobody listens"):
            await transport.dial("mem://c")
        pair.network.plan.cut("a", "b")
        with pytest.raises(DialError, match="refuses"):
            await transport.dial("mem://b")
        pair.network.plan.heal("a", "b")
        await transport.dial("mem://b")

    run(body)


def test_silent_network_swallows_frames_and_half_of_all_dials() -> None:
    async def body(pair: Pair) -> None:
        pair.network.plan.silence("a", "b")
        lost = 0
        for _ in range(20):
            began_s = trio.current_time()
            try:
                link = await pair.dial()
            except DialError:
                lost += 1
                assert trio.current_time() - began_s >= DIAL_TIMEOUT_S
            else:
                await link.send(b"unheard")
        await trio.sleep(1.0)
        assert 3 < lost < 17

    assert run(body).frames == []


def test_stalled_frames_arrive_when_the_plan_heals() -> None:
    async def body(pair: Pair) -> None:
        link = await pair.dial()
        pair.network.plan.half_open("a", "b")
        await link.send(b"late")
        await trio.sleep(5.0)
        assert pair.frames == []
        pair.network.plan.heal("a", "b")
        await link.send(b"later")
        await trio.sleep(1.0)

    pair = run(body)
    assert pair.frames == [b"late", b"later"]
    assert pair.received[0][0] > 5.0


def test_cut_breaks_both_ends_and_loses_what_was_on_its_way() -> None:
    async def body(pair: Pair) -> None:
        link = await pair.dial()
        await link.send(b"lost")
        pair.network.plan.cut("a", "b")
        with pytest.raises(LinkClosedError):
            await link.send(b"never")
        await trio.sleep(1.0)
        assert len(pair.ends) == 1

    assert run(body).frames == []


def test_links_of_a_dead_node_end_after_what_it_had_sent() -> None:
    async def body(pair: Pair) -> None:
        link = await pair.dial()
        await link.send(b"before")
        pair.network.lose_links("a")
        with pytest.raises(LinkClosedError):
            await link.send(b"after")
        await trio.sleep(1.0)
        assert len(pair.ends) == 1

    assert run(body).frames == [b"before"]


def test_link_of_a_node_that_died_suddenly_never_ends() -> None:
    async def body(pair: Pair) -> None:
        link = await pair.dial()
        await trio.sleep(1.0)
        await link.send(b"lost with it")
        pair.network.lose_links("a", is_sudden=True)
        await trio.sleep(1_000.0)
        assert not pair.ends

    assert run(body).frames == []


def test_reset_link_may_deliver_after_the_next_one_has() -> None:
    async def body(pair: Pair) -> None:
        overtaken = 0
        for number in range(20):
            link = await pair.dial()
            await trio.sleep(1.0)
            await link.send(b"old %d" % number)
            assert pair.network.reset("a", "b") == 1
            with pytest.raises(LinkClosedError):
                await link.send(b"not on this one")
            again = await pair.dial()
            await again.send(b"new %d" % number)
            await trio.sleep(3.0)
            last = pair.frames[-2:]
            assert sorted(last) == [b"new %d" % number, b"old %d" % number]
            overtaken += last[1].startswith(b"old")
            pair.network.reset("a", "b")
        assert overtaken > 5

    run(body)


def test_repeated_frames_come_twice_in_order_but_never_the_first() -> None:
    async def body(pair: Pair) -> None:
        pair.network.duplicate("a", "b", 1.0)
        link = await pair.dial()
        for name in (b"hello", b"one", b"two"):
            await link.send(name)
        pair.network.duplicate("a", "b", 0.0)
        await link.send(b"three")
        await trio.sleep(1.0)

    pair = run(body)
    assert pair.frames == [b"hello", b"one", b"one", b"two", b"two", b"three"]
    assert pair.network.counts["frames repeated"] == 2


def test_sender_waits_when_nothing_is_read() -> None:
    async def body(pair: Pair) -> None:
        pair.network.plan.half_open("a", "b")
        pair.network.plan.heal("a", "b")
        link = await pair.dial()
        pair.network.plan.half_open("a", "b")
        big = bytes(PIPE_BYTES_MAX // 2)
        await link.send(big)
        with trio.move_on_after(10.0) as patience:
            await link.send(big)
        assert patience.cancelled_caught
        pair.network.plan.heal_all()
        await link.send(big)
        await trio.sleep(1.0)

    assert [len(frame) for frame in run(body).frames] == [PIPE_BYTES_MAX // 2] * 2


def test_delayed_frames_are_late_by_as_much_as_the_plan_says() -> None:
    async def body(pair: Pair) -> None:
        link: Any = await pair.dial()
        await trio.sleep(1.0 - trio.current_time())
        pair.network.plan.delay("a", "b", delay_s=(2.0, 3.0))
        await link.send(b"late")
        await trio.sleep(5.0)

    pair = run(body)
    assert 3.0 <= pair.received[0][0] <= 4.1
