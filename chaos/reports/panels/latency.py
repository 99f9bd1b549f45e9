"""How long each operation took, on a logarithmic scale."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from markupsafe import Markup

from chaos.history.queries import Operation
from chaos.history.records import OpType
from chaos.reports.material import MS, Material
from chaos.reports.panels.panel import Axis, Panel, Series
from chaos.reports.panels.shading import shades
from chaos.reports.scales import LogScale, apart
from chaos.reports.svg import Point, dots, element, line, ticks

HEIGHT = 220.0
DOTS_MAX = 12_000
"""Of each way to end; more is more than a browser draws at ease."""
CELL_PX = 1.0
BUCKETS = 120
ENOUGH = 5
"""Operations of a bucket, for a quantile to mean anything."""
GAP_BUCKETS = 2
"""A line goes over so many at most: where nothing was done, nothing is known."""
TICK_PX = 7.0


def latency_panel(material: Material, axis: Axis) -> Panel:
    """By the end of the operation. What never ended has no place here."""
    ended = [one for one in material.operations if one.ended_ns is not None]
    # What was given up at once says nothing: it must not stretch the scale.
    told = [one for one in ended if one.type is not OpType.INFO]
    scale = LogScale.of([_took_ms(one) for one in told or ended], HEIGHT)
    by_type: dict[OpType, list[Point]] = defaultdict(list)
    for one in ended:
        place = (material.ms(one.ended_ns or 0), scale.y(_took_ms(one)))
        by_type[one.type].append(place)
    paths: list[Markup] = []
    hidden = 0
    for kind in (OpType.OK, OpType.FAIL, OpType.INFO):
        points = by_type[kind]
        shown = _drawn_apart(points, axis)
        hidden += len(points) - len(shown)
        path = ticks(shown, TICK_PX) if kind is OpType.INFO else dots(shown)
        paths.append(element("path", class_=f"s-{kind.value} dots", d=path))
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        runs = _quantiles(material, axis, ended, share, scale)
        path = "".join(line(run) for run in runs)
        paths.append(element("path", class_=f"s-{name} line", d=path))
    never = len(material.operations) - len(ended)
    notes = []
    if hidden:
        notes.append(f"{hidden:,} dots that would lie on others are not drawn.")
    if never:
        notes.append(f"{never:,} operations never ended and are not here.")
    return Panel(
        id="latency",
        title="Latency",
        axis=axis,
        height=HEIGHT,
        picture=element("g", shades(material, HEIGHT), *paths),
        scale=scale.labels(),
        series=[
            Series(name="ok", label="ok"),
            Series(name="fail", label="fail"),
            Series(name="info", label="info (outcome unknown)"),
            Series(name="p50", label="median of ok"),
            Series(name="p99", label="99 % of ok"),
        ],
        note=" ".join(notes),
        tip="latency",
        limits=f"{scale.low},{scale.high}",
    )


def _took_ms(operation: Operation) -> float:
    return ((operation.ended_ns or 0) - operation.began_ns) / MS


def _drawn_apart(points: Sequence[Point], axis: Axis) -> list[Point]:
    """In a grid as fine as possible; fine enough to zoom, where they are few."""
    wide, high = axis.span / 4000, CELL_PX
    shown = apart(points, wide=wide, high=high)
    while len(shown) > DOTS_MAX:
        wide, high = wide * 1.5, high * 1.2
        shown = apart(points, wide=wide, high=high)
    return shown


def _quantiles(
    material: Material,
    axis: Axis,
    ended: Sequence[Operation],
    share: float,
    scale: LogScale,
) -> list[list[Point]]:
    """A line for each stretch of time in which enough ended ok."""
    width = axis.span / BUCKETS
    buckets: dict[int, list[float]] = defaultdict(list)
    for one in ended:
        if one.is_ok:
            buckets[int(material.ms(one.ended_ns or 0) / width)].append(_took_ms(one))
    found: list[list[Point]] = []
    last = -1
    for place, values in sorted(buckets.items()):
        if len(values) < ENOUGH:
            continue
        if not found or place - last > GAP_BUCKETS:
            found.append([])
        last = place
        values.sort()
        value = values[min(len(values) - 1, int(len(values) * share))]
        found[-1].append(((place + 0.5) * width, scale.y(value)))
    return found
