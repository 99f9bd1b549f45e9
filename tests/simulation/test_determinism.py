"""A seed means one run: in every process, whatever its hash seed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from chaos.sim.whole import simulate_whole
from chaos.sim.whole.clock import VirtualClock
from chaos.sim.whole.determinism import StandstillError, run_deterministically

ROOT = Path(__file__).parents[2]
SECONDS = 12.0


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


def test_calls_are_made_in_order_of_time_and_between_tasks() -> None:
    clock = VirtualClock()
    heard: list[tuple[float, str]] = []

    async def main() -> None:
        def note(name: str) -> None:
            heard.append((clock.now_s, name))

        clock.call_at(2.0, lambda: note("b"))
        clock.call_at(1.0, lambda: note("a"))
        clock.call_at(2.0, lambda: note("c"))
        await trio.sleep(1.5)
        note("task")
        await trio.sleep(1.0)

    run_deterministically(main, 1, clock)
    assert heard == [(1.0, "a"), (1.5, "task"), (2.0, "b"), (2.0, "c")]


def test_standstill_is_an_error_and_not_a_test_that_hangs() -> None:
    with pytest.raises(StandstillError):
        run_deterministically(trio.sleep_forever, 1)


def full_trace(seed: int, hash_seed: str) -> bytes:
    """Of the run of a seed, in a process of its own."""
    command = [sys.executable, "-P", "-m", "raftleader", "chaos", "replay", str(seed)]
    done = subprocess.run(
        [*command, "--level", "whole", "--seconds", str(SECONDS), "--trace", "-"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
        timeout=100,
        check=False,
    )
    assert done.returncode in (0, 2), done.stdout.decode()[-4000:]
    return done.stdout


def test_trace_is_the_same_to_the_byte_under_another_hash_seed() -> None:
    first, other = (full_trace(4, hash_seed) for hash_seed in ("1", "2"))
    assert first.count(b"\n") > 1000
    assert first == other


def test_a_seed_gives_the_same_run_twice_in_a_process_and_another_gives_another() -> (
    None
):
    first, again, other = (
        simulate_whole(seed, seconds=SECONDS).trace_hash for seed in (5, 5, 6)
    )
    assert first == again
    assert first != other
