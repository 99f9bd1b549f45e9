"""The scenarios as simulations, so that they are hunted like all others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from chaos.results import Verdict
from chaos.sim.levels import Trace
from chaos.sim.report import Report, Violation
from chaos.zoo.catalog import LOST
from chaos.zoo.stock.losses import (
    lost_by_a_backlog_sent_twice,
    lost_by_a_power_cut,
    lost_by_an_old_answer,
    lost_in_weather,
)
from raftleader.errors import ConfigError

SHOWN = 3

SCENARIOS: Mapping[str, Callable[[int], list[str]]] = MappingProxyType(
    {
        "stock-pysyncobj-truncates": lambda seed: lost_by_a_backlog_sent_twice(),
        "stock-pysyncobj-counts-old-answers": lambda seed: lost_by_an_old_answer(),
        "stock-pysyncobj-never-syncs": lambda seed: lost_by_a_power_cut(),
        "stock-pysyncobj-in-bad-weather": lost_in_weather,
    }
)
"""By the name of the mutant. Only the last one depends on its seed."""


def simulate_stock(
    seed: int,
    *,
    seconds: float = 60.0,
    trace: Trace | None = None,
    mutant: str | None = None,
) -> Report:
    """Run the scenario of this name; ``seconds`` and ``trace`` mean nothing here.

    Raises ConfigError for a name that is none.
    """
    if mutant is None or mutant not in SCENARIOS:
        raise ConfigError(f"--mutant {mutant}: there is no scenario of that name")
    lost = SCENARIOS[mutant](seed)
    text = f"lost {len(lost)}: {', '.join(one[:40] for one in lost[:SHOWN])}"
    violation = Violation(seed=seed, checker=LOST, at_s=0.0, message=text)
    return Report(
        seed=seed,
        level="scenario",
        engine="stock",
        verdict=Verdict.INVALID if lost else Verdict.VALID,
        violations=(violation,) if lost else (),
    )
