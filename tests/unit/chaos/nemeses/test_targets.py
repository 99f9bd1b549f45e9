"""Whom a fault hits."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.live.faults import Target
from chaos.live.seams import ImpossibleError
from chaos.nemeses.targets import (
    Crowd,
    agents_hit,
    hosts_hit,
    leaders_hit,
    links_between,
    links_from,
    majority,
    minority,
    others,
)


def crowd(leaders: int = 3, *, leader: str | None = "leader-2") -> Crowd:
    return Crowd(
        leaders=tuple(f"leader-{n}" for n in range(1, leaders + 1)),
        agents=("agent-1", "agent-2", "agent-3", "agent-4"),
        frameworks=("framework-1",),
        leader=leader,
    )


@pytest.mark.parametrize(
    ("target", "of_three", "of_five"),
    [
        (Target.ONE, 1, 1),
        (Target.MINORITY, 1, 2),
        (Target.MAJORITY, 2, 3),
        (Target.ALL, 3, 5),
        (Target.LEADER, 1, 1),
    ],
)
def test_leaders_hit_are_as_many_as_the_target_says(
    target: Target, of_three: int, of_five: int
) -> None:
    rng = random.Random(1)
    assert len(leaders_hit(target, crowd(3), rng)) == of_three
    assert len(leaders_hit(target, crowd(5), rng)) == of_five


def test_leaders_hit_is_the_leader_when_it_is_the_target() -> None:
    assert hosts_hit(Target.LEADER, crowd(), random.Random(0)) == ("leader-2",)
    with pytest.raises(ImpossibleError, match="no leader node leads"):
        hosts_hit(Target.LEADER, crowd(leader=None), random.Random(0))


def test_hosts_hit_are_one_agent_or_one_framework_when_these_are_the_target() -> None:
    rng = random.Random(3)
    (agent,) = hosts_hit(Target.AGENT, crowd(), rng)
    assert agent.startswith("agent-")
    assert hosts_hit(Target.FRAMEWORK, crowd(), rng) == ("framework-1",)
    assert agents_hit(Target.ALL, crowd(), rng) == crowd().agents


def test_hosts_hit_is_refused_when_there_is_nobody_of_the_kind() -> None:
    with pytest.raises(ImpossibleError, match="there is no framework"):
        hosts_hit(Target.FRAMEWORK, Crowd(leaders=("leader-1",)), random.Random(0))
    with pytest.raises(ImpossibleError, match="none is a minority"):
        hosts_hit(Target.MINORITY, crowd(2), random.Random(0))


def test_hosts_hit_depends_on_seed_and_names_alone() -> None:
    seen = {hosts_hit(Target.ONE, crowd(5), random.Random(seed)) for seed in range(40)}
    assert len(seen) == 5
    backwards = Crowd(leaders=tuple(reversed(crowd(5).leaders)))
    for seed in range(10):
        forwards = hosts_hit(Target.MINORITY, crowd(5), random.Random(seed))
        assert forwards == hosts_hit(Target.MINORITY, backwards, random.Random(seed))


@given(st.integers(min_value=1, max_value=50))
def test_minority_and_majority_part_any_group(count: int) -> None:
    assert 2 * minority(count) < count < 2 * majority(count)
    assert minority(count) + majority(count) == count


def test_links_go_both_ways_once_and_never_to_oneself() -> None:
    assert list(links_from(("b", "a"), ("a", "b", "c"))) == [
        ("a", "b"),
        ("a", "c"),
        ("b", "a"),
        ("b", "c"),
    ]
    links = list(links_between(("a",), ("a", "b", "c")))
    assert len(links) == len(set(links)) == 4
    assert others(("c", "a", "b"), ("b",)) == ("a", "c")
