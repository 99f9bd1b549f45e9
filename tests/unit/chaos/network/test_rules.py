"""Named sets of rules, and what of them is in force."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.live.faults import Fault
from chaos.live.seams import ImpossibleError, LinkFault
from chaos.network.kinds import BRIDGE_FAULTS, SWITCH_FAULTS
from chaos.network.rules import UNHURT, RuleBook, check_rules, combined, uses

AB, BA = ("a", "b"), ("b", "a")


def test_combined_faults_add_up_as_on_a_road_with_two_bad_stretches() -> None:
    first = LinkFault(loss=0.5, delay_s=0.1, bytes_per_s=1000, duplicate=0.1)
    second = LinkFault(loss=0.5, delay_s=0.2, bytes_per_s=500, jitter_s=0.3)
    both = combined((first, second))
    assert both.loss == 0.75
    assert both.delay_s == pytest.approx(0.3)
    assert (both.jitter_s, both.bytes_per_s) == (0.3, 500)
    assert both.duplicate == pytest.approx(0.1)
    assert combined((first, LinkFault(is_cut=True))).is_cut
    assert combined(()) == UNHURT


probabilities = st.floats(min_value=0.0, max_value=1.0)
faults = st.builds(LinkFault, is_cut=st.booleans(), loss=probabilities)


@given(st.lists(faults, max_size=4), faults)
def test_combined_faults_are_no_better_than_any_of_them(
    several: list[LinkFault], one: LinkFault
) -> None:
    both = combined((*several, one))
    assert both.loss >= one.loss - 1e-9
    assert both.loss <= 1.0
    assert both.is_cut or not one.is_cut


def test_book_keeps_what_other_names_say_when_one_is_removed() -> None:
    book = RuleBook()
    book.put("one", {AB: LinkFault(loss=0.5), BA: LinkFault(is_cut=True)})
    book.put("two", {AB: LinkFault(loss=0.5)})
    assert book.in_force() == {AB: LinkFault(loss=0.75), BA: LinkFault(is_cut=True)}
    copy = book.copy()
    assert copy.remove("one") and not copy.remove("one")
    assert copy.in_force() == {AB: LinkFault(loss=0.5)}
    assert book.names == ("one", "two")
    book.put("one", {AB: UNHURT})
    book.remove("two")
    assert book.in_force() == {}


def test_uses_names_every_class_that_a_fault_needs() -> None:
    assert uses(UNHURT) == frozenset()
    assert uses(LinkFault(is_cut=True, jitter_s=0.1, bytes_per_s=1)) == {
        Fault.PARTITION,
        Fault.JITTER,
        Fault.BANDWIDTH,
    }


@pytest.mark.parametrize(
    "fault",
    [
        LinkFault(loss=1.5),
        LinkFault(corrupt=-0.1),
        LinkFault(delay_s=-1.0),
        LinkFault(jitter_s=math.inf),
        LinkFault(delay_s=math.nan),
        LinkFault(bytes_per_s=0),
    ],
)
def test_rules_with_senseless_numbers_are_refused(fault: LinkFault) -> None:
    with pytest.raises(ValueError):
        check_rules({AB: fault}, hosts=("a", "b"), faults=SWITCH_FAULTS, means="switch")


def test_rules_of_unknown_links_or_faults_are_refused() -> None:
    def check(link: tuple[str, str], fault: LinkFault) -> None:
        check_rules(
            {link: fault}, hosts=("a", "b"), faults=BRIDGE_FAULTS, means="bridge"
        )

    check(AB, LinkFault(is_cut=True, loss=0.1, bytes_per_s=10))
    with pytest.raises(ValueError, match="no link from 'a' to 'c'"):
        check(("a", "c"), LinkFault())
    with pytest.raises(ValueError, match="no link from 'a' to 'a'"):
        check(("a", "a"), LinkFault())
    with pytest.raises(ImpossibleError, match="bridge cannot do: delay, duplicate"):
        check(AB, LinkFault(delay_s=0.1, duplicate=0.1, loss=0.1))
