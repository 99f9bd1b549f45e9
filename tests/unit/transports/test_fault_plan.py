from __future__ import annotations

import random

import pytest

from transports.fault_plan import ANY, NO_FAULT, Fault, FaultPlan


def make_plan() -> FaultPlan:
    return FaultPlan(random.Random(1))


def test_plan_without_rules_has_no_fault() -> None:
    assert make_plan().fault("n1", "n2") == NO_FAULT
    assert not make_plan().is_cut("n1", "n2")


def test_rule_holds_in_its_direction_only() -> None:
    plan = make_plan()
    plan.drop("n1", "n2", probability=0.5)
    plan.silence("n2", "n3")
    plan.delay("n3", "n1", delay_s=(1.0, 2.0))
    assert plan.fault("n1", "n2") == Fault(drop_probability=0.5)
    assert plan.fault("n2", "n3") == Fault(is_silent=True)
    assert plan.fault("n3", "n1") == Fault(delay_s=(1.0, 2.0))
    for pair in (("n2", "n1"), ("n3", "n2"), ("n1", "n3")):
        assert plan.fault(*pair) == NO_FAULT


def test_cut_and_half_open_hold_both_ways() -> None:
    plan = make_plan()
    plan.cut("n1", "n2")
    plan.half_open("n2", "n3")
    assert plan.fault("n1", "n2") == plan.fault("n2", "n1") == Fault(is_cut=True)
    assert plan.fault("n2", "n3") == plan.fault("n3", "n2") == Fault(is_stalled=True)


def test_rules_of_one_pair_add_up_and_a_second_of_a_kind_replaces_the_first() -> None:
    plan = make_plan()
    plan.drop("n1", "n2", probability=0.5)
    plan.silence("n1", "n2")
    plan.drop("n1", "n2", probability=0.1)
    assert plan.fault("n1", "n2") == Fault(drop_probability=0.1, is_silent=True)


def test_any_adds_to_the_rules_of_a_pair_and_the_worse_holds() -> None:
    plan = make_plan()
    plan.drop("n1", "n2", probability=0.5)
    plan.drop(ANY, "n2", probability=0.9)
    plan.delay("n1", ANY, delay_s=(0.0, 3.0))
    plan.delay(ANY, ANY, delay_s=(1.0, 2.0))
    assert plan.fault("n1", "n2") == Fault(drop_probability=0.9, delay_s=(0.0, 3.0))
    assert plan.fault("n2", "n1") == Fault(delay_s=(1.0, 2.0))


def test_partition_cuts_between_groups_and_not_inside() -> None:
    plan = make_plan()
    plan.partition({"n1", "n2"}, {"n3"}, {"n4"})
    cut = [("n1", "n3"), ("n1", "n4"), ("n2", "n3"), ("n2", "n4"), ("n3", "n4")]
    assert all(plan.is_cut(a, b) and plan.is_cut(b, a) for a, b in cut)
    assert not plan.is_cut("n1", "n2")


def test_heal_forgets_one_pair_and_heal_all_forgets_everything() -> None:
    plan = make_plan()
    plan.partition({"n1"}, {"n2", "n3"})
    plan.drop("n2", "n1", probability=1.0)
    plan.heal("n2", "n1")
    assert plan.fault("n1", "n2") == plan.fault("n2", "n1") == NO_FAULT
    assert plan.is_cut("n1", "n3")
    plan.heal_all()
    assert not plan.is_cut("n1", "n3")


def test_rule_by_address_and_by_label_are_the_same_also_if_named_later() -> None:
    plan = make_plan()
    plan.cut("tcp://h:1", "n2")
    plan.drop("n1", "n2", probability=0.5)
    plan.name("tcp://h:1", "n1")
    assert plan.fault("n1", "n2") == Fault(is_cut=True, drop_probability=0.5)
    assert plan.is_cut("tcp://h:1", "n2")
    plan.heal("tcp://h:1", "n2")
    assert not plan.is_cut("n1", "n2")
    plan.forget_name("tcp://h:1")
    plan.cut("n1", "n2")
    assert not plan.is_cut("tcp://h:1", "n2")


@pytest.mark.parametrize("probability", [-0.1, 1.1])
def test_what_is_no_probability_is_refused(probability: float) -> None:
    with pytest.raises(ValueError, match="probability"):
        make_plan().drop("n1", "n2", probability=probability)


@pytest.mark.parametrize("delay_s", [(-1.0, 1.0), (2.0, 1.0), (0.0, float("inf"))])
def test_delay_out_of_order_is_refused(delay_s: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="delay"):
        make_plan().delay("n1", "n2", delay_s=delay_s)


def test_streams_are_the_same_for_a_seed_whoever_asks_first() -> None:
    one, two = make_plan(), make_plan()
    a, b = one.stream("a"), one.stream("b")
    second_b, second_a = two.stream("b"), two.stream("a")
    assert a.getrandbits(64) == second_a.getrandbits(64)
    assert b.getrandbits(64) == second_b.getrandbits(64)
    assert one.stream("a").getrandbits(64) != make_plan().stream("a").getrandbits(64)
