"""The message diagram around a violation: a lane for each process, time downwards.

Every event has a row of its own, so nothing lies on anything else; times stand at the
left, and longer stretches in which nothing happened are said.
"""

from __future__ import annotations

from itertools import pairwise

import attrs
from markupsafe import Markup

from chaos.judging.judgement import Problem
from chaos.reports.diagram_events import AROUND_NS, Event, Kind, short
from chaos.reports.diagram_excerpt import Excerpt, excerpt
from chaos.reports.material import MS, Material
from chaos.reports.panels.roles import LEADER, WORDS, stretches
from chaos.reports.svg import element, text
from chaos.results import Verdict

DIAGRAMS_MAX = 3
APART_NS = 200 * MS
"""Violations nearer to each other are in one diagram."""
ROW = 23.0
HEAD = 34.0
TIMES = 84.0
LANE_MIN, LANE_MAX = 118.0, 190.0
WIDTH = 1120.0
"""Of a page in a usual window; many lanes are narrow, and more yet are scrolled to."""
MARGIN = 24.0
GAP_NS = 50 * MS
GAP = 14.0
BELOW_PROBLEM = 6.0
LETTER, LETTER_OWN = 6.1, 7.0
BESIDE = 8.0
MARKED = (Kind.CALL, Kind.ANSWER, Kind.FAILURE, Kind.DOUBT, Kind.APPLY)
"""Of other events the words have a background."""


@attrs.frozen(kw_only=True)
class Diagram:
    id: str
    title: str
    sentence: str
    picture: Markup
    note: str


def diagrams_of(
    material: Material,
) -> tuple[list[Diagram], dict[tuple[str, int], str]]:
    """Of the first violations that have a time; and which of them shows which, by
    (check, place of the problem)."""
    judgement = material.judgement
    if judgement is None:
        return [], {}
    timed = [
        (problem, judged.checker, place)
        for judged in judgement.results
        if judged.verdict is Verdict.INVALID
        for place, problem in enumerate(judged.problems)
        if problem.at_ns is not None
    ]
    # One of each check before a second of any, and those in the order of time.
    timed.sort(key=lambda item: (item[2], item[0].at_ns or 0))
    diagrams: list[Diagram] = []
    shown: dict[tuple[str, int], str] = {}
    shown_ns: list[tuple[int, str]] = []
    for problem, checker, place in timed:
        at_ns = problem.at_ns or 0
        near = [name for known, name in shown_ns if abs(known - at_ns) < APART_NS]
        if not near and len(diagrams) < DIAGRAMS_MAX:
            one = draw(material, problem, checker, f"diagram-{len(diagrams) + 1}")
            diagrams.append(one)
            shown_ns.append((at_ns, one.id))
            near = [one.id]
        if near:
            shown[checker, place] = near[0]
    return diagrams, shown


def draw(material: Material, problem: Problem, checker: str, name: str) -> Diagram:
    """Around one problem."""
    found = excerpt(material, problem)
    at_ns = problem.at_ns or 0
    notes = [
        f"{(found.ended_ns - found.began_ns) / MS:.0f} ms are shown."
        " Arrows to the right are calls, to the left answers, at the times at which"
        " the caller wrote them down; entries stand where they were applied first."
    ]
    if found.left_out:
        notes.append(f"{found.left_out} events further away are left out.")
    return Diagram(
        id=name,
        title=checker,
        sentence=problem.text,
        picture=_picture(found, at_ns, material),
        note=" ".join(notes),
    )


def _picture(found: Excerpt, at_ns: int, material: Material) -> Markup:
    room = (WIDTH - TIMES - 2 * MARGIN) / max(1, len(found.lanes) + 0.5)
    wide = min(max(room, LANE_MIN), LANE_MAX)
    xs = {
        lane: TIMES + MARGIN + (place + 0.5) * wide
        for place, lane in enumerate(found.lanes)
    }
    ys, gaps, height = _rows(found.events)
    right = TIMES + MARGIN + len(found.lanes) * wide
    width = max(WIDTH, right + MARGIN)
    parts = []
    for lane, x in xs.items():
        kind = material.kinds.get(lane) or _role(material, lane, at_ns - AROUND_NS)
        parts.append(text(lane, x=x, y=14, class_="lane-name"))
        if kind:
            parts.append(text(kind, x=x, y=27, class_="lane-kind"))
        parts.append(element("path", class_="lane", d=f"M{x} {HEAD}V{height:.0f}"))
    for y, ns in gaps:
        parts.append(
            text(f"⋮ {ns / MS:.0f} ms", x=TIMES - 10, y=y + 4, class_="time gap")
        )
    for event, y in zip(found.events, ys, strict=True):
        ms = (event.at_ns - at_ns) / MS
        label = f"{ms:+.1f}" if event.kind is not Kind.PROBLEM else "0"
        parts.append(text(label, x=TIMES - 10, y=y + 4, class_="time"))
        parts.append(_drawn(event, y, xs, width))
    return element(
        "svg",
        *parts,
        class_="diagram",
        width=width,
        height=height + 8,
        viewBox=f"0 0 {width:.0f} {height + 8:.0f}",
        role="img",
    )


def _role(material: Material, lane: str, at_ns: int) -> str:
    """What a leader node was when the diagram begins; empty for other lanes."""
    for one in stretches(material, lane):
        if one.began_ns <= at_ns < one.ended_ns:
            term = f" term {one.term}" if one.term else ""
            return f"{WORDS[one.role]}{term}" if one.role == LEADER else WORDS[one.role]
    return ""


def _rows(events: list[Event]) -> tuple[list[float], list[tuple[float, int]], float]:
    """Where each event is, what gaps there are, and how high all is."""
    y = HEAD + ROW / 2
    ys, gaps = [y], []
    for before, event in pairwise(events):
        pause = event.at_ns - before.at_ns
        y += ROW + (BELOW_PROBLEM if before.kind is Kind.PROBLEM else 0)
        if pause >= GAP_NS:
            gaps.append((y - ROW / 2 + GAP / 2, pause))
            y += GAP
        ys.append(y)
    return ys, gaps, y + ROW


def _length(event: Event) -> float:
    """Of its words, in pixels; bold ones are wider."""
    is_bold = event.is_own or event.kind is Kind.PROBLEM
    return len(event.text) * (LETTER_OWN if is_bold else LETTER)


def _drawn(event: Event, y: float, xs: dict[str, float], width: float) -> Markup:
    kind = event.kind
    if kind is Kind.PROBLEM:
        return _problem(event, y, xs, width)
    x = xs.get(event.lane, TIMES + MARGIN)
    if event.to in xs and event.to != event.lane:
        return _arrow(event, y, xs)
    name, own = kind.value, " own" if event.is_own else ""
    style = f"words {name}{own}"
    # At the right edge words stand before their mark; nothing else is in the row.
    is_before = x + BESIDE + _length(event) > width
    if kind in MARKED:
        if kind is Kind.APPLY:
            mark = element(
                "rect", x=x - 3.5, y=y - 3.5, width=7, height=7, class_=f"mark {name}"
            )
        else:
            mark = element("circle", cx=x, cy=y, r=3.5, class_=f"mark {name}")
        at = x - BESIDE if is_before else x + BESIDE
        style += " before" if is_before else ""
        return element("g", mark, text(event.text, x=at, y=y + 4, class_=style))
    length = _length(event) + 14
    left = x - length + 5 if is_before else x - 5
    pill = element(
        "rect",
        x=left,
        y=y - 8.5,
        width=length,
        height=17,
        rx=4,
        class_=f"pill {name}",
    )
    return element("g", pill, text(event.text, x=left + 7, y=y + 4, class_=style))


def _arrow(event: Event, y: float, xs: dict[str, float]) -> Markup:
    client, node = xs[event.lane], xs[event.to]
    begin, end = (client, node) if event.kind is Kind.CALL else (node, client)
    way = 1 if end > begin else -1
    name, own = event.kind.value, " own" if event.is_own else ""
    shaft = element("path", class_=f"shaft {name}", d=f"M{begin} {y}H{end - 6 * way}")
    head = element(
        "path",
        class_=f"head {name}",
        d=f"M{end} {y}l{-8 * way} -4v8Z",
    )
    words = text(
        event.text,
        x=min(begin, end) + 2 * BESIDE,
        y=y - 4,
        class_=f"words {name}{own}",
    )
    return element("g", shaft, head, words)


def _problem(event: Event, y: float, xs: dict[str, float], width: float) -> Markup:
    band = element(
        "rect", x=TIMES, y=y - 9, width=width - TIMES, height=18, class_="problem-band"
    )
    room = int((width - TIMES - MARGIN) / LETTER_OWN)
    words = text(
        short(event.text, room), x=TIMES + MARGIN / 2, y=y + 4, class_="words problem"
    )
    return element("g", band, words)
