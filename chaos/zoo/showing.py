"""What ``raftleader chaos zoo`` prints: a row for each hunt, or the same as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from chaos.results import Verdict
from chaos.zoo.entry import Hunt, Level, Mutant
from chaos.zoo.hunting import Found
from chaos.zoo.measured import Measured
from raftleader.cli.output import Column, Output

COLUMNS = (
    Column(key="mutant", heading="MUTANT"),
    Column(key="promise", heading="PROMISE"),
    Column(key="level", heading="LEVEL"),
    Column(key="checker", heading="CAUGHT BY"),
    Column(key="seed", heading="SEED", right=True),
    Column(key="took", heading="SEEDS TAKEN", right=True),
    Column(key="usual", heading="USUALLY", right=True),
)
LEFT_COLUMNS = (
    Column(key="mutant", heading="NOT RUN"),
    Column(key="level", heading="LEVEL"),
    Column(key="why", heading="WHY"),
)


EXIT_CAUGHT, EXIT_NOT_CAUGHT, EXIT_PARTIAL = 0, 1, 130


@attrs.frozen(kw_only=True)
class Left:
    """A hunt that was not run."""

    mutant: Mutant
    hunt: Hunt
    why: str


@attrs.frozen(kw_only=True)
class Result:
    """All there is to say.

    Attributes:
        measured: What hunts take usually.
        is_complete: Nothing cut it short.
    """

    found: Sequence[Found]
    left: Sequence[Left]
    measured: Mapping[tuple[str, Level], Measured]
    start: int
    is_complete: bool = True

    @property
    def exit_code(self) -> int:
        if not self.is_complete:
            return EXIT_PARTIAL
        return EXIT_CAUGHT if self.is_all_caught else EXIT_NOT_CAUGHT

    @property
    def is_all_caught(self) -> bool:
        """Of those that were run, and some were."""
        return bool(self.found) and all(one.is_caught for one in self.found)

    def usual(self, one: Found | Left) -> Measured | None:
        """What it takes usually."""
        return self.measured.get((one.mutant.name, one.hunt.level))

    def as_json(self) -> dict[str, Any]:
        """The document of ``--json``."""
        verdict = Verdict.VALID if self.is_all_caught else Verdict.INVALID
        return {
            "verdict": verdict.value,
            "is_complete": self.is_complete,
            "start": self.start,
            "caught": sum(one.is_caught for one in self.found),
            "hunts": [
                {**one.as_json(), "usually": _median(self.usual(one))}
                for one in self.found
            ],
            "not_run": [
                {
                    "mutant": one.mutant.name,
                    "level": one.hunt.level.value,
                    "why": one.why,
                }
                for one in self.left
            ],
        }


def show(result: Result, output: Output) -> None:
    """The tables, or the JSON."""
    if output.as_json:
        output.result(result.as_json())
        return
    output.table([_row(result, one) for one in result.found], COLUMNS)
    print(file=output.out)
    if result.left:
        rows = [
            {"mutant": one.mutant.name, "level": one.hunt.level.value, "why": one.why}
            for one in result.left
        ]
        output.table(rows, LEFT_COLUMNS)
        print(file=output.out)
    for line in _summary(result):
        print(line, file=output.out)
    output.out.flush()


def _row(result: Result, one: Found) -> dict[str, object]:
    usual = result.usual(one)
    engine = "" if one.hunt.engine == "raft" else f", {one.hunt.engine}"
    return {
        "mutant": one.mutant.name,
        "promise": one.mutant.promise,
        "level": f"{one.hunt.level.value}{engine}",
        "checker": one.checker or "NOT CAUGHT",
        "seed": one.seed,
        "took": one.took,
        "usual": None if usual is None else usual.words,
    }


def _summary(result: Result) -> list[str]:
    caught = [one for one in result.found if one.is_caught]
    wall_s = sum(one.wall_s for one in result.found)
    lines = [f"example: {one.command}" for one in caught[:1]]
    lines += [
        f"not caught: {one.mutant.name}, {one.hunt.level.value}: {one.mutant.rule}"
        for one in result.found
        if not one.is_caught
    ]
    lines.append(f"{len(caught)} of {len(result.found)} were caught, in {wall_s:.0f} s")
    if result.left:
        lines.append(f"{len(result.left)} were not run, for the reasons above")
    if not result.is_complete:
        lines.append("a partial result: not all were hunted")
    return lines


def _median(measured: Measured | None) -> float | None:
    return None if measured is None else measured.median
