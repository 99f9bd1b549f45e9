"""What a person reads of a run at the terminal: before it, and when it was judged."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaos.judging.judgement import Judged, Judgement
from chaos.live.faults import Fault
from chaos.live.plan_file import LeftOut, RunPlan
from chaos.results import Verdict
from raftleader.cli.output import Column, Output

EXIT_VALID, EXIT_VIOLATED, EXIT_UNKNOWN, EXIT_CUT_SHORT = 0, 1, 2, 130
PROBLEMS_SHOWN = 5

_RESULT_COLUMNS = (
    Column(key="checker", heading="CHECKER"),
    Column(key="promises", heading="PROMISES"),
    Column(key="verdict", heading="VERDICT"),
    Column(key="checked", heading="SEEN", right=True),
)
_LEFT_OUT_COLUMNS = (
    Column(key="fault", heading="NOT MADE"),
    Column(key="why", heading="WHY"),
)
_FAULT_COLUMNS = (
    Column(key="fault", heading="FAULT"),
    Column(key="fired", heading="FIRED", right=True),
    Column(key="impossible", heading="NOT POSSIBLE", right=True),
    Column(key="to_leader_s", heading="S TO A LEADER", right=True),
    Column(key="to_reoffer_s", heading="S TO AN OFFER", right=True),
)


def show_plan(plan: RunPlan, folder: Path, output: Output) -> None:
    """What will be done, and loudly what will not, on standard error."""
    request = plan.request
    beside = Output(out=output.err, err=output.err)
    beside.note(
        f"seed {request.seed}: {request.leaders} leaders, {request.agents} agents, "
        f"{len(plan.workloads)} frameworks; network {plan.network}, disks "
        f"{plan.disks}; {len(plan.schedule)} faults of {len(plan.drawn)} classes in "
        f"{request.for_s:g} s"
    )
    missing = [one for one in plan.left_out if one.is_missing]
    if missing:
        beside.note("\nThis machine cannot make everything that was asked for:")
        _table(beside, missing)
    others = [one.fault for one in plan.left_out if not one.is_missing]
    if others:
        beside.note(f"Not drawn by this seed, for want of time: {', '.join(others)}")
    beside.note(f"Everything is kept in {folder}\n")


def _table(output: Output, left_out: Sequence[LeftOut]) -> None:
    rows = [{"fault": one.fault, "why": one.why} for one in left_out]
    output.table(rows, _LEFT_OUT_COLUMNS)
    output.note("")


def show_run(run: dict[str, Any], judgement: Judgement, output: Output) -> None:
    """The verdict, what was seen, how to see more and how to repeat it."""
    output.table([_row(one) for one in judgement.results], _RESULT_COLUMNS)
    rows = _fault_rows(judgement)
    if rows:
        print(file=output.out)
        output.table(rows, _FAULT_COLUMNS)
    print(file=output.out)
    for one in judgement.results:
        if one.verdict is not Verdict.VALID:
            _show_problems(one, output)
    for line in summary(run, judgement):
        print(line, file=output.out)
    output.out.flush()


def _row(judged: Judged) -> dict[str, object]:
    return {
        "checker": judged.checker,
        "promises": " ".join(judged.promises),
        "verdict": judged.verdict.value,
        "checked": judged.checked,
    }


def _fault_rows(judgement: Judgement) -> list[dict[str, object]]:
    figures = judgement.figures
    rows: list[dict[str, object]] = []
    for fault, counts in figures.faults.items():
        recovery = figures.recovery.get(fault)
        rows.append(
            {
                "fault": fault,
                "fired": counts.fired,
                "impossible": counts.impossible or None,
                "to_leader_s": _median(recovery.to_leader_s if recovery else ()),
                "to_reoffer_s": _median(recovery.to_reoffer_s if recovery else ()),
            }
        )
    return rows


def _show_problems(judged: Judged, output: Output) -> None:
    print(f"{judged.verdict.value}: {judged.checker}", file=output.out)
    for problem in judged.problems[:PROBLEMS_SHOWN]:
        where = f"{problem.node}: " if problem.node else ""
        print(f"  {where}{problem.text}", file=output.out)
    if len(judged.problems) > PROBLEMS_SHOWN:
        more = len(judged.problems) - PROBLEMS_SHOWN
        print(f"  and {more} more; see the report", file=output.out)
    print(file=output.out)


def summary(run: dict[str, Any], judgement: Judgement) -> list[str]:
    """The last lines."""
    figures = judgement.figures
    ops = sum(one.ok for one in figures.ops.values())
    lines = [
        f"operations   {ops} went well; {figures.entries} entries in the log, "
        f"{figures.launches} launches",
        f"leaders      {figures.elections} elections, "
        f"{figures.snapshots_installed} snapshots read or installed",
    ]
    # After ``kill-all`` it is the start of a process that is measured; see the table.
    killed = figures.recovery.get(Fault.KILL.value)
    recovery = killed.to_leader_s if killed is not None else ()
    if recovery:
        lines.append(
            f"recovery     {_median(recovery)} s at the median from the kill of a "
            f"leader to the next, {max(recovery):.3g} s at the most "
            f"({len(recovery)} kills)"
        )
    gaps = figures.availability.longest_gap_s
    if gaps:
        name, longest = max(gaps.items(), key=lambda pair: pair[1])
        lines.append(f"longest gap  {longest:.3g} s without success, of {name}")
    if report := run.get("report"):
        lines.append(f"report       {report}")
    lines.append(f"repeat       {run['command']}")
    lines.append(f"\n{judgement.verdict.value}{_how_it_ended(run)}")
    return lines


def _how_it_ended(run: dict[str, Any]) -> str:
    ending = (run.get("outcome") or {}).get("ending", "complete")
    return "" if ending == "complete" else f" ({ending})"


def exit_code(run: dict[str, Any], judgement: Judgement) -> int:
    """130 for a run cut short, whatever it has shown until then."""
    if (run.get("outcome") or {}).get("ending") == "cut short":
        return EXIT_CUT_SHORT
    return {
        Verdict.VALID: EXIT_VALID,
        Verdict.INVALID: EXIT_VIOLATED,
        Verdict.UNKNOWN: EXIT_UNKNOWN,
    }[judgement.verdict]


def _median(values: Sequence[float]) -> float | None:
    return round(statistics.median(values), 3) if values else None
