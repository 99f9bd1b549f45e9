"""From values to places in a plot, and labels of axes. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import attrs

from chaos.reports.svg import Point

NICE = (1, 2, 5, 10)


@attrs.frozen(kw_only=True)
class Label:
    """``at``: pixels from the top, or a place on the axis. ``more``: a second line."""

    at: float
    text: str
    more: str = ""


@attrs.frozen(kw_only=True)
class LinearScale:
    """From 0 at the bottom to ``most`` at the top."""

    most: float
    height: float

    @classmethod
    def of(cls, values: Iterable[float], height: float) -> LinearScale:
        """As far as a round number above the greatest of the values."""
        greatest = max(values, default=0.0)
        step = nice_step(greatest, 4)
        return cls(most=max(step, math.ceil(greatest / step) * step), height=height)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        return self.height * (1 - value / self.most)

    def labels(self) -> list[Label]:
        step = nice_step(self.most, 4)
        count = int(self.most / step + 0.5)
        return [
            Label(at=self.y(number * step), text=f"{number * step:g}")
            for number in range(count + 1)
        ]


@attrs.frozen(kw_only=True)
class LogScale:
    """From ``10 ** low`` milliseconds at the bottom to ``10 ** high`` at the top."""

    low: int
    high: int
    height: float

    @classmethod
    def of(cls, values: Sequence[float], height: float) -> LogScale:
        """Whole powers of ten around the values."""
        shown = [value for value in values if value > 0]
        low = math.floor(math.log10(min(shown, default=1.0)))
        high = math.ceil(math.log10(max(shown, default=1000.0)))
        low = max(low, -2)
        return cls(low=low, high=max(high, low + 1), height=height)

    def y(self, value: float) -> float:
        """Pixels from the top; what is below the scale lies on its lower edge."""
        power = math.log10(value) if value > 0 else self.low
        place = (min(max(power, self.low), self.high) - self.low) / (
            self.high - self.low
        )
        return self.height * (1 - place)

    def labels(self) -> list[Label]:
        return [
            Label(at=self.y(10.0**power), text=milliseconds(10.0**power))
            for power in range(self.low, self.high + 1)
        ]


def nice_step(span: float, wanted: int) -> float:
    """A round distance, of which at most ``wanted`` fit into ``span``."""
    if span <= 0:
        return 1.0
    rough = span / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * nice for nice in NICE if power * nice >= rough * 0.999)


def milliseconds(value: float) -> str:
    """In the unit in which it is short."""
    if value >= 1000:
        return f"{value / 1000:.4g} s"
    return f"{value:.3g} ms"


def seconds(value: float) -> str:
    """In the unit in which it is short."""
    if value >= 99.95:
        return f"{value:.0f} s"
    return f"{value:.3g} s" if value >= 1 else f"{value * 1000:.0f} ms"


def apart(points: Sequence[Point], *, wide: float, high: float) -> list[Point]:
    """One point for each cell of a grid: the others would lie upon it."""
    seen: dict[tuple[int, int], Point] = {}
    for x, y in points:
        seen.setdefault((int(x / wide), int(y / high)), (x, y))
    return list(seen.values())


def extremes(points: Sequence[Point], *, buckets: int) -> list[Point]:
    """At most the first, the lowest, the highest and the last of each bucket, in
    order; all of them if they are few."""
    if len(points) <= 4 * buckets:
        return list(points)
    begin, end = points[0][0], points[-1][0]
    width = (end - begin) / buckets or 1.0
    found: list[Point] = []
    bucket: list[Point] = []
    number = 0
    for point in points:
        place = int((point[0] - begin) / width)
        if place != number:
            found += _outermost(bucket)
            bucket, number = [], place
        bucket.append(point)
    return found + _outermost(bucket)


def _outermost(bucket: Sequence[Point]) -> list[Point]:
    if len(bucket) <= 4:
        return list(bucket)
    low = min(range(len(bucket)), key=lambda place: bucket[place][1])
    high = max(range(len(bucket)), key=lambda place: bucket[place][1])
    return [bucket[place] for place in sorted({0, low, high, len(bucket) - 1})]
