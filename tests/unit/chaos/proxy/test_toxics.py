"""Toxics by themselves, on a virtual clock: how much, when, and what a change does."""

from __future__ import annotations

import random

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from chaos.proxy.pieces import Behaviour, Stage
from chaos.proxy.pipes import Chunk, Pipe
from chaos.proxy.toxics import (
    DOWNSTREAM,
    Bandwidth,
    Latency,
    LimitData,
    Noop,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
    Toxic,
)


class Laboratory:
    """A stage with a toxic, and what came out of it when."""

    def __init__(
        self, nursery: trio.Nursery, behaviour: Behaviour, toxicity: float = 1.0
    ) -> None:
        self.inbox, self.outbox = Pipe(1024), Pipe(1024)
        self.toxic = Toxic(
            name="t",
            type="t",
            stream=DOWNSTREAM,
            direction=DOWNSTREAM,
            toxicity=toxicity,
            behaviour_of=behaviour,  # type: ignore[arg-type]
        )
        self.stage = Stage(
            nursery,
            self.toxic,
            inbox=self.inbox,
            outbox=self.outbox,
            rng=random.Random(1),
        )
        self.seen: list[tuple[float, bytes]] = []
        self.began = trio.current_time()
        self.stage.start()
        nursery.start_soon(self._collect)

    async def _collect(self) -> None:
        while (chunk := await self.outbox.get()) is not None:
            self.seen.append((self.now_s, chunk.data))
        self.seen.append((self.now_s, b"end"))

    @property
    def now_s(self) -> float:
        return round(trio.current_time() - self.began, 3)

    async def put(self, *parts: bytes) -> None:
        for part in parts:
            await self.inbox.put(Chunk(part, trio.current_time()))

    @property
    def data(self) -> bytes:
        return b"".join(data for _, data in self.seen)


async def test_latency_is_counted_from_when_bytes_were_read(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        lab = Laboratory(nursery, Latency(latency=100))
        await lab.put(b"a", b"b")
        await trio.sleep(0.05)
        await lab.put(b"c")
        lab.inbox.end()
    assert lab.seen == [(0.1, b"a"), (0.1, b"b"), (0.15, b"c"), (0.15, b"end")]


async def test_latencies_in_a_row_add_up(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        lab = Laboratory(nursery, Latency(latency=100))
        second = Laboratory(nursery, Latency(latency=30))
        await lab.stage.interrupt()
        lab.stage.outbox = second.inbox
        lab.stage.start()
        await lab.put(b"a")
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert second.seen == [(0.13, b"a")]


async def test_jitter_is_drawn_evenly_around_latency(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        lab = Laboratory(nursery, Latency(latency=100, jitter=50))
        for number in range(200):
            sent_s = lab.now_s
            await lab.put(b"x")
            await trio.sleep(1)
            lab.seen[number] = (lab.seen[number][0] - sent_s, b"")
        nursery.cancel_scope.cancel()
    times = [delay for delay, _ in lab.seen]
    assert 0.05 <= min(times) < 0.06
    assert 0.14 < max(times) < 0.1505
    assert 0.095 < sum(times) / len(times) < 0.105


async def test_bandwidth_lets_a_tenth_of_a_second_through_at_once(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        lab = Laboratory(nursery, Bandwidth(rate=10))
        await lab.put(b"x" * 2500, b"y" * 500)
        lab.inbox.end()
    sizes = [(at_s, len(data)) for at_s, data in lab.seen[:-1]]
    assert sizes == [(0.1, 1000), (0.2, 1000), (0.25, 500), (0.3, 500)]


@pytest.mark.parametrize("rate", [0, -5])
async def test_bandwidth_of_nothing_is_nothing(
    autojump_clock: MockClock, rate: int
) -> None:
    async with trio.open_nursery() as nursery:
        lab = Laboratory(nursery, Bandwidth(rate=rate))
        await lab.put(b"x")
        await trio.sleep(1000)
        assert lab.seen == []
        nursery.cancel_scope.cancel()


async def test_slow_close_delays_the_end_alone(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        lab = Laboratory(nursery, SlowClose(delay=300))
        await lab.put(b"x")
        lab.inbox.end()
    assert lab.seen == [(0.0, b"x"), (0.3, b"end")]


async def test_timeout_counts_from_the_last_byte(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        lab = Laboratory(nursery, Timeout(timeout=200))
        for _ in range(3):
            await trio.sleep(0.15)
            await lab.put(b"lost")
    assert lab.seen == [(0.65, b"end")]


async def test_reset_peer_that_has_begun_is_not_interrupted(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        lab = Laboratory(nursery, ResetPeer(timeout=500))
        await lab.put(b"lost")
        await trio.sleep(0.1)
        assert await lab.stage.interrupt() is False
        assert lab.now_s == 0.5
    assert lab.seen == [(0.5, b"end")]


async def test_slicer_waits_after_each_slice(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        lab = Laboratory(nursery, Slicer(average_size=30, delay=2000))
        await lab.put(b"x" * 100)
        lab.inbox.end()
    assert [(at_s, len(data)) for at_s, data in lab.seen[:-1]] == [
        (0.0, 25),
        (0.002, 25),
        (0.004, 25),
        (0.006, 25),
    ]


@given(
    total=st.integers(0, 5000),
    average=st.integers(-3, 300),
    variation=st.integers(-3, 600),
    seed=st.integers(0, 1000),
)
def test_slices_are_all_of_it_and_none_is_too_large(
    total: int, average: int, variation: int, seed: int
) -> None:
    slicer = Slicer(average_size=average, size_variation=variation)
    sizes = slicer.sizes(total, random.Random(seed))
    assert sum(sizes) == total
    assert max(sizes) <= max(1, max(1, average) + max(0, variation))
    assert total == 0 or min(sizes) >= 1


async def test_limit_data_lets_its_bytes_through_and_ends(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        lab = Laboratory(nursery, LimitData(bytes=25))
        await lab.put(b"x" * 10, b"y" * 30, b"z")
    assert lab.data == b"x" * 10 + b"y" * 15 + b"end"


@pytest.mark.parametrize("toxicity", [0.0, 0.3, 1.0])
async def test_toxicity_is_a_probability(
    autojump_clock: MockClock, toxicity: float
) -> None:
    rng = random.Random(7)
    hit = 0
    async with trio.open_nursery() as nursery:
        for _ in range(300):
            lab = Laboratory(nursery, LimitData(bytes=0), toxicity)
            lab.stage._rng = rng
            await lab.put(b"x")
            await trio.testing.wait_all_tasks_blocked()
            hit += lab.data == b"end"
        nursery.cancel_scope.cancel()
    assert abs(hit - 300 * toxicity) < 25


@pytest.mark.parametrize(
    "behaviour",
    [
        Noop(),
        Latency(latency=100, jitter=40),
        Bandwidth(rate=1),
        SlowClose(delay=100),
        Slicer(average_size=3, size_variation=2, delay=1000),
        LimitData(bytes=10_000),
    ],
)
async def test_no_byte_is_lost_or_moved_by_interrupts(
    autojump_clock: MockClock, behaviour: Behaviour
) -> None:
    rng = random.Random(3)
    sent = rng.randbytes(3000)
    async with trio.open_nursery() as nursery:
        lab = Laboratory(nursery, behaviour)

        async def send() -> None:
            left = sent
            while left:
                size = rng.randint(1, 400)
                await lab.put(left[:size])
                left = left[size:]
                await trio.sleep(rng.uniform(0, 0.1))
            lab.inbox.end()

        nursery.start_soon(send)
        while await lab.stage.interrupt():
            await trio.sleep(rng.uniform(0, 0.05))
            lab.stage.start()
            await trio.sleep(rng.uniform(0, 0.2))
    assert lab.data == sent + b"end"
