"""Schedules: what every one of them must be, whatever the seed."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.live.aims import AIMS, hits_leader_nodes
from chaos.live.atlas import (
    COURSES,
    WEATHER_AT_ONCE,
    Shape,
    Strain,
    load_of,
    may_begin,
    window_s,
)
from chaos.live.faults import Fault, Injection, Target
from chaos.live.schedule import FIRST_AT_S, QUIET_S, Schedule, draw_schedule
from chaos.live.selection import parse_selection

SHAPE = Shape(leaders=3, agents=5, frameworks=4)

shapes = st.builds(
    Shape,
    leaders=st.sampled_from([1, 2, 3, 5]),
    agents=st.integers(0, 6),
    frameworks=st.integers(0, 5),
    engine=st.sampled_from(["raft", "pysyncobj"]),
)
texts = st.sampled_from(
    ["all", "kill", "network", "process,operator", "disk,kill@minority", "-network"]
)
drawn = st.builds(
    draw_schedule,
    st.integers(0, 10_000),
    texts.map(parse_selection),
    for_s=st.sampled_from([3.0, 20.0, 40.0, 120.0]),
    shape=st.just(SHAPE),
    missing=st.dictionaries(st.sampled_from(Fault), st.just("no root"), max_size=9),
)


def schedule(text: str, *, seed: int = 1, for_s: float = 60.0) -> Schedule:
    return draw_schedule(
        seed, parse_selection(text), for_s=for_s, shape=SHAPE, missing={}
    )


def injection(
    fault: Fault, target: Target, *, at_s: float = 0.0, for_s: float = 2.0
) -> Injection:
    return Injection(
        number=1, fault=fault, target=target, at_s=at_s, for_s=for_s, seed=1
    )


def test_courses_name_every_class() -> None:
    assert set(COURSES) == set(Fault)
    for fault, course in COURSES.items():
        assert 0 < course.shortest_s <= course.longest_s, fault


@settings(max_examples=25, deadline=None)
@given(schedule=drawn)
def test_schedule_stays_recoverable_at_every_moment(schedule: Schedule) -> None:
    windows = [(one, one.at_s, one.at_s + window_s(one)) for one in schedule.injections]
    for _, moment, _ in windows:
        active = [one for one, begin, end in windows if begin <= moment < end]
        loads = [load_of(one, SHAPE) for one in active]
        of_leaders = [load for load in loads if not load.edges]
        assert sum(load.nodes for load in of_leaders) <= SHAPE.minority
        assert sum(load.weather for load in of_leaders) <= WEATHER_AT_ONCE
        if any(load.is_alone or load.is_measured for load in of_leaders):
            assert len(of_leaders) == 1
        agents = [load for load in loads if Target.AGENT in load.edges]
        assert len(agents) <= 2


@settings(max_examples=25, deadline=None)
@given(schedule=drawn)
def test_schedule_accounts_for_every_class_that_was_asked_for(
    schedule: Schedule,
) -> None:
    fired = {one.fault for one in schedule.injections}
    assert fired == set(schedule.faults)
    assert not fired & {one.fault for one in schedule.left_out}
    numbers = [one.number for one in schedule.injections]
    assert numbers == list(range(1, len(numbers) + 1))
    times = [one.at_s for one in schedule.injections]
    assert times == sorted(times)
    for one in schedule.injections:
        assert one.at_s >= FIRST_AT_S
        assert one.target in AIMS[one.fault].possible
        course = COURSES[one.fault]
        assert course.shortest_s <= one.for_s <= course.longest_s


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), text=texts, shape=shapes)
def test_schedule_is_the_same_again_and_fits_its_time_and_shape(
    seed: int, text: str, shape: Shape
) -> None:
    selection = parse_selection(text)
    first, second = (
        draw_schedule(seed, selection, for_s=40.0, shape=shape, missing={})
        for _ in range(2)
    )
    assert first == second
    asked = set(selection.faults)
    assert asked == set(first.faults) | {one.fault for one in first.left_out}
    for one in first.injections:
        assert one.at_s + COURSES[one.fault].inject_s + one.for_s <= 40.0
        if not shape.minority:
            assert one.target is not Target.MINORITY or not hits_leader_nodes(
                one.fault, one.target
            )


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_schedule_fires_every_class_when_there_is_time(seed: int) -> None:
    found = schedule("all", seed=seed, for_s=300.0)
    assert set(found.faults) == set(Fault)
    assert found.left_out == ()


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_schedule_fires_named_classes_first_when_time_is_short(seed: int) -> None:
    named = {Fault.PAUSE, Fault.PARTITION, Fault.MEMBERSHIP, Fault.AGENT_KILL}
    text = ",".join(["all", *(fault.value for fault in named)])
    assert named <= set(schedule(text, seed=seed, for_s=40.0).faults)


def test_schedule_draws_other_classes_when_the_seed_is_another() -> None:
    runs = [schedule("all", seed=seed, for_s=60.0) for seed in range(25)]
    assert {fault for run in runs for fault in run.faults} == set(Fault)
    assert all(len(run.faults) < len(Fault) for run in runs)
    assert len({run.faults for run in runs}) > 20
    assert all("too little" in one.why for run in runs for one in run.left_out)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), text=st.sampled_from(["all", "kill,loss"]))
def test_schedule_kills_leaders_in_calm_weather(seed: int, text: str) -> None:
    found = schedule(text, seed=seed, for_s=120.0)
    kills = [one for one in found.injections if one.fault is Fault.KILL]
    assert sum(one.target is Target.LEADER for one in kills) >= 3
    for kill in kills:
        end = kill.at_s + window_s(kill)
        for other in found.injections:
            if other is kill or not hits_leader_nodes(other.fault, other.target):
                continue
            assert other.at_s >= end or other.at_s + window_s(other) <= kill.at_s


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_schedule_leaves_quiet_times_when_it_is_long(seed: int) -> None:
    found = schedule("all", seed=seed, for_s=120.0)
    assert len(found.quiet) >= 6
    for begin, end in found.quiet:
        assert end - begin == pytest.approx(QUIET_S)
        for one in found.injections:
            assert one.at_s >= end or one.at_s + window_s(one) <= begin


def test_schedule_is_empty_when_no_faults_are_asked_for() -> None:
    found = schedule("none")
    assert (found.faults, found.left_out, found.injections) == ((), (), ())


def test_schedule_says_why_when_a_class_is_impossible() -> None:
    lonely = Shape(leaders=1, agents=1, frameworks=0)
    found = draw_schedule(
        3,
        parse_selection("kill,kill@minority,membership,drain,framework-kill,loss"),
        for_s=30.0,
        shape=lonely,
        missing={Fault.LOSS: "needs root"},
    )
    why = {one.fault: one.why for one in found.left_out if one.is_missing}
    assert set(found.faults) == {Fault.KILL}
    assert {one.target for one in found.injections} <= {Target.ONE, Target.LEADER}
    assert why[Fault.LOSS] == "needs root"
    assert "three leader nodes" in why[Fault.MEMBERSHIP]
    assert "two agents" in why[Fault.DRAIN]
    assert why[Fault.FRAMEWORK_KILL] == "there is nobody to hit: framework"


def test_schedule_has_fixed_members_when_the_engine_is_pysyncobj() -> None:
    shape = attrs.evolve(SHAPE, engine="pysyncobj")
    found = draw_schedule(
        1, parse_selection("membership,kill"), for_s=30.0, shape=shape, missing={}
    )
    assert found.faults == (Fault.KILL,)
    assert "pysyncobj are fixed" in found.left_out[0].why


@pytest.mark.parametrize(
    ("one", "other", "is_possible"),
    [
        ((Fault.PAUSE, Target.ONE), (Fault.RESET, Target.ONE), False),
        ((Fault.PAUSE, Target.ONE), (Fault.LOSS, Target.ALL), True),
        ((Fault.KILL, Target.LEADER), (Fault.LOSS, Target.ALL), False),
        ((Fault.KILL, Target.LEADER), (Fault.AGENT_KILL, Target.AGENT), True),
        ((Fault.LOST_DISK, Target.ONE), (Fault.MEMBERSHIP, Target.ONE), False),
        ((Fault.PAUSE, Target.MAJORITY), (Fault.CLOCK_JUMP, Target.ONE), False),
        ((Fault.AGENT_KILL, Target.ALL), (Fault.FRAMEWORK_KILL, Target.ALL), False),
        ((Fault.LOSS, Target.AGENT), (Fault.POWER_CUT, Target.ALL), True),
    ],
)
def test_atlas_says_what_may_come_together(
    one: tuple[Fault, Target], other: tuple[Fault, Target], is_possible: bool
) -> None:
    first, second = injection(*one), injection(*other)
    assert may_begin(first, [second], SHAPE) is is_possible
    assert may_begin(second, [first], SHAPE) is is_possible


def test_atlas_bears_two_nodes_of_five_but_not_three() -> None:
    five = attrs.evolve(SHAPE, leaders=5)
    one = injection(Fault.PAUSE, Target.ONE)
    assert may_begin(one, [one], five)
    assert not may_begin(one, [one, one], five)
    minority = injection(Fault.PAUSE, Target.MINORITY)
    assert may_begin(minority, [], five)
    assert not may_begin(minority, [one], five)


def test_atlas_damages_disks_one_at_a_time() -> None:
    five = attrs.evolve(SHAPE, leaders=5)
    damages = (Fault.LOST_DISK, Fault.TRUNCATED_JOURNAL, Fault.FLIPPED_JOURNAL)
    for fault in damages:
        assert COURSES[fault].strain is Strain.ALONE
        for other in damages:
            both = injection(fault, Target.ONE), injection(other, Target.ONE)
            assert not may_begin(both[0], [both[1]], five)
