from __future__ import annotations

import random

import pytest
import trio
from trio.testing import MockClock

from transports.errors import BadAddressError, DialError, LinkClosedError
from transports.interface import Link
from transports.memory import MemoryNetwork


async def echo(link: Link) -> None:
    while True:
        await link.send(await link.receive())


async def answer_times(seed: int, latency_s: tuple[float, float]) -> list[float]:
    """When each of three frames came back over each of two links."""
    network = MemoryNetwork(rng=random.Random(seed), latency_s=latency_s)
    began = trio.current_time()
    times: list[float] = []
    async with trio.open_nursery() as nursery:
        bound = await nursery.start(network.transport("n2").serve, "mem://n2", echo)
        for _ in range(2):
            link = await network.transport("n1").dial(bound)
            await link.send_many([b"1", b"2", b"3"])
            for _ in range(3):
                await link.receive()
                times.append(trio.current_time() - began)
        nursery.cancel_scope.cancel()
    return times


async def test_latency_takes_the_time_it_says(autojump_clock: MockClock) -> None:
    assert await answer_times(1, (2.0, 2.0)) == [8.0, 8.0, 8.0, 16.0, 16.0, 16.0]


async def test_latency_is_the_same_for_a_seed_and_another_for_another(
    autojump_clock: MockClock,
) -> None:
    first = await answer_times(1, (0.5, 1.5))
    assert await answer_times(1, (0.5, 1.5)) == pytest.approx(first)
    assert await answer_times(2, (0.5, 1.5)) != pytest.approx(first)
    assert first == sorted(first)
    assert first[0] >= 2.0  # dial there and back, frame there and back


async def test_latency_of_one_link_does_not_hang_on_the_traffic_of_another(
    autojump_clock: MockClock,
) -> None:
    async def time_of_answer(*, with_noise: bool) -> float:
        network = MemoryNetwork(rng=random.Random(4), latency_s=(0.1, 9.0))
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for name in ("n2", "n3"):
                await nursery.start(
                    network.transport(name).serve, f"mem://{name}", echo
                )
            if with_noise:
                noise = await network.transport("n1").dial("mem://n3")
                await noise.send_many([b"x"] * 10)
                began = trio.current_time()
            link = await network.transport("n1").dial("mem://n2")
            await link.send(b"x")
            await link.receive()
            took = trio.current_time() - began
            nursery.cancel_scope.cancel()
        return took

    quiet = await time_of_answer(with_noise=False)
    assert await time_of_answer(with_noise=True) == pytest.approx(quiet)


@pytest.mark.parametrize("latency_s", [(-1.0, 1.0), (2.0, 1.0), (0.0, float("inf"))])
def test_latency_out_of_order_is_refused(latency_s: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="latency_s"):
        MemoryNetwork(rng=random.Random(1), latency_s=latency_s)


async def test_close_links_breaks_both_ends_and_loses_what_is_on_its_way(
    autojump_clock: MockClock,
) -> None:
    network = MemoryNetwork(rng=random.Random(1), latency_s=(1.0, 1.0))
    ended: list[str] = []

    async def note_end(link: Link) -> None:
        try:
            await echo(link)
        finally:
            ended.append(link.peer)

    async with trio.open_nursery() as nursery:
        await nursery.start(network.transport("n2").serve, "mem://n2", note_end)
        await nursery.start(network.transport("n3").serve, "mem://n3", echo)
        doomed = [await network.transport("n1").dial("mem://n2") for _ in range(2)]
        other = await network.transport("n1").dial("mem://n3")
        await doomed[0].send(b"on its way")
        assert network.close_links("n2") == 2
        assert network.close_links("n2") == 0
        for link in doomed:
            with pytest.raises(LinkClosedError):
                await link.receive()
            with pytest.raises(LinkClosedError):
                await link.send(b"x")
        await other.send(b"x")
        assert await other.receive() == b"x"
        again = await network.transport("n1").dial("mem://n2")
        await again.send(b"x")
        assert await again.receive() == b"x"
        assert sorted(ended) == ["mem://n1#1", "mem://n1#2"]
        nursery.cancel_scope.cancel()


async def test_refused_dials_fail_both_ways_until_allowed(
    autojump_clock: MockClock,
) -> None:
    network = MemoryNetwork(rng=random.Random(1))
    n1, n2 = network.transport("n1"), network.transport("n2")
    async with trio.open_nursery() as nursery:
        await nursery.start(n1.serve, "mem://n1", echo)
        await nursery.start(n2.serve, "mem://n2", echo)
        link = await n1.dial("mem://n2")
        network.refuse_dials("n2")
        with pytest.raises(DialError, match="refuses"):
            await n1.dial("mem://n2")
        with pytest.raises(DialError, match="refuses"):
            await n2.dial("mem://n1")
        await (await n1.dial("mem://n1")).aclose()
        await link.send(b"old links stay")
        assert await link.receive() == b"old links stay"
        network.allow_dials("n2")
        await (await n1.dial("mem://n2")).aclose()
        nursery.cancel_scope.cancel()


async def test_pipe_holds_no_more_than_its_bytes(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(rng=random.Random(1), pipe_bytes_max=1000)
    accepted_send, accepted_receive = trio.open_memory_channel[Link](1)

    async def hold(link: Link) -> None:
        await accepted_send.send(link)
        await trio.sleep_forever()

    async def fill(link: Link, frame: bytes) -> int:
        sent = 0
        with trio.move_on_after(1):
            while True:
                await link.send(frame)
                sent += 1
        return sent

    async with trio.open_nursery() as nursery:
        await nursery.start(network.transport("n2").serve, "mem://n2", hold)
        link = await network.transport("n1").dial("mem://n2")
        accepted = await accepted_receive.receive()
        assert await fill(link, b"x" * 84) == 10  # 100 with its overhead
        assert len(await accepted.receive_many()) == 10
        assert await fill(link, b"") == 62  # empty frames are not free
        assert len(await accepted.receive_many()) == 62
        assert await fill(link, b"x" * 5000) == 1  # alone it may be larger
        nursery.cancel_scope.cancel()


async def test_node_listens_at_its_own_addresses_only() -> None:
    n1 = MemoryNetwork(rng=random.Random(1)).transport("n1")
    for address in ("mem://n2", "mem://", "tcp://n1", "mem://n1#3"):
        with pytest.raises(BadAddressError):
            await n1.serve(address, echo)
    async with trio.open_nursery() as nursery:
        for address in ("mem://n1", "mem://n1/agents", "mem://n1:7"):
            assert await nursery.start(n1.serve, address, echo) == address
        numbered = [await nursery.start(n1.serve, "mem://n1:0", echo) for _ in "ab"]
        assert len(set(numbered)) == 2
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a:1", "a#1"])
def test_name_that_cannot_stand_in_an_address_is_refused(name: str) -> None:
    with pytest.raises(BadAddressError):
        MemoryNetwork(rng=random.Random(1)).transport(name)


async def test_second_receiver_of_a_link_is_a_bug_and_told_so() -> None:
    network = MemoryNetwork(rng=random.Random(1))
    with pytest.raises(ExceptionGroup) as caught:
        async with trio.open_nursery() as nursery:
            await nursery.start(network.transport("n2").serve, "mem://n2", echo)
            link = await network.transport("n1").dial("mem://n2")
            nursery.start_soon(link.receive)
            nursery.start_soon(link.receive)
    assert caught.group_contains(trio.BusyResourceError)
