"""Processes that stand still while the world goes on."""

from __future__ import annotations

import trio

from chaos.sim.whole.clock import VirtualClock
from chaos.sim.whole.determinism import run_deterministically
from chaos.sim.whole.processes import Process, ReadyQueue


def test_stopped_process_does_nothing_and_goes_on_where_it_was() -> None:
    clock, queue = VirtualClock(), ReadyQueue()
    ticks: dict[str, list[float]] = {"stopped": [], "other": []}

    async def tick(name: str) -> None:
        while True:
            await trio.sleep(1.0)
            ticks[name].append(trio.current_time())

    async def main() -> None:
        queue.install()
        stopped = Process("stopped", clock, queue)
        async with trio.open_nursery() as nursery:
            stopped.run(nursery.start_soon, tick, "stopped")
            Process("other", clock, queue).run(nursery.start_soon, tick, "other")
            await trio.sleep(2.5)
            stopped.stop_until(7.25)
            assert stopped.is_stopped
            await trio.sleep(7.0)
            assert not stopped.is_stopped
            nursery.cancel_scope.cancel()

    run_deterministically(main, 1, clock)
    assert ticks["other"] == [float(second) for second in range(1, 10)]
    assert ticks["stopped"] == [1.0, 2.0, 7.25, 8.25, 9.25]


def test_children_of_a_task_belong_to_its_process() -> None:
    clock, queue = VirtualClock(), ReadyQueue()
    heard: list[float] = []

    async def child() -> None:
        await trio.sleep(1.0)
        heard.append(trio.current_time())

    async def parent() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)

    async def main() -> None:
        queue.install()
        process = Process("p", clock, queue)
        async with trio.open_nursery() as nursery:
            process.run(nursery.start_soon, parent)
            await trio.sleep(0.5)
            process.stop_until(3.0)

    run_deterministically(main, 1, clock)
    assert heard == [3.0]


def test_last_of_several_stops_counts_and_going_on_ends_all() -> None:
    clock, queue = VirtualClock(), ReadyQueue()
    heard: list[float] = []

    async def note() -> None:
        for _ in range(2):
            await trio.sleep(1.0)
            heard.append(trio.current_time())

    async def main() -> None:
        queue.install()
        process = Process("p", clock, queue)
        async with trio.open_nursery() as nursery:
            process.run(nursery.start_soon, note)
            process.stop_until(5.0)
            process.stop_until(2.0)
            await trio.sleep(6.0)
            process.stop_until(100.0)
            await trio.sleep(1.0)
            process.go_on()
            process.go_on()
            assert process.pauses == 3

    run_deterministically(main, 1, clock)
    assert heard == [5.0, 6.0]


def test_cancelled_process_ends_when_it_goes_on() -> None:
    clock, queue = VirtualClock(), ReadyQueue()
    ended: list[float] = []

    async def wait() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(trio.current_time())

    async def main() -> None:
        queue.install()
        process = Process("p", clock, queue)
        async with trio.open_nursery() as nursery:
            process.run(nursery.start_soon, wait)
            await trio.sleep(1.0)
            process.stop_until(4.0)
            nursery.cancel_scope.cancel()

    run_deterministically(main, 1, clock)
    assert ended == [4.0]
