"""The lanes at the top: phases of the run, and faults with whom they hit."""

from __future__ import annotations

import math

from chaos.history.queries import FaultWindow
from chaos.reports.material import Material
from chaos.reports.panels.panel import Axis, Overlay, Panel
from chaos.reports.panels.shading import (
    colours_of,
    end_of,
    violation_lines,
    violations_at,
)
from chaos.reports.scales import Label, seconds
from chaos.reports.tables import plain

LANE = 18.0
PHASES = 20.0
NARROW_PX = 640.0
"""Of a plot in a window of 800 pixels: labels must not lie on each other there."""
LETTER_PX = 6.2
TARGETS_MAX = 2
FLAG = "⚑"


def faults_panel(material: Material, axis: Axis) -> Panel:
    """A lane has no two faults whose bars or names would overlap."""
    colours = colours_of(material)
    overlays = [
        Overlay(
            begin=material.ms(phase.began_ns),
            end=material.ms(phase.ended_ns or material.ended_ns),
            top=0,
            height=PHASES - 3,
            kind="phase",
            text=phase.name,
            title=f"phase {phase.name}, from"
            f" {seconds(material.ms(phase.began_ns) / 1000)}",
        )
        for phase in material.phases
    ]
    free_at: list[float] = []
    letter_ms = axis.span / NARROW_PX * LETTER_PX
    for fault in material.faults:
        begin, end = material.ms(fault.began_ns), end_of(material, fault)
        name = name_of(fault)
        lane = next(
            (place for place, free in enumerate(free_at) if free <= begin),
            len(free_at),
        )
        taken = max(end, begin + (len(name) + 2) * letter_ms) + letter_ms / 2
        free_at[lane : lane + 1] = [taken]
        overlays.append(
            Overlay(
                begin=begin,
                end=end,
                top=PHASES + lane * LANE,
                height=LANE - 3,
                kind=f"fault f{colours[fault.name]}",
                text=name,
                title=_story(material, fault),
                spills=True,
            )
        )
    flags = _flags(material, PHASES + len(free_at) * LANE, letter_ms)
    overlays += flags
    lanes = max(1, len(free_at)) + bool(flags)
    height = PHASES + lanes * LANE
    rows = [Label(at=PHASES / 2 - 1, text="phase")]
    rows.append(Label(at=PHASES + LANE / 2, text="faults"))
    if flags:
        rows.append(Label(at=height - LANE / 2, text="violations"))
    return Panel(
        id="faults",
        title="Phases and faults",
        axis=axis,
        height=height,
        picture=violation_lines(material, height),
        rows=rows,
        overlays=overlays,
        note="" if material.faults else "No fault was injected.",
    )


def name_of(fault: FaultWindow) -> str:
    """Its class, and whom it hit if these are few."""
    targets = fault.targets
    if not targets:
        return fault.name
    if len(targets) <= TARGETS_MAX:
        return f"{fault.name} {', '.join(targets)}"
    return f"{fault.name} {len(targets)} nodes"


def _story(material: Material, fault: FaultWindow) -> str:
    begin, end = material.ms(fault.began_ns), end_of(material, fault)
    words = [f"{fault.name} (number {fault.id})"]
    if fault.targets:
        words.append(f"hits {', '.join(fault.targets)}")
    if fault.means:
        words.append(f"by {fault.means}")
    words.append(f"{begin / 1000:.2f} s to {end / 1000:.2f} s")
    if fault.ended_ns is None:
        words.append("nobody saw it healed")
    words += [f"{key}: {plain(value)}" for key, value in sorted(fault.detail.items())]
    return "\n".join(words)


def _flags(material: Material, top: float, letter_ms: float) -> list[Overlay]:
    """One for violations that would lie on each other."""
    found: list[Overlay] = []
    free = -math.inf
    for at, words in violations_at(material):
        if at < free:
            continue
        free = at + 3 * letter_ms
        found.append(
            Overlay(
                begin=at,
                end=at,
                top=top,
                height=LANE - 3,
                kind="flag",
                text=FLAG,
                title=f"{at / 1000:.3f} s: {words}",
                spills=True,
            )
        )
    return found
