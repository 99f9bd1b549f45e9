"""The index of runs: ``index.html``, a row for each folder below that has a run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import median
from urllib.parse import quote

import attrs

from chaos.judging.judgement import Judgement
from chaos.live.faults import Fault
from chaos.live.run_file import RUN
from chaos.reports.figures import NONE
from chaos.reports.material import judgement_of, read_run_file
from chaos.reports.page import REPORT, date_of
from chaos.reports.rendering import render, write_page
from chaos.reports.scales import seconds
from chaos.reports.verdicts import NOT_JUDGED, SIGNS, WORDS

INDEX = "index.html"
DEPTH_MAX = 2
"""Folders of folders of runs are found, and not whole disks read."""
CLASSES_MAX = 6


@attrs.frozen(kw_only=True)
class RunRow:
    """One run. Times of the wall clock are in seconds; 0 if unknown."""

    folder: str
    link: str
    word: str
    date: str
    wall_s: float
    seed: str
    duration: str
    faults: str
    engine: str
    ops: str
    recovery: str
    longest_gap: str
    command: str

    @property
    def sign(self) -> str:
        return SIGNS[self.word]


def write_index(parent: Path) -> Path:
    """Write ``index.html`` into ``parent``, over all runs below it; its path.

    A run without a report has a row without a link. Raises OSError where it cannot be
    written.
    """
    rows = sorted(
        (row_of(parent, path.parent) for path in _runs(parent)),
        key=lambda row: (-row.wall_s, row.folder),
    )
    counts = {
        word: sum(row.word == word for row in rows)
        for word in SIGNS
        if any(row.word == word for row in rows)
    }
    page = render("index.html", rows=rows, counts=counts, signs=SIGNS)
    return write_page(parent / INDEX, page)


def _runs(parent: Path) -> Iterable[Path]:
    for depth in range(1, DEPTH_MAX + 1):
        yield from parent.glob("/".join(["*"] * depth + [RUN]))


def row_of(parent: Path, folder: Path) -> RunRow:
    """Of a folder with a ``run.json``, whatever is in that."""
    run = read_run_file(folder, [])
    judgement = judgement_of(run, [])
    asked = run.get("request")
    request = asked if isinstance(asked, dict) else {}
    name = folder.relative_to(parent).as_posix()
    has_report = (folder / REPORT).is_file()
    wall_s = run.get("wall_s")
    return RunRow(
        folder=name,
        link=quote(f"{name}/{REPORT}") if has_report else "",
        word=WORDS[judgement.verdict] if judgement else NOT_JUDGED,
        date=date_of(run) or NONE,
        wall_s=float(wall_s) if isinstance(wall_s, int | float) else 0.0,
        seed=str(request.get("seed", NONE)),
        duration=_duration(judgement),
        faults=_faults(judgement, str(request.get("faults", NONE))),
        engine=str(request.get("engine", NONE)),
        ops=_ops(judgement),
        recovery=_recovery(judgement),
        longest_gap=_longest_gap(judgement),
        command=str(run.get("command", "")),
    )


def _duration(judgement: Judgement | None) -> str:
    if judgement is None or not judgement.figures.duration_s:
        return NONE
    return seconds(judgement.figures.duration_s)


def _faults(judgement: Judgement | None, asked: str) -> str:
    """Those that fired; without a judgement what was asked for."""
    if judgement is None:
        return asked
    fired = {
        name: one.fired for name, one in judgement.figures.faults.items() if one.fired
    }
    words = [
        f"{name} ({count})" if count > 1 else name for name, count in fired.items()
    ]
    if len(words) > CLASSES_MAX:
        words[CLASSES_MAX:] = [f"and {len(words) - CLASSES_MAX} more classes"]
    return ", ".join(words) or "none"


def _ops(judgement: Judgement | None) -> str:
    if judgement is None:
        return NONE
    return f"{sum(one.ok for one in judgement.figures.ops.values()):,}"


def _recovery(judgement: Judgement | None) -> str:
    """Median time to a leader after one is killed; if none was, after all faults that
    took one away."""
    if judgement is None:
        return NONE
    kill = judgement.figures.recovery.get(Fault.KILL.value)
    if kill is not None and kill.to_leader_s:
        return seconds(median(kill.to_leader_s))
    times = [
        time for one in judgement.figures.recovery.values() for time in one.to_leader_s
    ]
    return seconds(median(times)) if times else NONE


def _longest_gap(judgement: Judgement | None) -> str:
    gaps = judgement.figures.availability.longest_gap_s if judgement else {}
    return seconds(max(gaps.values())) if gaps else NONE
