"""Which simulations there are, and how one of them is called.

A simulation is a function ``simulate(seed, *, seconds, trace, mutant) -> Report``
(and ``engine``, where there is a choice), imported by its name only in the process
that runs it.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any, Protocol

import attrs

from chaos.sim.report import Report
from raftleader.errors import ConfigError

Trace = Callable[[str], object]
"""Takes one line of all that happens, without its end."""

SIMULATIONS = {
    ("fast", "raft"): "chaos.sim.fast:simulate_fast",
    ("whole", "raft"): "chaos.sim.whole:simulate_whole",
    ("whole", "pysyncobj"): "chaos.sim.whole:simulate_whole",
}
"""(level, engine) -> module:function."""


class Simulate(Protocol):
    """Run one seed."""

    def __call__(self, seed: int, *, trace: Trace | None = None) -> Report: ...


@attrs.frozen(kw_only=True)
class Simulation:
    """One way to run a seed.

    Attributes:
        seconds: Length of a run on the virtual clock.
        mutant: Name of a bug to be planted in what is simulated, or None.
        function: ``module:function``; by default as ``SIMULATIONS`` says.
    """

    level: str = "fast"
    engine: str = "raft"
    seconds: float = 60.0
    mutant: str | None = None
    function: str = ""

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.seconds <= 86_400:
            raise ConfigError(
                f"--seconds: a run is 1 to 86400 seconds, not {self.seconds:g}"
            )
        if not self.function and (self.level, self.engine) not in SIMULATIONS:
            possible = ", ".join(f"{one} with {two}" for one, two in SIMULATIONS)
            raise ConfigError(
                f"--level {self.level} --engine {self.engine}: there is no such "
                f"simulation; possible are {possible}"
            )

    def load(self) -> Simulate:
        """Import it. Raises ConfigError for a mutant that does not exist."""
        name = self.function or SIMULATIONS[self.level, self.engine]
        module, _, attribute = name.partition(":")
        function: Callable[..., Report] = getattr(
            importlib.import_module(module), attribute
        )
        options: dict[str, Any] = {"seconds": self.seconds, "mutant": self.mutant}
        if "engine" in inspect.signature(function).parameters:
            options["engine"] = self.engine

        def simulate(seed: int, *, trace: Trace | None = None) -> Report:
            return function(seed, trace=trace, **options)

        return simulate

    def arguments(self) -> list[str]:
        """As command line options, without those that have their default."""
        default = Simulation()
        found = ["--level", self.level]
        if self.engine != default.engine:
            found += ["--engine", self.engine]
        if self.seconds != default.seconds:
            found += ["--seconds", f"{self.seconds:g}"]
        if self.mutant is not None:
            found += ["--mutant", self.mutant]
        return found
