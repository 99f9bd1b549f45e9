"""The language of ``--faults``."""

from __future__ import annotations

import pytest

from chaos.live.aims import AIMS
from chaos.live.faults import Fault, Group, Target
from chaos.live.selection import Selection, parse_selection
from raftleader.errors import ConfigError


def targets(selection: Selection, fault: Fault) -> tuple[Target, ...]:
    return next(one.targets for one in selection.wanted if one.fault is fault)


def test_aims_name_every_class_once_with_a_usual_target() -> None:
    assert set(AIMS) == set(Fault)
    for fault, aims in AIMS.items():
        assert aims.usual, fault
        assert len(aims.possible) == len(aims.usual) + len(aims.others), fault


def test_selection_has_what_is_named_when_names_groups_and_targets_meet() -> None:
    selection = parse_selection("kill,pause@leader,clock,-clock-jump")

    assert selection.faults == (Fault.KILL, Fault.PAUSE, Fault.CLOCK_DRIFT)
    assert targets(selection, Fault.KILL) == ()
    assert targets(selection, Fault.PAUSE) == (Target.LEADER,)
    named = [one.fault for one in selection.wanted if one.is_named]
    assert named == [Fault.KILL, Fault.PAUSE]


@pytest.mark.parametrize("group", list(Group))
def test_selection_has_the_classes_of_a_group_when_it_is_named(group: Group) -> None:
    faults = parse_selection(group.value).faults
    assert faults == tuple(fault for fault in Fault if fault.group is group)


def test_selection_keeps_a_named_target_when_all_is_said_too() -> None:
    for text in ("pause@leader,all,-corruption", "all,pause@leader,-corruption"):
        selection = parse_selection(text)
        assert targets(selection, Fault.PAUSE) == (Target.LEADER,)
        assert set(Fault) - set(selection.faults) == {Fault.CORRUPTION}


def test_selection_hits_either_when_a_class_is_named_twice() -> None:
    both = parse_selection("kill@minority,kill@leader")
    assert targets(both, Fault.KILL) == (Target.MINORITY, Target.LEADER)
    one_less = parse_selection("kill@minority,kill@leader,-kill@minority")
    assert targets(one_less, Fault.KILL) == (Target.LEADER,)


def test_selection_takes_those_that_can_when_a_group_has_a_target() -> None:
    selection = parse_selection("disk@majority")
    assert set(selection.faults) == {Fault.POWER_CUT, Fault.SLOW_SYNC}
    assert targets(selection, Fault.POWER_CUT) == (Target.MAJORITY,)


def test_selection_begins_with_everything_when_it_begins_with_a_removal() -> None:
    selection = parse_selection("-network,-disk")
    groups = {fault.group for fault in selection.faults}
    assert groups == {Group.PROCESS, Group.CLOCK, Group.OPERATOR}


def test_selection_is_empty_when_none_is_asked_for() -> None:
    assert parse_selection("none").wanted == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kil", "unknown fault 'kil'; did you mean kill"),
        ("netwrok", "did you mean network"),
        ("xyzzy", "known are all, none, process"),
        ("kill@leeder", "unknown target 'leeder'; did you mean leader"),
        ("agent-kill@majority", "agent-kill cannot hit majority, only all, agent"),
        ("kill@all", "kill-all is a class of its own"),
        ("operator@majority", "none of these can hit majority"),
        ("kill,,pause", "a name is missing"),
        ("", "a name is missing"),
        ("none,kill", "stands alone"),
        ("kill,-process", "nothing is left"),
        ("-kill@agent", "kill cannot hit agent"),
        ("kill@", "unknown target ''"),
    ],
)
def test_selection_says_what_is_wrong_when_it_cannot_be_read(
    text: str, words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_selection(text)
    assert words in str(caught.value)
