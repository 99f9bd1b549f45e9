"""Operations per second, by how they ended."""

from __future__ import annotations

from chaos.history.queries import rates
from chaos.history.records import OpType
from chaos.reports.material import MS, Material
from chaos.reports.panels.panel import Axis, Panel, Series
from chaos.reports.panels.shading import shades
from chaos.reports.scales import LinearScale, seconds
from chaos.reports.svg import Point, area, element, steps

HEIGHT = 130.0
BUCKETS = 240
"""So many at most, each at least ``BUCKET_S``."""
BUCKET_S = 0.5


def rates_panel(material: Material, axis: Axis) -> Panel:
    """What ended in each stretch of time; what never ended is nowhere."""
    bucket_s = max(BUCKET_S, round(axis.span / 1000 / BUCKETS, 1))
    found = rates(
        material.operations,
        began_ns=material.began_ns,
        ended_ns=material.ended_ns + MS,
        bucket_s=bucket_s,
    )
    scale = LinearScale.of((max(values) for values in found.values()), HEIGHT)
    paths = []
    for kind in (OpType.OK, OpType.INFO, OpType.FAIL):
        points = [
            (min(place * bucket_s * 1000, axis.end), scale.y(value))
            for place, value in enumerate(found[kind])
        ]
        if kind is OpType.OK:
            filled = area(points, floor=HEIGHT, end=axis.end)
            paths.append(element("path", class_="s-ok area", d=filled))
        drawn = _above_floor(points, axis)
        paths.append(element("path", class_=f"s-{kind.value} line", d=drawn))
    return Panel(
        id="rates",
        title="Operations per second",
        axis=axis,
        height=HEIGHT,
        picture=element("g", shades(material, HEIGHT), *paths),
        scale=scale.labels(),
        unit="per s",
        series=[
            Series(name="ok", label="ok"),
            Series(name="fail", label="fail"),
            Series(name="info", label="info (outcome unknown)"),
        ],
        note=f"Counted by their ends, in steps of {seconds(bucket_s)}.",
    )


def _above_floor(points: list[Point], axis: Axis) -> str:
    """A path of steps, but none where nothing ended: it would hide the axis."""
    path = ""
    run: list[Point] = []
    for x, y in [*points, (axis.end, HEIGHT)]:
        if y < HEIGHT:
            run = run or [(x, HEIGHT)]
            run.append((x, y))
        elif run:
            path += steps([*run, (x, HEIGHT)])
            run = []
    if run:
        path += steps([*run, (axis.end, HEIGHT)])
    return path
