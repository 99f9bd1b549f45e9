from __future__ import annotations

from pathlib import Path

import attrs

from chaos.history.records import NodeSample, ProcessEvent
from chaos.judging.streams import Life
from chaos.observation.format import RoleChange
from chaos.reports.material import EMPTY_STREAM, Material
from chaos.reports.panels.roles import (
    DOWN,
    FOLLOWER,
    LEADER,
    SEEKING,
    leader_names,
    silences,
    stretches,
)


def life(number: int, began_ns: int, ended_ns: int, *roles: RoleChange) -> Life:
    return Life(
        node="leader-1",
        number=number,
        began_ns=began_ns,
        ended_ns=ended_ns,
        indexes=[],
        restored=[],
        digests=[],
        roles=list(roles),
    )


def role(at_ns: int, term: int, leader: str | None) -> RoleChange:
    return RoleChange(
        term=term, leading=leader == "leader-1", leader=leader, at_ns=at_ns
    )


def material(*lives: Life, folder: Path = Path()) -> Material:
    stream = attrs.evolve(EMPTY_STREAM, lives=list(lives))
    return Material(folder=folder, stream=stream, began_ns=0, ended_ns=1000)


def seen(found: Material) -> list[tuple[int, int, str, int]]:
    return [
        (one.began_ns, one.ended_ns, one.role, one.term)
        for one in stretches(found, "leader-1")
    ]


def test_stretches_are_roles_between_start_and_death() -> None:
    found = material(
        life(1, 100, 390, role(110, 0, None), role(200, 1, "leader-1")),
        life(2, 600, 700, role(610, 1, "leader-2"), role(650, 2, "leader-2")),
    )
    found.events = [
        ProcessEvent(node="leader-1", what="died", at_ns=400),
        ProcessEvent(node="leader-1", what="died", at_ns=900),
    ]
    assert seen(found) == [
        (0, 100, DOWN, 0),
        (100, 200, SEEKING, 0),
        (200, 400, LEADER, 1),
        (400, 600, DOWN, 0),
        (600, 610, SEEKING, 0),
        (610, 650, FOLLOWER, 1),
        (650, 900, FOLLOWER, 2),
        (900, 1000, DOWN, 0),
    ]


def test_stretches_end_with_the_last_record_of_a_life_whose_death_nobody_saw() -> None:
    found = material(
        life(1, 0, 300, role(0, 1, "leader-1")), life(2, 600, 600, role(600, 1, None))
    )
    assert seen(found)[:2] == [(0, 300, LEADER, 1), (300, 600, DOWN, 0)]
    assert seen(found)[-1] == (600, 1000, SEEKING, 1)


def test_stretches_come_from_samples_where_nothing_was_written() -> None:
    found = material()
    found.samples = [
        NodeSample(node="leader-1", at_ns=100, is_up=True, role="leader", term=3),
        NodeSample(node="leader-2", at_ns=150, is_up=True, role="follower", term=3),
        NodeSample(node="leader-1", at_ns=400, is_up=False),
    ]
    assert leader_names(found) == ["leader-1", "leader-2"]
    assert seen(found) == [
        (0, 100, DOWN, 0),
        (100, 400, LEADER, 3),
        (400, 1000, DOWN, 0),
    ]


def test_silences_are_those_of_a_node_that_is_there() -> None:
    found = material(life(1, 100, 900, role(100, 1, "leader-1")))
    found.events = [ProcessEvent(node="leader-1", what="died", at_ns=900)]
    found.samples = [
        NodeSample(node="leader-1", at_ns=50, is_up=False),
        NodeSample(node="leader-1", at_ns=200, is_up=True),
        NodeSample(node="leader-1", at_ns=500, is_up=False),
        NodeSample(node="leader-1", at_ns=600, is_up=True),
        NodeSample(node="leader-1", at_ns=950, is_up=False),
    ]
    times = [(one.began_ns, one.ended_ns) for one in silences(found, "leader-1")]
    assert times == [(100, 200), (500, 600)]
