"""A plot of a report, before it is markup.

Panels of one ``axis`` lie exactly above each other and are zoomed together. ``time`` is
in ms since the run began, ``index`` in log indexes.
"""

from __future__ import annotations

import attrs
from markupsafe import Markup

from chaos.reports.scales import Label, nice_step

TIME, INDEX = "time", "index"


@attrs.frozen(kw_only=True)
class Overlay:
    """A bar above the picture, or what is written there.

    Attributes:
        begin, end: On the panel's axis.
        top, height: Pixels.
        kind: CSS classes.
        text: In the bar, as far as there is room.
        title: Shown under the pointer.
        spills: The text may go beyond the bar.
    """

    begin: float
    end: float
    top: float
    height: float
    kind: str
    text: str = ""
    title: str = ""
    spills: bool = False


@attrs.frozen(kw_only=True)
class Series:
    """Something that can be shown or not: what has the class ``s-<name>``."""

    name: str
    label: str


@attrs.frozen(kw_only=True)
class Axis:
    """``begin`` to ``end``, with the labels of the whole of it."""

    name: str
    begin: float
    end: float

    @property
    def span(self) -> float:
        return self.end - self.begin

    def labels(self, wanted: int = 12) -> list[Label]:
        """Round places. The script does the same for a part of the axis."""
        step = nice_step(self.span, wanted)
        if self.name == INDEX:
            step = max(1.0, step)
        found, at = [], (self.begin // step) * step
        while at <= self.end + step / 1000:
            if at >= self.begin:
                found.append(Label(at=at, text=self._words(at)))
            at += step
        return found

    def _words(self, at: float) -> str:
        return f"{at / 1000:g} s" if self.name == TIME else f"{at:.0f}"

    def percent(self, at: float) -> str:
        """A place as CSS has it."""
        return f"{(at - self.begin) / self.span * 100:.3f}%"


@attrs.frozen(kw_only=True)
class Panel:
    """See the module.

    Attributes:
        tip: What the script says under the pointer: see ``script.js``.
        limits: Of the scale, for the script.
        rows: Labels of rows, at the pixels of their middles, instead of a scale's.
        note: What one must know to read it: what was left out.
        has_labels: Whether the labels of the axis are below it.
    """

    id: str
    title: str
    axis: Axis
    height: float
    picture: Markup
    unit: str = ""
    scale: list[Label] = attrs.field(factory=list)
    rows: list[Label] = attrs.field(factory=list)
    overlays: list[Overlay] = attrs.field(factory=list)
    series: list[Series] = attrs.field(factory=list)
    note: str = ""
    tip: str = ""
    limits: str = ""
    has_labels: bool = True
    has_title: bool = True
