"""The canary of ``chaos/sim/whole/determinism.py``: a seed means one run."""

from __future__ import annotations

import trio

from chaos.sim.whole.determinism import run_deterministically
from chaos.sim.whole.world import Plan, simulate


async def order_of_many() -> list[int]:
    order: list[int] = []

    async def note(number: int) -> None:
        for _ in range(3):
            await trio.lowlevel.checkpoint()
            order.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(note, number)
    return order


def test_order_of_tasks_follows_the_seed() -> None:
    first, again, other = (
        run_deterministically(order_of_many, seed) for seed in (7, 7, 8)
    )
    assert first == again
    assert first != other


def test_time_jumps_and_the_switch_is_put_back() -> None:
    import trio._core._run as scheduler

    before = scheduler._ALLOW_DETERMINISTIC_SCHEDULING

    async def sleep() -> float:
        await trio.sleep(3600)
        return trio.current_time()

    assert run_deterministically(sleep, 1) == 3600
    assert before == scheduler._ALLOW_DETERMINISTIC_SCHEDULING


def test_a_seed_gives_the_same_run_twice_and_another_gives_another() -> None:
    first, again, other = (
        simulate(seed, Plan(fault_s=4.0)).history for seed in (5, 5, 6)
    )
    assert first.trace == again.trace
    assert first.digests == again.digests
    assert len(first.trace) > 50
    assert first.trace != other.trace
