"""What was measured of a run, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

import attrs

from chaos.judging.judgement import Figures
from chaos.live.faults import Fault
from chaos.reports.material import Material
from chaos.reports.panels.shading import colours_of
from chaos.reports.scales import seconds

NONE = "\u2013"


@attrs.frozen(kw_only=True)
class Tile:
    """A figure that is read first; ``detail`` says of what it is."""

    value: str
    label: str
    detail: str = ""


@attrs.frozen(kw_only=True)
class RecoveryRow:
    fault: str
    colour: int | None
    fired: int
    took: list[str]
    """Median and maximum of each of the three times."""
    longest_gap: str


@attrs.frozen(kw_only=True)
class WorkloadRow:
    name: str
    kind: str
    ok: int
    fail: int
    info: int
    per_s: float
    required_per_s: float
    longest_gap: str

    @property
    def share(self) -> float:
        """Of what is required, in percent, for a bar; at most 100."""
        if self.required_per_s <= 0:
            return 100.0
        return min(100.0, 100 * self.per_s / self.required_per_s)

    @property
    def is_enough(self) -> bool:
        return self.per_s >= self.required_per_s


def tiles(material: Material) -> list[Tile]:
    """The figures that say most."""
    if material.judgement is None:
        return []
    figures = material.judgement.figures
    kill = figures.recovery.get(Fault.KILL.value)
    killed = kill.to_leader_s if kill else ()
    others = [time for one in figures.recovery.values() for time in one.to_leader_s]
    shown = [
        _median_tile(killed, "without a leader after a leader is killed")
        if killed
        else _median_tile(others, "without a leader after a fault that took it")
    ]
    gaps = figures.availability.longest_gap_s
    worst_name = max(gaps, key=lambda name: gaps[name], default="")
    shown.append(
        Tile(
            value=seconds(gaps[worst_name]) if gaps else NONE,
            label="longest time without an ok operation",
            detail=f"of {_workload(figures, worst_name)}" if gaps else "",
        )
    )
    ops = figures.ops.values()
    ok, fail = sum(one.ok for one in ops), sum(one.fail for one in ops)
    info = sum(one.info for one in ops)
    shown.append(
        Tile(
            value=f"{ok:,}",
            label="operations done",
            detail=f"{fail:,} failed, {info:,} in doubt",
        )
    )
    fired = sum(one.fired for one in figures.faults.values())
    impossible = sum(one.impossible for one in figures.faults.values())
    classes = sum(one.fired > 0 for one in figures.faults.values())
    shown.append(
        Tile(
            value=f"{fired}",
            label="faults fired",
            detail=f"of {classes} classes"
            + (f", {impossible} impossible" if impossible else ""),
        )
    )
    shown.append(
        Tile(
            value=f"{figures.elections}",
            label="leaders, one after the other",
            detail=f"{figures.kills} processes died",
        )
    )
    shown.append(
        Tile(
            value=f"{figures.entries:,}",
            label="entries in the log",
            detail=f"{figures.offers:,} offers, {figures.launches:,} launches,"
            f" {figures.snapshots_installed} snapshots installed",
        )
    )
    return shown


def _median_tile(times: Sequence[float], label: str) -> Tile:
    if not times:
        return Tile(value=NONE, label=label, detail="no fault did")
    return Tile(
        value=seconds(median(times)),
        label=label,
        detail=f"median of {len(times)}, at most {seconds(max(times))}",
    )


def _workload(figures: Figures, name: str) -> str:
    known = figures.ops.get(name)
    return f"{name} ({known.kind})" if known and known.kind else name


def recovery_rows(material: Material) -> list[RecoveryRow]:
    """By class, in the order in which they came."""
    if material.judgement is None:
        return []
    figures = material.judgement.figures
    colours = colours_of(material)
    gaps = figures.availability.longest_gap_by_fault_s
    names = dict.fromkeys([*colours, *figures.recovery, *gaps])
    rows = []
    for name in names:
        one = figures.recovery.get(name)
        times: Iterable[Sequence[float]] = (
            (one.to_leader_s, one.to_commit_s, one.to_reoffer_s) if one else ((),) * 3
        )
        rows.append(
            RecoveryRow(
                fault=name,
                colour=colours.get(name),
                fired=figures.faults[name].fired if name in figures.faults else 0,
                took=[
                    text
                    for some in times
                    for text in (
                        (seconds(median(some)), seconds(max(some)))
                        if some
                        else (NONE, NONE)
                    )
                ],
                longest_gap=seconds(gaps[name]) if name in gaps else NONE,
            )
        )
    return rows


def workload_rows(material: Material) -> list[WorkloadRow]:
    if material.judgement is None:
        return []
    figures = material.judgement.figures
    gaps = figures.availability.longest_gap_s
    return [
        WorkloadRow(
            name=name,
            kind=one.kind,
            ok=one.ok,
            fail=one.fail,
            info=one.info,
            per_s=one.per_s,
            required_per_s=one.required_per_s,
            longest_gap=seconds(gaps[name]) if name in gaps else NONE,
        )
        for name, one in figures.ops.items()
    ]
