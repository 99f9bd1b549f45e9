"""Simulations that simulate nothing, for tests of what runs simulations.

The last digit of the seed says how a run ends.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable

from chaos.results import Verdict
from chaos.sim.options import Fault
from chaos.sim.report import Report, Violation
from raftleader.errors import ConfigError

DYING, HANGING, UNKNOWN, VIOLATING, DIFFERING = 5, 6, 7, 8, 9


def simulate(
    seed: int,
    *,
    seconds: float = 60.0,
    trace: Callable[[str], object] | None = None,
    mutant: str | None = None,
) -> Report:
    kind = seed % 10
    if mutant == "none such":
        raise ConfigError("there is no mutant 'none such'")
    if mutant == "slow":
        time.sleep(0.4)
    if kind == DYING:
        print("a last word", file=sys.stderr, flush=True)
        os.kill(os.getpid(), 9)
    if kind == HANGING:
        time.sleep(60)
    print("a line that must not be taken for an answer")
    lines = [f"{seed} does step {step}" for step in range(5)]
    if kind == DIFFERING:
        lines.append(" ".join({f"name-{number}" for number in range(40)}))
    if mutant:
        lines.append(mutant)
    for line in lines:
        if trace is not None:
            trace(line)
    violations = (
        (Violation(seed=seed, checker="log", at_s=3.25, message="an entry is lost"),)
        if kind == VIOLATING
        else ()
    )
    verdict = {UNKNOWN: Verdict.UNKNOWN, VIOLATING: Verdict.INVALID}
    return Report(
        seed=seed,
        level="fast",
        engine="raft",
        verdict=verdict.get(kind, Verdict.VALID),
        violations=violations,
        lacking=("no leader changed",) if kind == UNKNOWN else (),
        counts={"elections": 2, "acked": 10, "crashes": 1},
        coverage={Fault.CRASH: 1, Fault.DROP: 0},
        sim_seconds=seconds,
        trace_hash=hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        options=f"options of {seed}",
    )
