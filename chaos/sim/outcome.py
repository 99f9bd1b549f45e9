"""What many seeds showed together: numbers, tables, JSON, an exit code."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs

from chaos.results import Verdict
from chaos.sim.levels import Simulation
from chaos.sim.options import WORK_COUNTS, Fault
from chaos.sim.report import Violation
from chaos.sim.runner import Judged
from raftleader.cli.output import Column, Output

UNKNOWN_SHARE_MAX = 0.1
"""With a greater share of seeds that exercised too little, nothing was shown."""
EXIT_VALID, EXIT_VIOLATED, EXIT_UNKNOWN, EXIT_PARTIAL = 0, 1, 2, 130
SEEDS_SHOWN = 20
COUNTS_SHOWN = ("elections", "acked", "crashes", "snapshots")

COVERAGE_COLUMNS = (
    Column(key="fault", heading="FAULT"),
    Column(key="seeds", heading="SEEDS", right=True),
    Column(key="fired", heading="FIRED", right=True),
)
WORK_COLUMNS = (
    Column(key="work", heading="WORK"),
    Column(key="times", heading="DONE", right=True),
)
VIOLATION_COLUMNS = (
    Column(key="seed", heading="SEED", right=True),
    Column(key="checker", heading="CHECKER"),
    Column(key="at_s", heading="AT S", right=True),
    Column(key="message", heading="WHAT"),
)


@attrs.define(kw_only=True)
class Outcome:
    """Filled while seeds are run.

    Attributes:
        is_twice: Every seed was to be run twice.
    """

    simulation: Simulation
    is_twice: bool = False
    seeds: list[int] = attrs.field(factory=list)
    unknown: dict[int, tuple[str, ...]] = attrs.field(factory=dict)
    violations: list[Violation] = attrs.field(factory=list)
    counts: Counter[str] = attrs.field(factory=Counter)
    fired: Counter[Fault] = attrs.field(factory=Counter)
    fired_in: Counter[Fault] = attrs.field(factory=Counter)
    repeated: int = 0
    runs: int = 0
    sim_seconds: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0

    def add(self, judged: Judged) -> None:
        """Count one seed."""
        report = judged.report
        self.seeds.append(report.seed)
        self.violations += report.violations
        if report.verdict is Verdict.UNKNOWN:
            self.unknown[report.seed] = report.lacking
        elif report.verdict is Verdict.INVALID and not report.violations:
            self.violations.append(
                Violation(
                    seed=report.seed,
                    checker="unnamed",
                    at_s=report.sim_seconds,
                    message="the run is invalid and does not say why",
                )
            )
        self.counts.update(report.counts)
        self.fired.update(report.coverage)
        self.fired_in.update(fault for fault, times in report.coverage.items() if times)
        self.runs += judged.runs
        self.repeated += judged.runs > 1
        self.sim_seconds += report.sim_seconds * judged.runs
        self.wall_s += judged.wall_s
        self.cpu_s += judged.cpu_s

    @property
    def violated_seeds(self) -> list[int]:
        return sorted({violation.seed for violation in self.violations})

    @property
    def verdict(self) -> Verdict:
        """INVALID with a single violation; UNKNOWN if nothing was run, or if more than
        ``UNKNOWN_SHARE_MAX`` of the seeds exercised too little."""
        if self.violations:
            return Verdict.INVALID
        is_enough = len(self.unknown) <= UNKNOWN_SHARE_MAX * len(self.seeds)
        return Verdict.VALID if self.seeds and is_enough else Verdict.UNKNOWN

    @property
    def exit_code(self) -> int:
        return {
            Verdict.VALID: EXIT_VALID,
            Verdict.INVALID: EXIT_VIOLATED,
            Verdict.UNKNOWN: EXIT_UNKNOWN,
        }[self.verdict]

    @property
    def speed(self) -> float:
        """Simulated seconds in a second of one worker, which keeps one core busy."""
        return self.sim_seconds / self.wall_s if self.wall_s else 0.0

    def replay_command(self, seed: int) -> str:
        return " ".join(
            ["raftleader chaos replay", str(seed), *self.simulation.arguments()]
        )

    def as_json(self, *, is_complete: bool) -> dict[str, Any]:
        """All of it, with the keys that programs rely on first."""
        ordered = sorted(self.violations, key=lambda one: (one.seed, one.at_s))
        return {
            "engine": self.simulation.engine,
            "level": self.simulation.level,
            "seeds": len(self.seeds),
            "unknown": len(self.unknown),
            "violations": [one.as_json() for one in ordered],
            "sim_seconds_per_second": round(self.speed, 1),
            "elections": self.counts["elections"],
            "acked": self.counts["acked"],
            "crashes": self.counts["crashes"],
            "verdict": self.verdict.value,
            "is_complete": is_complete,
            "mutant": self.simulation.mutant,
            "sim_seconds": round(self.sim_seconds, 1),
            "sim_seconds_per_cpu_second": round(
                self.sim_seconds / self.cpu_s if self.cpu_s else 0.0, 1
            ),
            "repeated": self.repeated,
            "unknown_seeds": sorted(self.unknown),
            "counts": dict(sorted(self.counts.items())),
            "coverage": {fault.label: self.fired[fault] for fault in Fault},
        }

    def show(self, output: Output, *, is_complete: bool) -> None:
        """The tables, or the JSON."""
        if output.as_json:
            output.result(self.as_json(is_complete=is_complete))
            return
        if self.seeds:
            self._show_coverage(output)
        if self.violations:
            self._show_violations(output)
        if self.unknown:
            self._show_unknown(output)
        for line in self._summary(is_complete=is_complete):
            print(line, file=output.out)
        output.out.flush()

    def _show_coverage(self, output: Output) -> None:
        rows = [
            {
                "fault": fault.label,
                "seeds": self.fired_in[fault],
                "fired": self.fired[fault] or "never",
            }
            for fault in Fault
        ]
        output.table(rows, COVERAGE_COLUMNS)
        print(file=output.out)
        if any(self.counts[name] for name in WORK_COUNTS):
            done: list[dict[str, object]] = [
                {"work": name, "times": self.counts[name] or "never"}
                for name in WORK_COUNTS
            ]
            output.table(done, WORK_COLUMNS)
            print(file=output.out)

    def _show_violations(self, output: Output) -> None:
        shown = self.violated_seeds[:SEEDS_SHOWN]
        rows: list[dict[str, object]] = []
        for seed in shown:
            of_seed = [one for one in self.violations if one.seed == seed]
            first = min(of_seed, key=lambda one: one.at_s)
            row = first.as_json()
            if len(of_seed) > 1:
                row["message"] += f"  (and {len(of_seed) - 1} more)"
            rows.append(row)
        output.table(rows, VIOLATION_COLUMNS)
        for seed in shown:
            print(f"replay: {self.replay_command(seed)}", file=output.out)
        if rest := len(self.violated_seeds) - len(shown):
            print(f"and {rest} more seeds", file=output.out)
        print(file=output.out)

    def _show_unknown(self, output: Output) -> None:
        reasons = Counter(reason for why in self.unknown.values() for reason in why)
        for reason, times in sorted(reasons.items(), key=lambda one: (-one[1], one)):
            print(f"too little in {times} seeds: {reason}", file=output.out)
        print(file=output.out)

    def _summary(self, *, is_complete: bool) -> list[str]:
        simulation = self.simulation
        counts = ", ".join(f"{self.counts[name]} {name}" for name in COUNTS_SHOWN)
        judged = len(self.seeds)
        unknown = len(self.unknown)
        lines = [
            f"level {simulation.level}, engine {simulation.engine}"
            + (f", mutant {simulation.mutant}" if simulation.mutant else ""),
            f"{judged} seeds: {judged - unknown - len(self.violated_seeds)} valid, "
            f"{len(self.violated_seeds)} violated, {unknown} unknown",
            f"{self.sim_seconds:.0f} simulated seconds, {self.speed:.0f} in a second "
            "of one core",
            f"{counts}; --json has more",
        ]
        if self.is_twice:
            lines.append(f"{self.repeated} seeds were run twice and compared")
        if not is_complete:
            lines.append("a partial result: not all seeds were run")
        lines.append(self.verdict.value)
        return lines
