"""Faults that come by themselves, as they are drawn."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.live.atlas import Shape
from chaos.live.faults import Fault, Injection, Target
from chaos.testing.aiming import wanted_faults
from chaos.testing.background import draw_background

SHAPE = Shape(leaders=3, agents=2, frameworks=0)


def drawn(
    seed: str, faults: str = "kill,pause", every_s: float = 5.0, for_s: float = 60.0
) -> tuple[Injection, ...]:
    return draw_background(
        seed,
        wanted_faults(faults),
        every_s=every_s,
        for_s=for_s,
        shape=SHAPE,
        first_number=3,
    )


def test_background_is_the_same_for_a_seed_and_another_for_another() -> None:
    assert drawn("7") == drawn("7")
    assert drawn("7") != drawn("8")


@given(st.integers(), st.floats(0.5, 30.0), st.floats(1.0, 120.0))
def test_background_keeps_its_pace(seed: int, every_s: float, for_s: float) -> None:
    injections = drawn(str(seed), every_s=every_s, for_s=for_s)
    assert [one.number for one in injections] == list(range(3, 3 + len(injections)))
    assert injections[0].at_s <= 1.0
    assert all(one.at_s <= for_s + 0.01 for one in injections[1:])
    for one, following in pairwise(injections):
        assert 0.79 * every_s <= following.at_s - one.at_s + 0.02
        assert following.at_s - one.at_s <= 1.21 * every_s + 0.02
        assert one.for_s <= 0.6 * every_s + 0.01


def test_background_has_the_classes_in_turn() -> None:
    faults = [one.fault for one in drawn("7", "kill,pause,transfer", every_s=1.0)]
    for at in range(0, len(faults) - 2, 3):
        turn = set(faults[at : at + 3])
        assert turn == {Fault.KILL, Fault.PAUSE, Fault.TRANSFER}


@pytest.mark.parametrize(
    ("faults", "targets"),
    [
        ("kill@minority", {Target.MINORITY}),
        ("agent-kill", {Target.AGENT}),
        ("kill", {Target.LEADER, Target.ONE}),
    ],
)
def test_background_hits_whom_it_should(faults: str, targets: set[Target]) -> None:
    assert {one.target for one in drawn("7", faults, every_s=0.5)} == targets
