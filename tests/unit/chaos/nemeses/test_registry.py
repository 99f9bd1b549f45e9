"""Every class of faults has somebody who makes it."""

from __future__ import annotations

from collections import Counter

import pytest

from chaos.live.faults import Fault, Group
from chaos.machine.capabilities import Ability, Capability, Machine
from chaos.nemeses.registry import (
    all_nemeses,
    nemeses_by_fault,
    nemeses_of,
    nemesis_of,
)


def machine(*, can: bool) -> Machine:
    return Machine(
        tuple(
            Capability(
                ability=ability, is_there=can, used_for="", why="" if can else "tried"
            )
            for ability in Ability
        )
    )


def test_registry_has_one_nemesis_for_every_class() -> None:
    made = all_nemeses(machine(can=True))
    counts = Counter(fault for nemesis in made for fault in nemesis.faults)
    assert counts == dict.fromkeys(Fault, 1)
    assert list(nemeses_by_fault(machine(can=True))) == list(Fault)


@pytest.mark.parametrize("group", list(Group))
def test_registry_keeps_groups_apart(group: Group) -> None:
    for nemesis in nemeses_of(group, machine(can=True)):
        assert {fault.group for fault in nemesis.faults} == {group}


def test_registry_finds_the_nemesis_of_a_class() -> None:
    for fault in Fault:
        assert fault in nemesis_of(fault, machine(can=True)).faults


def test_registry_says_why_classes_are_missing_where_nothing_is_possible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "chaos.nemeses.process.squeezing.find_hierarchy", lambda controller: None
    )
    found = nemeses_by_fault(machine(can=False), disks="plain")
    missing = {
        fault for fault, nemesis in found.items() if nemesis.missing(fault) is not None
    }
    assert missing >= {
        Fault.CPU_SQUEEZE,
        Fault.MEMORY_SQUEEZE,
        Fault.POWER_CUT,
        Fault.CLOCK_JUMP,
        Fault.CLOCK_DRIFT,
    }
    assert not missing & {Fault.KILL, Fault.PAUSE, Fault.TRANSFER, Fault.PARTITION}
