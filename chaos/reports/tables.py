"""What was done to a run's processes, in tables: faults, and lives of nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import attrs

from chaos.history.records import FaultPhase, FaultRecord
from chaos.reports.figures import NONE
from chaos.reports.material import MS, Material
from chaos.reports.panels.shading import colours_of
from chaos.reports.scales import seconds

TARGETS_SHOWN_MAX = 6


@attrs.frozen(kw_only=True)
class LeftOutRow:
    """``is_missing``: it cannot be made on this machine, or in this run, at all."""

    faults: list[str]
    why: str
    is_missing: bool


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


def left_out_rows(material: Material) -> list[LeftOutRow]:
    """Classes of faults that were asked for and not made, together for each reason."""
    found: dict[tuple[str, bool], list[str]] = {}
    for row in material.rows("left_out"):
        reason = (str(row.get("why", "")), row.get("is_missing") is True)
        found.setdefault(reason, []).append(str(row.get("fault", "")))
    return [
        LeftOutRow(faults=faults, why=why, is_missing=is_missing)
        for (why, is_missing), faults in found.items()
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
