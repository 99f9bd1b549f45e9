"""What of the time around a violation goes into its diagram: a person can follow some
dozens of events between a few processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import attrs

from chaos.history.queries import workload_of
from chaos.judging.judgement import Problem
from chaos.reports.diagram_events import (
    OF_CLIENTS,
    Event,
    Kind,
    events_around,
    lane_of,
    short,
)
from chaos.reports.material import Material
from chaos.reports.panels.roles import leader_names

EVENTS_MAX = 70
CLIENTS_MAX = 4
"""Lanes of workloads."""


@attrs.frozen(kw_only=True)
class Excerpt:
    """``left_out``: events of the same stretch of time that are not in it."""

    events: list[Event]
    lanes: list[str]
    left_out: int
    began_ns: int
    ended_ns: int


def excerpt(material: Material, problem: Problem) -> Excerpt:
    """What happened around ``problem``, which has a time; the nearest and the most
    telling of it, if it is too much."""
    at_ns = problem.at_ns or 0
    events = events_around(material, problem)
    events = _of_few_clients(problem, events)
    joined = join_alike(join_applied(events))
    kept = sorted(joined, key=lambda one: (-one.weight, abs(one.at_ns - at_ns)))
    left_out = max(0, len(kept) - EVENTS_MAX)
    kept = sorted(kept[:EVENTS_MAX], key=lambda event: event.at_ns)
    mark = Event(
        at_ns=at_ns, kind=Kind.PROBLEM, lane=lane_of(problem.node), text=problem.text
    )
    place = sum(event.at_ns <= at_ns for event in kept)
    kept.insert(place, mark)
    return Excerpt(
        events=kept,
        lanes=_lanes(material, kept),
        left_out=left_out,
        began_ns=kept[0].at_ns,
        ended_ns=kept[-1].at_ns,
    )


def join_applied(events: Iterable[Event]) -> list[Event]:
    """Entries that a node applies without anything else of it in between are one."""
    found: list[Event] = []
    last: dict[str, int] = {}
    for event in events:
        place = last.get(event.lane)
        if event.indexes is not None and place is not None:
            known = found[place]
            if known.indexes is not None:
                first, newest = known.indexes[0], event.indexes[1]
                found[place] = attrs.evolve(
                    known, indexes=(first, newest), text=f"applies {first} to {newest}"
                )
                continue
        for lane in {event.lane, event.to} - {""}:
            last[lane] = len(found)
        found.append(event)
    return found


def join_alike(events: Iterable[Event]) -> list[Event]:
    """Calls of one kind, or answers, that follow upon each other are one."""
    found: list[Event] = []
    for event in events:
        last = found[-1] if found else None
        if (
            last is not None
            and event.alike
            and (last.kind, last.lane, last.to, last.alike)
            == (event.kind, event.lane, event.to, event.alike)
        ):
            count = last.count + 1
            words = short(f"{count} x {event.alike}")
            found[-1] = attrs.evolve(last, count=count, text=words)
        else:
            found.append(event)
    return found


def _of_few_clients(problem: Problem, events: Sequence[Event]) -> list[Event]:
    """Without the workloads that did least, but never without the problem's own."""
    clients = Counter(one.lane for one in events if one.kind in OF_CLIENTS)
    own = lane_of(problem.node)
    order = sorted(clients, key=lambda name: (name != own, -clients[name], name))
    dropped = set(order[CLIENTS_MAX:])
    return [event for event in events if event.lane not in dropped]


def _lanes(material: Material, events: Sequence[Event]) -> list[str]:
    """Workloads, then leader nodes, then agents; each in order of name."""
    named = {name for event in events for name in (event.lane, event.to)} - {""}
    leaders = set(leader_names(material))
    named |= leaders
    clients = {workload_of(one.process) for one in material.operations}

    def place(name: str) -> tuple[int, str]:
        if name in clients or name in material.kinds:
            return 0, name
        return (1, name) if name in leaders else (2, name)

    return sorted(named, key=place)
