"""Every mutant is caught, and the code without it passes the same seeds.

Each hunt begins with the seed that caught the mutant when it was measured last
(``chaos/zoo/measured.json``), not with the first: so it takes one seed, unless the code
has changed meanwhile; then it goes on as far as the catalogue says. Real processes are
not started here; ``raftleader chaos zoo --live`` does that.
"""

from __future__ import annotations

from functools import cache

import pytest

from chaos.results import Verdict
from chaos.sim.levels import Simulation
from chaos.sim.report import Report
from chaos.zoo.catalog import MUTANTS
from chaos.zoo.entry import Hunt, Level, Mutant
from chaos.zoo.hunting import caught_by, simulation_of
from chaos.zoo.measured import kept, starts
from chaos.zoo.mutants import MODULES

SIMULATED = [
    pytest.param(mutant, hunt, id=f"{mutant.name}-{hunt.level.value}")
    for mutant in MUTANTS
    for hunt in mutant.hunts
    if hunt.level is not Level.LIVE
]


def known_seed(mutant: Mutant, hunt: Hunt) -> int:
    """Of the series that took the fewest seeds, the one that caught it."""
    took = kept()[mutant.name, hunt.level].took
    series = zip(starts(hunt), took, strict=True)
    return min((took, first + took - 1) for first, took in series if took)[1]


@pytest.mark.parametrize(("mutant", "hunt"), SIMULATED)
def test_mutant_is_caught_by_a_checker_whose_business_it_is(
    mutant: Mutant, hunt: Hunt
) -> None:
    simulate = simulation_of(mutant, hunt).load()
    first = known_seed(mutant, hunt)
    for seed in range(first, first + hunt.tries):
        report = simulate(seed)
        caught = caught_by(report, hunt)
        if caught is not None:
            assert report.verdict is Verdict.INVALID
            assert caught.seed == seed
            return
    raise AssertionError(f"{mutant.name} was not caught by seeds {first} and later")


@pytest.mark.parametrize(("mutant", "hunt"), SIMULATED)
def test_the_code_without_the_mutant_passes_the_same_seed(
    mutant: Mutant, hunt: Hunt
) -> None:
    if mutant.name in MODULES:
        report = clean(hunt.level.value, hunt.engine, known_seed(mutant, hunt))
        assert report.violations == ()
    else:  # of the library: our own engine goes through the same elsewhere
        assert hunt.level is Level.SCENARIO


@cache
def clean(level: str, engine: str, seed: int) -> Report:
    return Simulation(level=level, engine=engine).load()(seed)
