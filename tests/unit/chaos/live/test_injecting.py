from __future__ import annotations

import pytest
import trio
import trio.testing
from support.fake_world import FakeJournal, FakeNemesis

from chaos.history.records import FaultPhase, FaultRecord
from chaos.live.atlas import Shape
from chaos.live.faults import Fault, Injection, Target
from chaos.live.gate import Gate
from chaos.live.injecting import Injector
from chaos.live.seams import World


def injection(
    number: int, *, at_s: float, for_s: float = 5.0, fault: Fault = Fault.KILL
) -> Injection:
    return Injection(
        number=number,
        fault=fault,
        target=Target.LEADER,
        at_s=at_s,
        for_s=for_s,
        seed=number,
    )


@pytest.fixture
def nemesis() -> FakeNemesis:
    return FakeNemesis()


@pytest.fixture
def told() -> list[FaultRecord]:
    return []


@pytest.fixture
def injector(world: World, nemesis: FakeNemesis, told: list[FaultRecord]) -> Injector:
    nemeses = dict.fromkeys(nemesis.faults, nemesis)
    gate = Gate(Shape(leaders=3, agents=2, frameworks=2))
    return Injector(world=world, nemeses=nemeses, gate=gate, tell=told.append)


async def test_faults_are_made_and_healed_at_their_times(
    injector: Injector,
    world: World,
    told: list[FaultRecord],
    autojump_clock: trio.testing.MockClock,
) -> None:
    await injector.perform([injection(2, at_s=7.0, for_s=2.0), injection(1, at_s=1.0)])

    assert [(one.id, one.phase.value, one.at_ns / 1e9) for one in told] == [
        (1, "inject", 1.0),
        (1, "heal", 6.0),
        (2, "inject", 7.0),
        (2, "heal", 9.0),
    ]
    assert isinstance(world.journal, FakeJournal)
    assert world.journal.records == told
    assert told[0].targets == ("leader-1",)
    assert told[0].detail == {"target": "leader", "number": 1}
    assert told[0].means == "fake"


async def test_a_fault_waits_for_the_healing_of_one_it_must_not_meet(
    injector: Injector,
    nemesis: FakeNemesis,
    told: list[FaultRecord],
    autojump_clock: trio.testing.MockClock,
) -> None:
    nemesis.heal_s = 4.0
    await injector.perform([injection(1, at_s=1.0), injection(2, at_s=7.0)])
    assert [(one.id, one.at_ns / 1e9) for one in told] == [
        (1, 1.0),
        (1, 10.0),
        (2, 11.0),
        (2, 20.0),
    ]


async def test_a_fault_that_still_waits_when_faults_are_over_is_not_made(
    injector: Injector,
    nemesis: FakeNemesis,
    autojump_clock: trio.testing.MockClock,
) -> None:
    nemesis.heal_s = 4.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            injector.perform, [injection(1, at_s=1.0), injection(2, at_s=7.0)]
        )
        await trio.sleep(8.0)
        injector.end()
    assert nemesis.injected == [1]


async def test_a_fault_begins_when_making_it_began(
    injector: Injector,
    nemesis: FakeNemesis,
    told: list[FaultRecord],
    autojump_clock: trio.testing.MockClock,
) -> None:
    nemesis.inject_s = 3.0
    await injector.perform([injection(1, at_s=1.0)])
    assert [one.at_ns / 1e9 for one in told] == [1.0, 9.0]


async def test_an_impossible_fault_is_taken_down_with_its_reason(
    injector: Injector,
    told: list[FaultRecord],
    autojump_clock: trio.testing.MockClock,
) -> None:
    await injector.perform(
        [
            injection(1, at_s=1.0, fault=Fault.PAUSE),
            injection(2, at_s=2.0, fault=Fault.RING),
        ]
    )
    assert [one.phase for one in told] == [FaultPhase.IMPOSSIBLE] * 2
    assert told[0].detail["why"] == "nobody leads"
    assert told[1].detail["why"] == "there is no nemesis for ring"
    assert injector.problems == []


async def test_a_broken_nemesis_is_a_problem_and_the_others_go_on(
    injector: Injector,
    nemesis: FakeNemesis,
    told: list[FaultRecord],
    autojump_clock: trio.testing.MockClock,
) -> None:
    nemesis.inject_error = KeyError("leader-9")
    await injector.perform([injection(1, at_s=0.0)])
    nemesis.inject_error = None
    await injector.perform([injection(2, at_s=0.0)])
    assert injector.problems == [
        "kill (number 1): its nemesis failed: KeyError: 'leader-9'"
    ]
    assert nemesis.healed == [2]


async def test_a_fault_that_takes_too_long_to_make_is_impossible(
    injector: Injector,
    nemesis: FakeNemesis,
    told: list[FaultRecord],
    autojump_clock: trio.testing.MockClock,
) -> None:
    nemesis.inject_s = 61.0
    await injector.perform([injection(1, at_s=0.0)])
    assert told[0].detail["why"] == "it took more than 60 s to make"
    assert nemesis.injected == []


async def test_the_end_heals_what_is_in_force_and_begins_nothing(
    injector: Injector,
    nemesis: FakeNemesis,
    told: list[FaultRecord],
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            injector.perform,
            [injection(1, at_s=1.0, for_s=100.0), injection(2, at_s=50.0)],
        )
        await trio.sleep(10.0)
        injector.end()
    assert trio.current_time() == 10.0
    assert nemesis.injected == nemesis.healed == [1]
    assert [one.phase for one in told] == [FaultPhase.INJECT, FaultPhase.HEAL]


async def test_cancelling_heals_what_is_in_force(
    injector: Injector,
    nemesis: FakeNemesis,
    autojump_clock: trio.testing.MockClock,
) -> None:
    nemesis.heal_s = 7.0
    with trio.move_on_after(10.0):
        await injector.perform([injection(1, at_s=1.0, for_s=100.0)])
    assert nemesis.healed == [1]
    assert trio.current_time() == 17.0


@pytest.mark.parametrize(
    ("heal_s", "heal_error", "problem"),
    [
        (61.0, None, "not healed within 60 s"),
        (0.0, OSError(5, "broken"), "could not be healed: OSError: broken"),
    ],
)
async def test_what_cannot_be_healed_is_a_problem(
    injector: Injector,
    nemesis: FakeNemesis,
    told: list[FaultRecord],
    autojump_clock: trio.testing.MockClock,
    heal_s: float,
    heal_error: Exception | None,
    problem: str,
) -> None:
    nemesis.heal_s, nemesis.heal_error = heal_s, heal_error
    await injector.perform([injection(1, at_s=0.0)])
    assert injector.problems == [f"kill (number 1): {problem}"]
    assert told[-1].detail["problem"] == problem


async def test_what_a_nemesis_saw_broken_is_a_violation(
    injector: Injector,
    nemesis: FakeNemesis,
    autojump_clock: trio.testing.MockClock,
) -> None:
    nemesis.heal_detail = {"violation": "leader-1 went on after a failed sync"}
    await injector.perform([injection(1, at_s=0.0)])
    assert injector.violations == [
        "kill (number 1): leader-1 went on after a failed sync"
    ]
    assert injector.problems == []


async def test_the_last_call_is_for_classes_that_had_no_turn(
    world: World,
    nemesis: FakeNemesis,
    told: list[FaultRecord],
    autojump_clock: trio.testing.MockClock,
) -> None:
    nemesis.faults = frozenset({Fault.KILL, Fault.KILL_ALL, Fault.POWER_CUT})
    injector = Injector(
        world=world,
        nemeses=dict.fromkeys(nemesis.faults, nemesis),
        gate=Gate(Shape(leaders=3, agents=2, frameworks=2)),
        tell=told.append,
    )
    schedule = [
        injection(1, at_s=1.0, for_s=2.0),
        injection(2, at_s=50.0, for_s=2.0),
        injection(3, at_s=60.0, for_s=2.0, fault=Fault.KILL_ALL),
        injection(4, at_s=70.0, for_s=2.0, fault=Fault.POWER_CUT),
        injection(5, at_s=80.0, for_s=2.0, fault=Fault.POWER_CUT),
    ]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(injector.perform, schedule)
        await trio.sleep(10.0)
        await injector.last_call(30.0)
    assert sorted(nemesis.injected) == sorted(nemesis.healed) == [1, 3, 4]
    assert trio.current_time() < 20.0


async def test_the_last_call_ends_in_time(
    injector: Injector,
    nemesis: FakeNemesis,
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(injector.perform, [injection(1, at_s=1.0, for_s=100.0)])
        await trio.sleep(10.0)
        await injector.last_call(30.0)
    assert nemesis.healed == [1]
    assert trio.current_time() == 40.0
