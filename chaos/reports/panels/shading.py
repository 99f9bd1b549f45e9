"""Faults and violations, as they lie behind every plot over time."""

from __future__ import annotations

from markupsafe import Markup

from chaos.history.queries import FaultWindow
from chaos.reports.material import Material
from chaos.reports.svg import element, number
from chaos.results import Verdict

COLOURS = 10
"""In ``style.css``, ``f0`` to ``f9``."""


def colours_of(material: Material) -> dict[str, int]:
    """By class of faults, in the order in which they came."""
    names = dict.fromkeys(fault.name for fault in material.faults)
    return {name: place % COLOURS for place, name in enumerate(names)}


def end_of(material: Material, fault: FaultWindow) -> float:
    """In ms; one that nobody healed lasts to the end."""
    return material.ms(
        fault.ended_ns if fault.ended_ns is not None else material.ended_ns
    )


def violations_at(material: Material) -> list[tuple[float, str]]:
    """(ms, what is wrong) of all that has a time, in the order of time."""
    if material.judgement is None:
        return []
    return sorted(
        (material.ms(problem.at_ns), problem.text)
        for judged in material.judgement.results
        if judged.verdict is Verdict.INVALID
        for problem in judged.problems
        if problem.at_ns is not None
    )


def shades(material: Material, height: float) -> Markup:
    """Every fault as an area of its colour, and every violation as a line. Where faults
    overlap, the later one is seen: colours that add up would say nothing."""
    colours = colours_of(material)
    areas, edges = [], []
    for fault in material.faults:
        begin, end = material.ms(fault.began_ns), end_of(material, fault)
        colour = f"f{colours[fault.name]}"
        areas.append(
            element(
                "path",
                class_=f"shade {colour}",
                d=f"M{number(begin)} 0H{number(end)}V{number(height)}H{number(begin)}Z",
            )
        )
        edges.append(
            element(
                "path",
                class_=f"shade-edge {colour}",
                d=f"M{number(begin)} 0V{number(height)}",
            )
        )
    return element(
        "g",
        element("g", *areas, class_="shades"),
        *edges,
        violation_lines(material, height),
    )


def violation_lines(material: Material, height: float) -> Markup:
    """From top to bottom, at each time at which something is wrong."""
    times = dict.fromkeys(number(at) for at, _ in violations_at(material))
    path = "".join(f"M{at} 0V{number(height)}" for at in times)
    return element("path", class_="violation", d=path)
