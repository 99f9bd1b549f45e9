from __future__ import annotations

import msgspec
import pytest

from chaos.live.faults import Fault
from chaos.live.plan_file import plan_of_run
from chaos.live.planning import draw_plan
from chaos.live.request import LiveRequest
from chaos.machine.capabilities import Ability, Capability, Machine
from raftleader.errors import ConfigError


def machine(*lacking: Ability) -> Machine:
    """One that has everything else."""
    return Machine(
        tuple(
            Capability(
                ability=ability,
                is_there=ability not in lacking,
                used_for="",
                why="not here" if ability in lacking else "",
            )
            for ability in Ability
        )
    )


def request(**changes: object) -> LiveRequest:
    return msgspec.structs.replace(LiveRequest(seed=7, for_s=200.0), **changes)


def test_a_plan_follows_from_the_seed() -> None:
    plan = draw_plan(request(), machine())
    assert plan == draw_plan(request(), machine())
    assert plan.schedule != draw_plan(request(seed=8), machine()).schedule
    assert {one.fault.value for one in plan.schedule} == set(plan.drawn)
    names = [one.name for one in plan.workloads]
    assert names == [f"framework-{number}" for number in range(1, 6)]
    assert len({one.seed for one in plan.workloads}) == 5


def test_everything_is_made_where_everything_is_possible_and_there_is_time() -> None:
    plan = draw_plan(request(for_s=400.0), machine())
    assert set(plan.drawn) == {fault.value for fault in Fault}
    assert plan.left_out == ()
    assert (plan.network, plan.disks) == ("switch", "ext4")


def test_a_plan_comes_back_from_its_file() -> None:
    plan = draw_plan(request(), machine())
    run = msgspec.json.decode(msgspec.json.encode(plan.as_run()))
    assert plan_of_run(run) == plan
    del run["schedule"]
    with pytest.raises(ConfigError, match=r"run\.json"):
        plan_of_run(run)


@pytest.mark.parametrize(
    ("faults", "network"),
    [
        ("kill,partition", "bridge"),
        ("kill,delay", "switch"),
        ("none", "bridge"),
    ],
)
def test_the_network_is_the_simplest_that_can_make_the_faults(
    faults: str, network: str
) -> None:
    assert draw_plan(request(faults=faults), machine()).network == network


def left_out(plan_request: LiveRequest, *lacking: Ability) -> dict[str, str]:
    plan = draw_plan(plan_request, machine(*lacking))
    assert all(one.is_missing for one in plan.left_out)
    return {one.fault: one.why for one in plan.left_out}


def test_what_the_machine_cannot_make_is_left_out_with_the_reason() -> None:
    found = left_out(request(faults="kill,clock,cpu-squeeze"), Ability.FAKETIME)
    assert found == dict.fromkeys(
        ("clock-jump", "clock-drift"), "no libfaketime: not here"
    )


def test_without_namespaces_there_are_proxies_and_plain_disks() -> None:
    asked = request(faults="kill,partition,loss,delay,power-cut")
    found = left_out(asked, Ability.NAMESPACES, Ability.LOOP_EXT4)
    assert sorted(found) == ["loss", "power-cut"]
    assert "TCP sends lost packets again, below a proxy" in found["loss"]
    assert "no namespaces: not here" in found["loss"]
    assert found["power-cut"] == "no loop-ext4: not here"
    plan = draw_plan(asked, machine(Ability.NAMESPACES, Ability.LOOP_EXT4))
    assert (plan.network, plan.disks) == ("proxies", "plain")


def test_without_anything_the_network_is_left_alone() -> None:
    asked = request(faults="kill,network")
    lacking = (Ability.NAMESPACES, Ability.TOXIPROXY_PYTHON, Ability.LOOP_EXT4)
    plan = draw_plan(asked, machine(*lacking))
    assert plan.network == "loopback"
    assert plan.drawn == ("kill",)
    assert len(plan.left_out) == 16


def test_no_house_means_no_namespaces() -> None:
    asked = request(faults="kill,partition", has_house=False)
    plan = draw_plan(asked, machine())
    assert (plan.network, plan.disks) == ("proxies", "plain")
    found = left_out(request(faults="kill,power-cut", has_house=False))
    assert "(--no-house)" in found["power-cut"]
    found = left_out(request(faults="kill,power-cut", disks="plain"))
    assert found["power-cut"] == "the run was asked to do with --disks plain"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": "switch"}, "--network switch: no tap: not here"),
        ({"disks": "ext4"}, "--disks ext4: no loop-ext4: not here"),
        ({"network": "bridge", "has_house": False}, "--network bridge: it needs names"),
        ({"network": "proxies", "engine": "pysyncobj"}, "--network proxies: the engi"),
        ({"workload": "chrun"}, "did you mean churn"),
        ({"faults": "kil"}, "did you mean kill"),
    ],
)
def test_what_was_asked_for_by_name_and_cannot_be_is_refused(
    changes: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        draw_plan(request(**changes), machine(Ability.TAP, Ability.LOOP_EXT4))
