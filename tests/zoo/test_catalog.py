"""What the catalogue says is so: names, patches, checkers, kept figures, the page."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from chaos.judging.judge import CHECKS
from chaos.judging.promises import PROMISES
from chaos.sim.fast import simulate_fast
from chaos.zoo.catalog import BY_NAME, MUTANTS
from chaos.zoo.entry import Level, Mutant
from chaos.zoo.measured import SERIES, kept
from chaos.zoo.mutants import MODULES, patches_of, planted
from chaos.zoo.page import page
from chaos.zoo.patch import Patch, put
from chaos.zoo.stock.simulate import SCENARIOS
from raftleader.errors import ConfigError

PAGE = Path(__file__).parents[2] / "docs" / "zoo.md"


def test_every_mutant_is_planted_or_a_scenario() -> None:
    assert len(MUTANTS) >= 12
    assert len(BY_NAME) == len(MUTANTS)
    assert BY_NAME.keys() == MODULES.keys() | SCENARIOS.keys()
    assert not MODULES.keys() & SCENARIOS.keys()


def test_each_module_has_the_mutants_that_it_is_said_to_have() -> None:
    for module in set(MODULES.values()):
        found: Mapping[str, Any] = importlib.import_module(
            f"chaos.zoo.{module}"
        ).MUTANTS
        names = [name for name, where in MODULES.items() if where == module]
        assert list(found) == names


@pytest.mark.parametrize("name", MODULES)
def test_patches_change_something_and_are_put_back(name: str) -> None:
    patches = patches_of(name)
    before = [vars(one.owner)[one.name] for one in patches]
    with planted(name):
        for one, was in zip(patches, before, strict=True):
            assert vars(one.owner)[one.name] is one.put
            assert one.put is not was
    assert [vars(one.owner)[one.name] for one in patches] == before


def test_patches_are_put_back_when_something_is_raised() -> None:
    class Owner:
        rule = property(lambda self: True)

    was = vars(Owner)["rule"]
    with pytest.raises(ZeroDivisionError), put([Patch(Owner, "rule", None)]):
        assert Owner.rule is None  # type: ignore[comparison-overlap]
        raise ZeroDivisionError
    assert vars(Owner)["rule"] is was


def test_nothing_is_planted_without_a_name() -> None:
    with planted(None):
        assert simulate_fast(3, seconds=5.0).violations == ()


def test_mutant_that_does_not_exist_is_named_with_those_like_it() -> None:
    with pytest.raises(ConfigError, match=r"drop-offer: .* did you mean drop-an-offer"):
        simulate_fast(1, mutant="drop-offer")
    with pytest.raises(ConfigError, match="there are acknowledge-any-update, "):
        patches_of("#")


def test_scenario_is_not_planted() -> None:
    with pytest.raises(ConfigError, match="--mutant stock-pysyncobj-truncates"):
        patches_of("stock-pysyncobj-truncates")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_entry_names_a_promise_and_checkers_that_exist(mutant: Mutant) -> None:
    assert mutant.promise in PROMISES
    assert mutant.hunts
    live_checkers = {one.name for one in CHECKS}
    for hunt in mutant.hunts:
        assert hunt.checkers
        assert (hunt.live is not None) == (hunt.level is Level.LIVE)
        if hunt.level is Level.LIVE:
            assert live_checkers.issuperset(hunt.checkers)


def test_three_at_least_are_caught_with_real_processes() -> None:
    assert sum(one.hunt_at(Level.LIVE) is not None for one in MUTANTS) >= 3


def test_kept_figures_are_those_of_the_catalogue() -> None:
    measured = kept()
    hunts = {(mutant.name, hunt.level) for mutant in MUTANTS for hunt in mutant.hunts}
    assert measured.keys() <= hunts
    # Those on real processes take minutes each: the page says which were not measured.
    assert {level for _, level in hunts - measured.keys()} <= {Level.LIVE}
    for (_, level), one in measured.items():
        # The page says of which it takes more seeds than a series has.
        assert one.most > 0, f"{one.mutant} was not caught: {one}"
        assert len(one.took) == SERIES or level is Level.LIVE


def test_page_is_what_the_catalogue_says() -> None:
    assert PAGE.read_text() == page() + "\n", (
        "write it anew: python -m chaos.zoo.page > docs/zoo.md"
    )
