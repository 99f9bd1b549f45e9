"""A little SVG, as markup that is safe to put into a page.

Plots have milliseconds (or log indexes) to the right and pixels downwards, and are
stretched to the width there is; so all strokes keep their width, and there is no text
in them: labels are HTML above the picture.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

Point = tuple[float, float]


def number(value: float) -> str:
    """With at most one digit behind the point: a tenth of a pixel."""
    text = f"{value:.1f}"
    return text.removesuffix(".0")


def element(tag: str, *children: Markup, **attributes: str | float | None) -> Markup:
    """``class_`` and ``stroke_width`` are ``class`` and ``stroke-width``; an attribute
    that is None is left out."""
    pairs = "".join(
        f' {_name(name)}="{_value(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    inner = Markup("").join(children)
    return Markup(f"<{tag}{pairs}>{inner}</{tag}>")


def text(words: str, **attributes: str | float | None) -> Markup:
    """A ``text`` element."""
    return element("text", escape(words), **attributes)


def dots(points: Iterable[Point]) -> str:
    """A path of a dot at each point, as round or square as the line's ends."""
    return "".join(f"M{number(x)} {number(y)}h0" for x, y in points)


def ticks(points: Iterable[Point], height: float) -> str:
    """A path of a short upright line around each point."""
    half = height / 2
    return "".join(
        f"M{number(x)} {number(y - half)}v{number(height)}" for x, y in points
    )


def bars(spans: Iterable[tuple[float, float, float]]) -> str:
    """A path of a level line for each (from, to, height)."""
    return "".join(
        f"M{number(begin)} {number(y)}h{number(end - begin)}" for begin, end, y in spans
    )


def line(points: Iterable[Point]) -> str:
    """A path from point to point."""
    return "".join(
        f"{'L' if place else 'M'}{number(x)} {number(y)}"
        for place, (x, y) in enumerate(points)
    )


def steps(points: Iterable[Point]) -> str:
    """A path that stays level until the next point."""
    return "".join(
        f"H{number(x)}V{number(y)}" if place else f"M{number(x)} {number(y)}"
        for place, (x, y) in enumerate(points)
    )


def area(points: list[Point], *, floor: float, end: float) -> str:
    """What is below ``steps``, down to ``floor`` and as far as ``end``."""
    if not points:
        return ""
    first = number(points[0][0])
    return f"{steps(points)}H{number(end)}V{number(floor)}H{first}Z"


def _name(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _value(value: str | float) -> Markup:
    return escape(value if isinstance(value, str) else number(value))
