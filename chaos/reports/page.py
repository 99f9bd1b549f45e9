"""The report of a run: ``report.html``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from chaos.live.run_file import HISTORY, RUN
from chaos.reports.diagram import diagrams_of
from chaos.reports.figures import recovery_rows, tiles, workload_rows
from chaos.reports.material import MS, Material, read_material
from chaos.reports.panels.allocation import allocation_panels
from chaos.reports.panels.faults import faults_panel
from chaos.reports.panels.latency import latency_panel
from chaos.reports.panels.panel import TIME, Axis
from chaos.reports.panels.rates import rates_panel
from chaos.reports.panels.roles import roles_panel
from chaos.reports.panels.shading import violations_at
from chaos.reports.panels.timeline import timeline
from chaos.reports.rendering import render, write_page
from chaos.reports.scales import seconds
from chaos.reports.tables import fault_rows, left_out_rows, node_rows
from chaos.reports.verdicts import (
    check_rows,
    headline,
    not_judged_rows,
    promise_rows,
)

REPORT = "report.html"
AROUND_MS = 1500.0
VIOLATIONS_MAX = 3


def write_report(folder: Path) -> Path:
    """Write ``report.html`` into a run's folder; its path.

    Whatever the run did not leave behind is said in the report instead. The file needs
    nothing but itself. Raises OSError where it cannot be written; what was there
    before stays until the new one is whole.
    """
    page = render("report.html", **content_of(read_material(folder)))
    return write_page(folder / REPORT, page)


def content_of(material: Material) -> dict[str, Any]:
    """What the template shows."""
    axis = Axis(name=TIME, begin=0.0, end=material.span_ms)
    diagrams, shown_in = diagrams_of(material)
    checks = check_rows(material, shown_in)
    promises = promise_rows(material.judgement, checks)
    line = timeline(material, axis)
    allocation = allocation_panels(material)
    return {
        "title": title_of(material),
        "headline": headline(material, checks),
        "facts": facts(material),
        "command": material.text("command"),
        "left_out": left_out_rows(material),
        "missing": material.missing,
        "promises": [row for row in promises if row.name.startswith("P")],
        "invariants": [row for row in promises if row.name.startswith("I")],
        "others": [row for row in checks if not row.promises],
        "not_judged": not_judged_rows(material.judgement),
        "tiles": tiles(material),
        "panels": [
            faults_panel(material, axis),
            rates_panel(material, axis),
            latency_panel(material, axis),
            line.panel,
            roles_panel(material, axis),
        ],
        "time_axis": axis,
        "zooms": zooms(material),
        "wall_ms": None
        if material.wall_ms is None
        else round(material.began_ns / MS + material.wall_ms),
        "allocation": allocation,
        "recovery": recovery_rows(material),
        "diagrams": diagrams,
        "workloads": workload_rows(material),
        "faults": fault_rows(material),
        "machine": material.rows("machine"),
        "nodes": node_rows(material),
        "data": as_script({"operations": line.marks, "accounts": allocation.data}),
        "files": [
            name for name in (RUN, HISTORY) if (material.folder / name).is_file()
        ],
        "version": material.text("raftleader"),
    }


def zooms(material: Material) -> list[tuple[str, float, float]]:
    """Parts of the time that are worth a look: (name, from, to)."""
    found = [
        (one.name, material.ms(one.began_ns), material.ms(one.ended_ns))
        for one in material.phases
        if one.ended_ns is not None and one.ended_ns > one.began_ns
    ]
    times = dict.fromkeys(at for at, _ in violations_at(material))
    for number, at in enumerate(list(times)[:VIOLATIONS_MAX], start=1):
        begin, end = max(0.0, at - AROUND_MS), min(material.span_ms, at + AROUND_MS)
        found.append((f"violation {number}", begin, end))
    return found


def title_of(material: Material) -> str:
    """Of the page: what tells it from others."""
    seed = material.part("request").get("seed")
    return f"Chaos run, seed {seed}" if seed is not None else "Chaos run"


def facts(material: Material) -> list[tuple[str, str]]:
    """What was run: name and value, of what is known."""
    asked, drawn = material.part("request"), material.part("drawn")
    outcome = material.part("outcome")
    found: list[tuple[str, str]] = []

    def add(name: str, value: object) -> None:
        if value not in (None, "", []):
            found.append((name, str(value)))

    add("seed", asked.get("seed"))
    add("began", date_of(material.run))
    if material.records:
        add("duration", seconds(material.span_ms / 1000))
    if isinstance(asked.get("for_s"), int | float):
        add("faults for", f"{asked['for_s']:g} s")
    add("engine", asked.get("engine"))
    sizes = [
        f"{asked[key]} {key}"
        for key in ("leaders", "agents")
        if isinstance(asked.get(key), int)
    ]
    if material.kinds:
        sizes.append(f"{len(material.kinds)} frameworks")
    add("cluster", ", ".join(sizes))
    add("of each agent", asked.get("agent_resources"))
    add("workload", asked.get("workload"))
    add("network", drawn.get("network") or asked.get("network"))
    add("disks", drawn.get("disks") or asked.get("disks"))
    snapshot = asked.get("snapshot_entries") or drawn.get("snapshot_entries")
    add("snapshot every", f"{snapshot} entries" if snapshot else "")
    add("planted bug", asked.get("mutant"))
    ending = outcome.get("ending")
    if ending not in (None, "complete"):
        add("ending", f"{ending}: {outcome.get('why') or 'no reason is known'}")
    return found


def date_of(run: Any) -> str:
    """When a run began, by the wall clock, in UTC; empty if unknown."""
    wall_s = run.get("wall_s")
    if not isinstance(wall_s, int | float):
        return ""
    try:
        return f"{datetime.fromtimestamp(wall_s, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return ""


def as_script(value: object) -> Markup:
    """JSON that may stand in a script element: nothing in it can end that."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)
