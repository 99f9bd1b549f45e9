"""What a simulated run showed: a value that can be sent between processes and printed.

Both levels of the simulation answer with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from chaos.results import Verdict, worst
from chaos.sim.options import Fault

LINES_MAX = 20
"""Violations printed of one run; the first says most."""


@attrs.frozen(kw_only=True)
class Violation:
    """A promise that was broken.

    Attributes:
        checker: Name of the one that found it (``chaos.checkers``).
        at_s: When, in seconds of the virtual clock.
    """

    seed: int
    checker: str
    at_s: float
    message: str

    def as_json(self) -> dict[str, Any]:
        """With the keys of the command line's JSON."""
        return attrs.asdict(self)


@attrs.frozen(kw_only=True)
class Report:
    """One run.

    Attributes:
        level: ``fast`` or ``whole``.
        lacking: Why the verdict is UNKNOWN, in words; empty otherwise.
        counts: What happened how often, by name; ``elections`` (terms in which
            somebody led), ``acked`` (calls answered) and ``crashes`` are always there.
        coverage: How often each class of faults fired.
        sim_seconds: Virtual time that passed.
        trace_hash: Of everything delivered, crashed and committed, in order: equal for
            equal runs.
        options: What was drawn, to be printed.
    """

    seed: int
    level: str
    engine: str
    verdict: Verdict
    violations: tuple[Violation, ...] = ()
    lacking: tuple[str, ...] = ()
    counts: Mapping[str, int] = attrs.field(factory=dict)
    coverage: Mapping[Fault, int] = attrs.field(factory=dict)
    sim_seconds: float = 0.0
    trace_hash: str = ""
    options: str = ""

    def __str__(self) -> str:
        """One line if all is well, else what is wrong and what was drawn."""
        lines = [
            f"seed {self.seed} ({self.level}, {self.engine}): {self.verdict.value},"
            f" {self.sim_seconds:.1f} s, trace {self.trace_hash}"
        ]
        lines += [f"  {text}" for text in self.lacking]
        lines += [
            f"  at {one.at_s:.4f} s {one.checker}: {one.message}"
            for one in self.violations[:LINES_MAX]
        ]
        if len(self.violations) > LINES_MAX:
            lines.append(f"  and {len(self.violations) - LINES_MAX} more")
        if self.verdict is not Verdict.VALID:
            lines += [f"  {text}" for text in self.options.splitlines()]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "seed": self.seed,
            "level": self.level,
            "engine": self.engine,
            "verdict": self.verdict.value,
            "violations": [one.as_json() for one in self.violations],
            "lacking": list(self.lacking),
            "counts": dict(sorted(self.counts.items())),
            "coverage": {
                fault.label: self.coverage.get(fault, 0)
                for fault in Fault
                if fault in self.coverage
            },
            "sim_seconds": self.sim_seconds,
            "trace_hash": self.trace_hash,
        }


def total_coverage(reports: Iterable[Report]) -> dict[Fault, int]:
    """How often each class fired in all these runs; 0 for one that never did."""
    total: Counter[Fault] = Counter()
    for report in reports:
        total.update(report.coverage)
    return {fault: total[fault] for fault in Fault}


def verdict_of(reports: Iterable[Report]) -> Verdict:
    """The worst of them."""
    return worst(report.verdict for report in reports)
