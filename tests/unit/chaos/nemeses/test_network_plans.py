"""Which links the nemeses of the network break; nothing here is broken."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.live.aims import AIMS
from chaos.live.faults import Fault, Group, Injection, Target
from chaos.live.seams import DRIVER, ImpossibleError, LinkFault
from chaos.nemeses.network.catalog import network_nemeses
from chaos.nemeses.network.connections import plan_ends
from chaos.nemeses.network.edges import plan_edge_cut
from chaos.nemeses.network.flapping import flaps
from chaos.nemeses.network.frames import FRAME_FAULTS, plan_frames
from chaos.nemeses.network.isolation import snapshot_needed
from chaos.nemeses.network.links import LinkPlan
from chaos.nemeses.network.partition import plan_cut
from chaos.nemeses.targets import Crowd, majority, minority

SEEDS = st.integers(min_value=0, max_value=10_000)
SIZES = st.integers(min_value=2, max_value=7)
CUT = LinkFault(is_cut=True)


def crowd(leaders: int) -> Crowd:
    return Crowd(
        leaders=tuple(f"leader-{number}" for number in range(1, leaders + 1)),
        agents=("agent-1", "agent-2"),
        frameworks=("framework-1", "framework-2"),
        leader="leader-1",
    )


def injection(fault: Fault, target: Target) -> Injection:
    return Injection(number=1, fault=fault, target=target, at_s=0.0, for_s=5.0, seed=0)


def plan(fault: Fault, target: Target, size: int, seed: int) -> LinkPlan:
    planner = plan_frames if fault in FRAME_FAULTS else plan_cut
    if fault in (Fault.AGENT_CUT, Fault.FRAMEWORK_CUT):
        planner = plan_edge_cut
    return planner(injection(fault, target), crowd(size), random.Random(seed))


def sees(plan: LinkPlan, size: int, name: str) -> frozenset[str]:
    """The leader nodes with which this one can talk, itself among them."""
    return frozenset(
        other
        for other in crowd(size).leaders
        if (name, other) not in plan.rules and (other, name) not in plan.rules
    )


@given(SIZES, SEEDS)
def test_partition_leaves_the_leader_in_a_minority_when_it_is_hit(
    size: int, seed: int
) -> None:
    made = plan(Fault.PARTITION, Target.LEADER, size, seed)
    assert made.targets == ("leader-1",)
    assert len(sees(made, size, "leader-1")) <= max(1, minority(size))


@given(SIZES, SEEDS)
def test_partition_leaves_no_majority_when_a_majority_is_hit(
    size: int, seed: int
) -> None:
    made = plan(Fault.PARTITION, Target.MAJORITY, size, seed)
    for name in crowd(size).leaders:
        assert len(sees(made, size, name)) < majority(size)


@given(st.integers(min_value=3, max_value=7), SEEDS)
def test_partition_leaves_a_majority_together_when_a_minority_is_hit(
    size: int, seed: int
) -> None:
    made = plan(Fault.PARTITION, Target.MINORITY, size, seed)
    rest = frozenset(crowd(size).leaders) - set(made.targets)
    for name in rest:
        assert sees(made, size, name) == rest
    for name in made.targets:
        assert sees(made, size, name) == frozenset(made.targets)


@given(st.integers(min_value=3, max_value=7), SEEDS)
def test_ring_shows_every_node_a_majority_and_not_all_the_same(
    size: int, seed: int
) -> None:
    made = plan(Fault.RING, Target.ALL, size, seed)
    views = [sees(made, size, name) for name in crowd(size).leaders]
    assert all(len(view) >= majority(size) for view in views)
    assert len(set(views)) == size
    if size >= 4:
        assert all(len(view) < size for view in views)


@given(SIZES, SEEDS, st.sampled_from([Target.ONE, Target.LEADER, Target.MAJORITY]))
def test_one_way_cuts_one_direction_only(size: int, seed: int, target: Target) -> None:
    made = plan(Fault.ONE_WAY, target, size, seed)
    hit = set(made.targets)
    assert made.rules
    assert not any(link[::-1] in made.rules for link in made.rules)
    crossing = [link for link in made.rules if not set(link) <= hit]
    heard = [source in hit for source, _ in crossing]
    assert all(heard) if made.detail["direction"] == "not heard" else not any(heard)


@given(SEEDS, st.sampled_from([Fault.AGENT_CUT, Fault.FRAMEWORK_CUT]), st.booleans())
def test_edge_cut_cuts_nothing_but_its_hosts_from_leader_nodes(
    seed: int, fault: Fault, is_all: bool
) -> None:
    kind = "agent" if fault is Fault.AGENT_CUT else "framework"
    single = Target.AGENT if kind == "agent" else Target.FRAMEWORK
    made = plan(fault, Target.ALL if is_all else single, 3, seed)
    assert len(made.targets) == (2 if is_all else 1)
    for source, target in made.rules:
        ends = {source.partition("-")[0], target.partition("-")[0]}
        assert ends == {kind, "leader"}
    assert made.rules


@given(SEEDS, SIZES, st.sampled_from(sorted(FRAME_FAULTS, key=str)))
def test_frames_of_all_links_of_the_hit_are_hurt_within_bounds(
    seed: int, size: int, fault: Fault
) -> None:
    for target in AIMS[fault].possible:
        if target is Target.MINORITY and minority(size) == 0:
            continue
        made = plan(fault, target, size, seed)
        (how,) = set(made.rules.values())
        assert not how.is_cut and how != LinkFault()
        assert how.delay_s <= 0.15 and how.loss <= 0.3
        assert all(set(link) & set(made.targets) for link in made.rules)
        reached = {name for link in made.rules for name in link}
        assert reached == set(crowd(size).hosts)


@given(SEEDS, st.sampled_from([f for f in Fault if f.group is Group.NETWORK]))
def test_driver_sees_everybody_and_plans_repeat_whatever_is_broken(
    seed: int, fault: Fault
) -> None:
    if fault in (Fault.FLAPPING, Fault.ISOLATION, Fault.RESET, Fault.HALF_OPEN):
        return
    for target in AIMS[fault].possible:
        made = plan(fault, target, 5, seed)
        assert all(DRIVER not in link for link in made.rules)
        assert made == plan(fault, target, 5, seed)


@given(SEEDS, st.sampled_from([Target.LEADER, Target.AGENT, Target.ALL]))
def test_connections_end_at_one_side_of_the_hit(seed: int, target: Target) -> None:
    hit, side, links = plan_ends(
        injection(Fault.RESET, target), crowd(3), random.Random(seed)
    )
    ends = {link[0 if side == "own" else 1] for link in links}
    assert ends == set(hit)
    assert all(link[0] != link[1] and DRIVER not in link for link in links)


def test_flaps_cut_one_more_then_one_less_when_they_swizzle() -> None:
    pairs = [("a", "b"), ("a", "c"), ("a", "d")]
    steps = flaps(pairs, "swizzle", random.Random(1))
    assert [len(next(steps)) for _ in range(8)] == [1, 2, 3, 2, 1, 0, 1, 2]
    together = flaps(pairs, "together", random.Random(1))
    assert [len(next(together)) for _ in range(4)] == [3, 0, 3, 0]


def test_snapshot_is_needed_when_all_others_forgot_what_the_node_lacks() -> None:
    def said(first_index: int) -> dict[str, object]:
        return {"log": {"first_index": first_index}}

    statuses = {"a": said(1), "b": said(102), "c": said(150)}
    assert snapshot_needed(statuses, "a", 100)
    assert not snapshot_needed(statuses, "a", 101)
    assert not snapshot_needed({**statuses, "c": said(50)}, "a", 100)
    assert snapshot_needed({"a": None, "b": said(102), "c": None}, "a", 100)
    assert snapshot_needed({"a": said(1), "b": {"log": {}}}, "a", 100) is None


@pytest.mark.parametrize("fault", [Fault.PARTITION, Fault.ONE_WAY, Fault.RING])
def test_partitions_are_refused_when_there_is_nobody_to_be_parted_from(
    fault: Fault,
) -> None:
    with pytest.raises(ImpossibleError, match=r"(1|one) leader node"):
        plan(fault, Target.ALL, 1, 0)


def test_nemeses_make_every_class_of_the_network_once() -> None:
    made = [fault for nemesis in network_nemeses() for fault in nemesis.faults]
    assert len(made) == len(set(made))
    assert set(made) == {fault for fault in Fault if fault.group is Group.NETWORK}


def test_nemeses_say_what_is_missing_when_the_network_is_known() -> None:
    for nemesis in network_nemeses({Fault.RING: "nft"}, means="bridge"):
        for fault in nemesis.faults:
            why = nemesis.missing(fault)
            expected = f"{fault.value} cannot be done with --network bridge"
            assert why == (None if fault is Fault.RING else expected)
    assert all(one.missing(Fault.RING) is None for one in network_nemeses())
