"""Every mutant is found by the fast level within two hundred seeds, from the first on.

A rule that is taken out of the code and not missed is a rule that nobody looks after.
"""

from __future__ import annotations

import pytest

from chaos.results import Verdict
from chaos.sim.fast import simulate_fast
from chaos.sim.mutants import MUTANTS
from raftleader.errors import ConfigError

SEEDS_MAX = 200
FINDERS = {
    "acknowledge-before-sync": {"what was told is on disk"},
    "truncate-unconditionally": {
        "what was told is on disk",
        "committed entries never change",
        "a committed entry survives every election",
        "nothing fails",
    },
    "forget-the-vote": {"what was told is on disk", "one vote a term"},
    "count-old-term-entries": {"a committed entry survives every election"},
    "skip-the-term-check": {"answers count in their term only"},
    "commit-beyond-match": {"committed entries never change", "nothing fails"},
    "apply-twice": {"nothing fails"},
    "drop-an-offer": {"P2 offers survive or are rescinded"},
    "relaunch-finished-task": {"P5 a launch is started once"},
}
"""Of these checkers one at least must see it."""


@pytest.mark.parametrize("mutant", sorted(FINDERS))
def test_mutant_is_found(mutant: str) -> None:
    for seed in range(1, SEEDS_MAX + 1):
        report = simulate_fast(seed, mutant=mutant)
        # What follows from the fault may be seen first; the rule itself must be, too.
        if FINDERS[mutant] & {one.checker for one in report.violations}:
            assert report.verdict is Verdict.INVALID
            return
    raise AssertionError(f"{mutant} was not found in {SEEDS_MAX} seeds")


def test_all_nine_are_there_and_put_back() -> None:
    assert MUTANTS.keys() == FINDERS.keys()
    before = {
        patch: getattr(patch.owner, patch.name)
        for patches in MUTANTS.values()
        for patch in patches
    }
    simulate_fast(1, seconds=2.0, mutant="drop-an-offer")
    assert all(getattr(one.owner, one.name) is was for one, was in before.items())
    assert all(one.put is not was for one, was in before.items())


def test_mutant_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConfigError, match="there is none of that name; there are ack"):
        simulate_fast(1, mutant="nonsense")
