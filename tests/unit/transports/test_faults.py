from __future__ import annotations

import gc
import random
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from transports.errors import DialError, LinkClosedError
from transports.faults import HELD_FRAMES_MAX, FaultPlan, FaultyTransport
from transports.interface import Link, Transport
from transports.memory import MemoryNetwork
from transports.tcp import TcpTransport


@attrs.define
class Net:
    """n1 and n2, wrapped; n2 listens, and its ends of links wait in ``accepted``."""

    plan: FaultPlan
    n1: FaultyTransport
    n2: FaultyTransport
    bound: str
    accepted: trio.MemoryReceiveChannel[Link]

    async def link(self) -> tuple[Link, Link]:
        dialled = await self.n1.dial(self.bound)
        return dialled, await self.accepted.receive()


@asynccontextmanager
async def faulty_net(
    inner_1: Transport, inner_2: Transport, address: str, *, seed: int = 1
) -> AsyncIterator[Net]:
    plan = FaultPlan(random.Random(seed))
    n1 = FaultyTransport(inner_1, plan, label="n1")
    n2 = FaultyTransport(inner_2, plan, label="n2")
    accepted_send, accepted = trio.open_memory_channel[Link](100)

    async def hold(link: Link) -> None:
        await accepted_send.send(link)
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        bound = await nursery.start(n2.serve, address, hold)
        yield Net(plan, n1, n2, bound, accepted)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def memory_net(
    *, seed: int = 1, pipe_bytes_max: int = 1_000_000
) -> AsyncIterator[Net]:
    network = MemoryNetwork(rng=random.Random(1), pipe_bytes_max=pipe_bytes_max)
    async with faulty_net(
        network.transport("n1"), network.transport("n2"), "mem://n2", seed=seed
    ) as net:
        yield net


async def receive_for(link: Link, seconds: float) -> list[bytes]:
    frames: list[bytes] = []
    with trio.move_on_after(seconds):
        while True:
            frames += await link.receive_many()
    return frames


async def test_drop_loses_some_frames_and_keeps_the_order_of_the_rest(
    autojump_clock: MockClock,
) -> None:
    async with memory_net() as net:
        dialled, accepted = await net.link()
        net.plan.drop("n1", "n2", probability=0.3)
        frames = [b"%d" % i for i in range(500)]
        for frame in frames[:250]:
            await dialled.send(frame)
        await dialled.send_many(frames[250:])
        arrived = await receive_for(accepted, 1)
        assert 300 < len(arrived) < 400
        assert arrived == sorted(arrived, key=int)
        await accepted.send_many(frames)
        assert await receive_for(dialled, 1) == frames


async def test_drops_are_the_same_for_a_seed_and_others_for_another(
    autojump_clock: MockClock,
) -> None:
    async def arrivals(seed: int) -> list[bytes]:
        async with memory_net(seed=seed) as net:
            net.plan.drop("n1", "n2", probability=0.5)
            dialled, accepted = await net.link()
            await dialled.send_many([b"%d" % i for i in range(200)])
            return await receive_for(accepted, 1)

    assert await arrivals(5) == await arrivals(5)
    assert await arrivals(5) != await arrivals(6)


async def test_delays_overlap_and_keep_the_order(autojump_clock: MockClock) -> None:
    async with memory_net() as net:
        net.plan.delay("n1", "n2", delay_s=(1.0, 3.0))
        dialled, accepted = await net.link()
        times: dict[bytes, float] = {}
        began = trio.current_time()

        async def receive_all() -> None:
            while len(times) < 100:
                frame = await accepted.receive()
                times[frame] = trio.current_time() - began

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive_all)
            for i in range(100):
                await dialled.send(b"%d" % i)
                await trio.sleep(0.05)
        assert list(times) == [b"%d" % i for i in range(100)]
        late = [times[b"%d" % i] - i * 0.05 for i in range(100)]
        assert min(late) >= 1.0
        assert max(late) <= 3.01
        assert len(set(times.values())) > 20

        await accepted.send(b"the other way at once")
        now = trio.current_time()
        assert await dialled.receive() == b"the other way at once"
        assert trio.current_time() == now


async def test_delayed_frames_come_before_the_end_of_the_link(
    autojump_clock: MockClock,
) -> None:
    async with memory_net() as net:
        net.plan.delay("n1", "n2", delay_s=(2.0, 2.0))
        dialled, accepted = await net.link()
        await dialled.send_many([b"1", b"2"])
        await dialled.aclose()
        assert await accepted.receive_many() == [b"1", b"2"]
        for _ in range(2):
            with pytest.raises(LinkClosedError):
                await accepted.receive_many()


async def test_delayed_frames_that_are_held_are_bounded(
    autojump_clock: MockClock,
) -> None:
    count = HELD_FRAMES_MAX + 1000
    async with memory_net(pipe_bytes_max=100) as net:
        net.plan.delay("n1", "n2", delay_s=(60.0, 60.0))
        dialled, accepted = await net.link()
        sent = 0

        async def send_all() -> None:
            nonlocal sent
            for _ in range(count):
                await dialled.send(b"")
                sent += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send_all)
            assert await receive_for(accepted, 30) == []
            assert HELD_FRAMES_MAX <= sent < HELD_FRAMES_MAX + 50
            assert len(await receive_for(accepted, 200)) == count


async def test_silence_is_one_way_and_unnoticed_by_the_sender(
    autojump_clock: MockClock,
) -> None:
    async with memory_net() as net:
        dialled, accepted = await net.link()
        for silent, source, target in (
            ("n1", dialled, accepted),
            ("n2", accepted, dialled),
        ):
            net.plan.silence(silent, "n2" if silent == "n1" else "n1")
            await source.send(b"vanishes")
            await source.send_many([b"this", b"too"])
            await target.send(b"arrives")
            assert await source.receive() == b"arrives"
            assert await receive_for(target, 10) == []
            net.plan.heal("n1", "n2")
            await source.send(b"after")
            assert await target.receive_many() == [b"after"]


async def test_half_open_delivers_nothing_until_the_buffer_is_full_and_then_all(
    autojump_clock: MockClock,
) -> None:
    async with memory_net(pipe_bytes_max=1000) as net:
        dialled, accepted = await net.link()
        got: list[bytes] = []

        async def receive_ten() -> None:
            while len(got) < 10:
                got.append(await accepted.receive())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive_ten)
            await trio.testing.wait_all_tasks_blocked()
            net.plan.half_open("n1", "n2")
            sent = 0
            with trio.move_on_after(10):
                while True:
                    await dialled.send(b"x" * 84)
                    sent += 1
            await accepted.send(b"y")
            assert await receive_for(dialled, 10) == []
            assert (sent, got) == (10, [])
            net.plan.heal("n1", "n2")
        assert got == [b"x" * 84] * 10
        assert await dialled.receive() == b"y"


async def test_half_open_link_can_be_closed(autojump_clock: MockClock) -> None:
    async with memory_net() as net, trio.open_nursery() as nursery:
        dialled, _ = await net.link()
        net.plan.half_open("n1", "n2")

        async def receive() -> None:
            with pytest.raises(LinkClosedError):
                await dialled.receive()

        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        await dialled.aclose()


@pytest.mark.parametrize("who", ["nobody", "dialler", "acceptor", "both"])
async def test_cut_breaks_links_at_both_ends_and_refuses_dials_until_healed(
    autojump_clock: MockClock, who: str
) -> None:
    """Whoever waits in ``receive`` when it happens."""
    async with memory_net() as net:
        dialled, accepted = await net.link()
        await dialled.send(b"on its way")
        await accepted.send(b"on its way")
        broken: list[Link] = []

        async def receive_until_broken(link: Link) -> None:
            with pytest.raises(LinkClosedError, match="fault"):
                while True:
                    await link.receive()
            broken.append(link)

        waiting = {"dialler": [dialled], "acceptor": [accepted], "nobody": []}
        async with trio.open_nursery() as nursery:
            for link in waiting.get(who, [dialled, accepted]):
                nursery.start_soon(receive_until_broken, link)
            await trio.testing.wait_all_tasks_blocked()
            net.plan.cut("n1", "n2")
        assert len(broken) == len(waiting.get(who, [dialled, accepted]))
        for link in (dialled, accepted):
            with pytest.raises(LinkClosedError):
                await link.receive()
            with pytest.raises(LinkClosedError):
                await link.send(b"x")
        with pytest.raises(DialError, match="n1 cannot dial mem://n2: a fault"):
            await net.n1.dial(net.bound)
        net.plan.heal("n1", "n2")
        with pytest.raises(LinkClosedError):
            await dialled.send(b"x")
        again, accepted = await net.link()
        await again.send(b"x")
        assert await accepted.receive() == b"x"


async def test_cut_wakes_a_sender_that_waits_for_room(
    autojump_clock: MockClock,
) -> None:
    async with memory_net(pipe_bytes_max=100) as net, trio.open_nursery() as nursery:
        dialled, _ = await net.link()

        async def fill() -> None:
            with pytest.raises(LinkClosedError, match="fault"):
                while True:
                    await dialled.send(b"x" * 84)

        nursery.start_soon(fill)
        await trio.testing.wait_all_tasks_blocked()
        net.plan.cut("n2", "n1")


async def test_cut_while_a_dial_is_under_way_refuses_it(
    autojump_clock: MockClock,
) -> None:
    network = MemoryNetwork(rng=random.Random(1), latency_s=(1.0, 1.0))
    async with (
        faulty_net(network.transport("n1"), network.transport("n2"), "mem://n2") as net,
        trio.open_nursery() as nursery,
    ):

        async def dial() -> None:
            with pytest.raises(DialError, match="fault"):
                await net.n1.dial(net.bound)

        nursery.start_soon(dial)
        await trio.sleep(1.0)
        net.plan.cut("n1", "n2")
        accepted = await net.accepted.receive()
        with pytest.raises(LinkClosedError):
            await accepted.receive()


async def test_rules_of_others_leave_a_link_alone(autojump_clock: MockClock) -> None:
    async with memory_net() as net:
        dialled, accepted = await net.link()
        net.plan.cut("n1", "n3")
        net.plan.silence("n2", "n1")
        net.plan.cut("n3", "n2")
        await dialled.send(b"x")
        assert await accepted.receive() == b"x"


async def test_accepted_tcp_link_knows_its_dialler_by_label() -> None:
    """The peer of an accepted TCP link is some port that no rule can know."""
    async with faulty_net(TcpTransport(), TcpTransport(), "tcp://127.0.0.1:0") as net:
        net.plan.silence("n2", "n1")
        dialled, accepted = await net.link()
        await accepted.send(b"vanishes")
        await dialled.send(b"arrives")
        assert await accepted.receive() == b"arrives"
        net.plan.heal("n1", "n2")
        await accepted.send(b"after")
        assert await dialled.receive() == b"after"
        net.plan.cut("n1", "n2")
        with pytest.raises(LinkClosedError, match="fault"):
            await accepted.receive()
        with pytest.raises(LinkClosedError, match="fault"):
            await dialled.receive()


async def test_listener_that_speaks_first_is_under_the_rules_from_its_first_frame() -> (
    None
):
    plan = FaultPlan(random.Random(1))
    plan.silence("n2", "n1")

    async def greet(link: Link) -> None:
        await link.send(b"hello")
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        n2 = FaultyTransport(TcpTransport(), plan, label="n2")
        bound = await nursery.start(n2.serve, "tcp://127.0.0.1:0", greet)
        n1 = FaultyTransport(TcpTransport(), plan, label="n1")
        links = [await n1.dial(bound) for _ in range(10)]
        for link in links:
            assert await receive_for(link, 0.003) == []
            await link.aclose()
        nursery.cancel_scope.cancel()


async def test_dialler_without_faults_is_known_by_its_address(
    autojump_clock: MockClock,
) -> None:
    network = MemoryNetwork(rng=random.Random(1))
    async with faulty_net(
        network.transport("n1"), network.transport("n2"), "mem://n2"
    ) as net:
        plain = await network.transport("n3").dial(net.bound)
        accepted = await net.accepted.receive()
        net.plan.silence("n2", accepted.peer)
        await accepted.send(b"vanishes")
        net.plan.heal_all()
        await accepted.send(b"after")
        assert await plain.receive_many() == [b"after"]


async def test_plan_forgets_links_that_nobody_holds(autojump_clock: MockClock) -> None:
    async with memory_net() as net:
        link = await net.n1.dial(net.bound)
        reference = weakref.ref(link)
        await link.aclose()
        del link
        gc.collect()
        assert reference() is None
        net.plan.cut("n1", "n2")
