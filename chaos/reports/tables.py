"""Figures and tables of a report, as words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from statistics import median
from typing import Any

import attrs

from chaos.history.records import FaultPhase, FaultRecord
from chaos.judging.judgement import Figures
from chaos.live.faults import Fault
from chaos.reports.material import MS, Material
from chaos.reports.panels.shading import colours_of
from chaos.reports.scales import seconds

NONE = "\u2013"
TARGETS_SHOWN_MAX = 6


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
    count: int
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


@attrs.frozen(kw_only=True)
class FaultRow:
    """An injection of the schedule, and what came of it."""

    number: int
    fault: str
    colour: int | None
    target: str
    planned: str
    fired: str
    lasted: str
    hit: str
    means: str
    note: str
    is_impossible: bool = False


@attrs.frozen(kw_only=True)
class NodeRow:
    name: str
    kind: str
    log: str
    """Relative to the report; empty if there is no such file."""
    starts: int
    deaths: list[str]


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
                count=one.count if one else 0,
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


def fault_rows(material: Material) -> list[FaultRow]:
    """What was planned, and what was done without having been."""
    colours = colours_of(material)
    began = next(
        (one.began_ns for one in material.phases if one.name == "faults"), None
    )
    planned = {row.get("number"): row for row in material.rows("schedule")}
    windows = {one.id: one for one in material.faults}
    impossible: dict[int, FaultRecord] = {one.id: one for one in material.impossible}
    numbers = [*planned, *sorted({*windows, *impossible} - {*planned})]
    rows = []
    for number in numbers:
        plan: Mapping[str, Any] = planned.get(number, {})
        window = windows.get(number) if isinstance(number, int) else None
        record = impossible.get(number) if isinstance(number, int) else None
        name = str(plan.get("fault", ""))
        detail: Mapping[str, Any] = {}
        fired = lasted = hit = means = ""
        if window is not None:
            name, means, detail = window.name, window.means, window.detail
            fired = f"{material.ms(window.began_ns) / 1000:.1f} s"
            if window.ended_ns is not None:
                lasted = seconds((window.ended_ns - window.began_ns) / MS / 1000)
            hit = _names(window.targets)
        elif record is not None and record.phase is FaultPhase.IMPOSSIBLE:
            name, detail = record.fault, record.detail
        target = str(plan.get("target", detail.get("target", "")))
        rows.append(
            FaultRow(
                number=number if isinstance(number, int) else 0,
                fault=name,
                colour=colours.get(name),
                target=target,
                planned=_planned(plan, began, material),
                fired=fired or NONE,
                lasted=lasted or ("not healed" if window else NONE),
                hit=hit,
                means=means,
                note=_note(detail, is_done=window is not None),
                is_impossible=window is None,
            )
        )
    return rows


def _planned(plan: Mapping[str, Any], began: int | None, material: Material) -> str:
    at_s, for_s = plan.get("at_s"), plan.get("for_s")
    if not isinstance(at_s, int | float) or not isinstance(for_s, int | float):
        return NONE
    offset_s = material.ms(began) / 1000 if began is not None else 0.0
    return f"{at_s + offset_s:.1f} s, for {for_s:g} s"


def _names(targets: Sequence[str]) -> str:
    if len(targets) <= TARGETS_SHOWN_MAX:
        return ", ".join(targets)
    shown = ", ".join(targets[:TARGETS_SHOWN_MAX])
    return f"{shown} and {len(targets) - TARGETS_SHOWN_MAX} more"


def _note(detail: Mapping[str, Any], *, is_done: bool) -> str:
    if not is_done:
        why = detail.get("why")
        return str(why) if why else "the faults were over before it could begin"
    words = [
        f"{key.replace('_', ' ')}: {plain(value)}"
        for key, value in sorted(detail.items())
        if key not in ("target", "why")
    ]
    return "; ".join(words)


def plain(value: object) -> str:
    """What a nemesis noted, without brackets."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(plain(inner) for inner in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def node_rows(material: Material) -> list[NodeRow]:
    """Every process that ``run.json`` or the folder names, with its log."""
    named = {
        str(row.get("name", "")): (str(row.get("kind", "")), str(row.get("log", "")))
        for row in material.rows("nodes")
    }
    for path in sorted(material.folder.glob("nodes/*")):
        if path.is_dir():
            named.setdefault(path.name, ("", f"nodes/{path.name}/log"))
    rows = []
    for name, (kind, log) in named.items():
        events = [one for one in material.events if one.node == name]
        rows.append(
            NodeRow(
                name=name,
                kind=kind,
                log=log
                if _is_inside(log) and (material.folder / log).is_file()
                else "",
                starts=sum(one.what == "started" for one in events),
                deaths=[
                    f"{material.ms(one.at_ns) / 1000:.1f} s"
                    + (f" ({one.detail})" if one.detail else "")
                    for one in events
                    if one.what == "died"
                ],
            )
        )
    return rows


def _is_inside(log: str) -> bool:
    path = PurePosixPath(log)
    return bool(log) and not path.is_absolute() and ".." not in path.parts
