"""Each checker passes what is right, and catches a planted violation."""

from __future__ import annotations

from chaos.checkers.all_done import all_done
from chaos.checkers.enough_seen import enough_seen
from chaos.checkers.invariants_hold import invariants_hold
from chaos.checkers.no_double_launch import no_double_launch
from chaos.checkers.nothing_answered_lost import nothing_answered_lost
from chaos.checkers.nothing_failed import nothing_failed
from chaos.checkers.offers_known import offers_known
from chaos.checkers.offers_survive import offers_survive
from chaos.checkers.replicas_agree import Observed, replicas_agree
from chaos.checkers.updates_in_order import Delivered, updates_in_order
from chaos.results import Result, Verdict, merge


def test_no_double_launch_catches_a_second_start() -> None:
    assert no_double_launch(["a", "b"]).verdict is Verdict.VALID
    bad = no_double_launch(["a", "b", "a"])
    assert bad.verdict is Verdict.INVALID
    assert bad.problems == ("task a was started 2 times",)


def test_nothing_answered_lost_catches_a_missing_id() -> None:
    assert nothing_answered_lost(["a"], ["a", "b"]).verdict is Verdict.VALID
    bad = nothing_answered_lost(["a", "c"], ["a", "b"])
    assert bad.problems == ("c was answered and is unknown now",)


def test_offers_survive_catches_a_forgotten_offer() -> None:
    good = offers_survive(
        before=["1", "2", "3"], after=["1"], rescinded=["2"], consumed=["3"]
    )
    assert good.verdict is Verdict.VALID
    bad = offers_survive(before=["1"], after=["2"], rescinded=[], consumed=[])
    assert bad.problems == ("offer 1 was silently forgotten",)


def test_replicas_agree_catches_a_different_digest_at_the_same_index() -> None:
    one = Observed(node="n1", index=7, digest="aa")
    assert (
        replicas_agree([one, Observed(node="n2", index=7, digest="aa")]).verdict
        is Verdict.VALID
    )
    assert (
        replicas_agree([one, Observed(node="n2", index=8, digest="bb")]).verdict
        is Verdict.UNKNOWN
    )
    bad = replicas_agree([one, Observed(node="n2", index=7, digest="bb")])
    assert bad.problems == ("at index 7 the digests differ: n1 aa, n2 bb",)


def test_updates_in_order_catches_news_after_the_end_and_a_missing_end() -> None:
    running = Delivered(task="t", uuid="1", is_terminal=False)
    finished = Delivered(task="t", uuid="2", is_terminal=True)
    good = updates_in_order([running, running, finished, running], expected_ended=["t"])
    assert good.verdict is Verdict.VALID  # a repetition of a known uuid is no news
    late = updates_in_order(
        [finished, Delivered(task="t", uuid="3", is_terminal=False)]
    )
    assert late.problems == ("task t had ended, then came 3",)
    missing = updates_in_order([running], expected_ended=["t"])
    assert missing.problems == ("the end of task t never arrived",)


def test_verdicts_merge_to_the_worst_and_nothing_seen_is_unknown() -> None:
    def result(verdict: Verdict) -> Result:
        return Result(checker="c", verdict=verdict, checked=1)

    assert merge([]) is Verdict.UNKNOWN
    assert merge([result(Verdict.VALID)]) is Verdict.VALID
    assert merge([result(Verdict.VALID), result(Verdict.UNKNOWN)]) is Verdict.UNKNOWN
    assert merge([result(Verdict.UNKNOWN), result(Verdict.INVALID)]) is Verdict.INVALID
    assert no_double_launch([]).verdict is Verdict.UNKNOWN


def test_offers_known_catches_an_offer_only_one_side_has() -> None:
    good = offers_known(held={"f": ["1"], "g": []}, in_log={"f": ["1"]})
    assert (good.verdict, good.checked) == (Verdict.VALID, 2)
    bad = offers_known(held={"f": ["1", "3"]}, in_log={"f": ["1", "2"]})
    assert bad.problems == (
        "f was never sent offer 2",
        "f was not told that offer 3 is gone",
    )


def test_invariants_hold_catches_a_violation_and_needs_entries() -> None:
    assert invariants_hold([], judged=3).verdict is Verdict.VALID
    assert invariants_hold([], judged=0).verdict is Verdict.UNKNOWN
    assert invariants_hold(["agent a: ..."], judged=3).verdict is Verdict.INVALID


def test_all_done_and_nothing_failed_catch_what_they_are_told() -> None:
    assert all_done([]).verdict is Verdict.VALID
    assert all_done(["task t has not ended"]).problems == ("task t has not ended",)
    assert nothing_failed([]).verdict is Verdict.VALID
    assert nothing_failed(["n1 died"]).verdict is Verdict.INVALID


def test_enough_seen_says_what_was_lacking() -> None:
    least = {"crashes": 1, "launched": 5}
    assert enough_seen({"crashes": 1, "launched": 5}, least).verdict is Verdict.VALID
    lacking = enough_seen({"launched": 4}, least)
    assert lacking.verdict is Verdict.UNKNOWN
    assert lacking.problems == ("crashes: 0, want 1", "launched: 4, want 5")
