"""Operations from their beginning to their end, a row for each workload."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from chaos.history.queries import Operation
from chaos.history.records import OpType
from chaos.reports.material import MS, Material
from chaos.reports.panels.panel import Axis, Panel, Series
from chaos.reports.panels.shading import shades
from chaos.reports.scales import Label
from chaos.reports.svg import bars, element, ticks

MARKS_MAX = 10_000
LONGEST_MAX = MARKS_MAX // 4
LANES_MAX = 6
"""Of a workload, of operations at the same time."""
LANES_MIN = 3
"""So that two lines of text fit beside a row."""
LANE = 6.0
ROW_GAP = 8.0
TEXT_MAX = 160
STREAM_LOST = ("disconnected",)
STREAM_BEGUN = ("subscribed", "resubscribed")
TYPES = (OpType.OK, OpType.FAIL, OpType.INFO)


@attrs.define(kw_only=True)
class Timeline:
    """The panel, and for the script what stands behind its marks."""

    panel: Panel
    marks: dict[str, Any]


def timeline(material: Material, axis: Axis) -> Timeline:
    """At most ``MARKS_MAX`` operations: all that did not end well, the longest of the
    others, and of the rest one in so many."""
    kept = chosen(material.operations)
    rows: dict[str, list[Operation]] = defaultdict(list)
    names = sorted({one.workload for one in material.operations} | {*material.kinds})
    for one in kept:
        rows[one.workload].append(one)
    spans: dict[OpType, list[tuple[float, float, float]]] = defaultdict(list)
    marks = _Marks(material.node_of)
    labels: list[Label] = []
    middles: dict[str, tuple[float, float]] = {}
    top = ROW_GAP / 2
    for name in names:
        lanes = _Lanes(last=material.ended_ns)
        placed = [(one, lanes.place(one)) for one in rows[name]]
        height = LANE * max(LANES_MIN, lanes.count)
        for one, lane in placed:
            y = top + LANE * (lane + 0.5)
            begin = material.ms(one.began_ns)
            end = material.ms(
                one.ended_ns if one.ended_ns is not None else material.ended_ns
            )
            spans[one.type].append((begin, end, y))
            marks.add(one, begin, end, y)
        labels.append(
            Label(at=top + height / 2, text=name, more=material.kinds.get(name, ""))
        )
        middles[name] = (top + height / 2, height)
        top += height + ROW_GAP
    height = max(top, 24.0)
    paths = [
        element("path", class_=f"s-{kind.value} bars", d=bars(spans[kind]))
        for kind in TYPES
    ]
    paths += _streams(material, middles)
    left_out = len(material.operations) - len(kept)
    panel = Panel(
        id="timeline",
        title="Operations by workload",
        axis=axis,
        height=height,
        picture=element("g", shades(material, height), *paths),
        rows=labels,
        series=[
            Series(name="ok", label="ok"),
            Series(name="fail", label="fail"),
            Series(name="info", label="info (outcome unknown)"),
            Series(name="lost", label="event stream lost"),
            Series(name="begun", label="subscribed"),
        ],
        note=(
            f"Of {len(material.operations):,} operations {left_out:,} that ended ok are"
            " not drawn; all others and the longest ones are."
            if left_out
            else ""
        ),
        tip="operations",
    )
    return Timeline(panel=panel, marks=marks.as_json())


def chosen(operations: Sequence[Operation], most: int = MARKS_MAX) -> list[Operation]:
    """``most`` of them at most, in order of their beginnings."""
    if len(operations) <= most:
        return sorted(operations, key=lambda one: one.began_ns)
    longest = most // 4
    by_length = sorted(operations, key=lambda one: (one.is_ok, -_length(one)))
    bad = sum(not one.is_ok for one in operations)
    first = min(most, bad + longest)
    rest = by_length[first:]
    wanted = most - first
    picked = [rest[place * len(rest) // wanted] for place in range(wanted)]
    return sorted([*by_length[:first], *picked], key=lambda one: one.began_ns)


def _length(operation: Operation) -> float:
    if operation.ended_ns is None:
        return float("inf")
    return operation.ended_ns - operation.began_ns


@attrs.define(kw_only=True)
class _Lanes:
    last: int
    free_ns: list[int] = attrs.field(factory=list)

    @property
    def count(self) -> int:
        return len(self.free_ns)

    def place(self, one: Operation) -> int:
        """The first lane that is free; the one that will be, if there are too many."""
        free = [lane for lane, ns in enumerate(self.free_ns) if ns <= one.began_ns]
        if free:
            lane = free[0]
        elif self.count == LANES_MAX:
            lane = min(range(LANES_MAX), key=self.free_ns.__getitem__)
        else:
            lane = self.count
            self.free_ns.append(0)
        end = one.ended_ns if one.ended_ns is not None else self.last
        self.free_ns[lane] = max(self.free_ns[lane], end)
        return lane


def _streams(material: Material, middles: dict[str, tuple[float, float]]) -> list[Any]:
    found = []
    for name, kinds in (("lost", STREAM_LOST), ("begun", STREAM_BEGUN)):
        path = ""
        for one in material.happenings:
            workload = one.process.partition("/")[0]
            if one.what in kinds and workload in middles:
                middle, height = middles[workload]
                path += ticks([(material.ms(one.at_ns), middle)], height + 4)
        found.append(element("path", class_=f"s-{name} tick", d=path))
    return found


@attrs.define
class _Marks:
    """Compact: texts are in tables, and rows have their places in these."""

    node_of: Callable[[str], str]
    rows: list[list[float]] = attrs.field(factory=list)
    tables: dict[str, dict[str, int]] = attrs.field(
        factory=lambda: {"process": {}, "f": {}, "key": {}, "error": {}, "node": {}}
    )

    def add(self, one: Operation, begin: float, end: float, y: float) -> None:
        took = -1.0 if one.ended_ns is None else (one.ended_ns - one.began_ns) / MS
        self.rows.append(
            [
                round(begin, 1),
                round(end, 1),
                round(y, 1),
                round(took, 2),
                TYPES.index(one.type),
                self._place("process", one.process),
                self._place("f", one.f),
                self._place("key", one.key),
                self._place("error", one.error),
                self._place("node", self.node_of(one.node) if one.node else ""),
            ]
        )

    def _place(self, table: str, words: str) -> int:
        known = self.tables[table]
        return known.setdefault(words[:TEXT_MAX], len(known))

    def as_json(self) -> dict[str, Any]:
        tables = {name: list(known) for name, known in self.tables.items()}
        return {"rows": self.rows, **tables}
