"""The gate: late faults wait for each other."""

from __future__ import annotations

import trio

from chaos.live.atlas import Shape
from chaos.live.faults import Fault, Injection, Target
from chaos.live.gate import LINGER_S, PATIENCE_S, Gate

SHAPE = Shape(leaders=3, agents=4, frameworks=2)


def injection(number: int, fault: Fault, target: Target) -> Injection:
    return Injection(
        number=number, fault=fault, target=target, at_s=0.0, for_s=1.0, seed=number
    )


async def test_gate_lets_a_second_node_fault_wait_until_the_first_is_healed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    gate = Gate(SHAPE)
    entered: list[tuple[int, float]] = []

    async def enter(one: Injection, stay_s: float) -> None:
        await gate.enter(one)
        entered.append((one.number, trio.current_time() - began))
        await trio.sleep(stay_s)
        gate.leave(one)

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(enter, injection(1, Fault.PAUSE, Target.ONE), 5.0)
        await trio.sleep(1.0)
        nursery.start_soon(enter, injection(2, Fault.POWER_CUT, Target.ALL), 2.0)
        await trio.sleep(1.0)
        # Possible beside the first, but the second was here before and excludes it.
        nursery.start_soon(enter, injection(3, Fault.LOSS, Target.ALL), 1.0)
        nursery.start_soon(enter, injection(4, Fault.AGENT_KILL, Target.AGENT), 1.0)

    assert entered == [(1, 0.0), (4, 2.0), (2, 6.0), (3, 9.0)]


async def test_gate_forgets_who_was_cancelled_while_waiting(
    autojump_clock: trio.testing.MockClock,
) -> None:
    gate = Gate(SHAPE)
    first = injection(1, Fault.PAUSE, Target.ONE)
    await gate.enter(first)
    with trio.move_on_after(1.0) as scope:
        await gate.enter(injection(2, Fault.KILL_ALL, Target.ALL))
    assert scope.cancelled_caught
    third = injection(3, Fault.LOSS, Target.ONE)
    with trio.fail_after(0.5):
        await gate.enter(third)
    gate.leave(third)
    gate.leave(first)
    with trio.fail_after(LINGER_S + 0.1):
        await gate.enter(injection(4, Fault.KILL_ALL, Target.ALL))


async def test_gate_gives_up_who_waits_for_long_if_the_class_had_its_turn(
    autojump_clock: trio.testing.MockClock,
) -> None:
    gate = Gate(SHAPE)
    began = trio.current_time()
    assert await gate.enter(injection(1, Fault.PAUSE, Target.ONE))
    assert not await gate.enter(injection(2, Fault.PAUSE, Target.ONE))
    assert trio.current_time() - began == PATIENCE_S
    with trio.move_on_after(100.0) as scope:
        await gate.enter(injection(3, Fault.KILL, Target.ONE))  # its first time
    assert scope.cancelled_caught
