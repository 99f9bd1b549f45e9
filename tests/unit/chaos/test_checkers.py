"""Each checker passes what is right, and catches a planted violation."""

from __future__ import annotations

from chaos.checkers.all_done import all_done
from chaos.checkers.enough_seen import enough_seen
from chaos.checkers.nothing_answered_lost import nothing_answered_lost
from chaos.checkers.offers_known import offers_known
from chaos.results import Result, Verdict, merge


def test_nothing_answered_lost_catches_a_missing_id() -> None:
    assert nothing_answered_lost(["a"], ["a", "b"]).verdict is Verdict.VALID
    bad = nothing_answered_lost(["a", "c"], ["a", "b"])
    assert bad.problems == ("c was answered and is unknown now",)


def test_verdicts_merge_to_the_worst_and_nothing_seen_is_unknown() -> None:
    def result(verdict: Verdict) -> Result:
        return Result(checker="c", verdict=verdict, checked=1)

    assert merge([]) is Verdict.UNKNOWN
    assert merge([result(Verdict.VALID)]) is Verdict.VALID
    assert merge([result(Verdict.VALID), result(Verdict.UNKNOWN)]) is Verdict.UNKNOWN
    assert merge([result(Verdict.UNKNOWN), result(Verdict.INVALID)]) is Verdict.INVALID


def test_offers_known_catches_an_offer_only_one_side_has() -> None:
    good = offers_known(held={"f": ["1"], "g": []}, in_log={"f": ["1"]})
    assert (good.verdict, good.checked) == (Verdict.VALID, 2)
    bad = offers_known(held={"f": ["1", "3"]}, in_log={"f": ["1", "2"]})
    assert bad.problems == (
        "f was never sent offer 2",
        "f was not told that offer 3 is gone",
    )


def test_all_done_catches_what_it_is_told() -> None:
    assert all_done([]).verdict is Verdict.VALID
    assert all_done(["task t has not ended"]).problems == ("task t has not ended",)


def test_enough_seen_says_what_was_lacking() -> None:
    least = {"crashes": 1, "launched": 5}
    assert enough_seen({"crashes": 1, "launched": 5}, least).verdict is Verdict.VALID
    lacking = enough_seen({"launched": 4}, least)
    assert lacking.verdict is Verdict.UNKNOWN
    assert lacking.problems == ("crashes: 0, want 1", "launched: 4, want 5")
