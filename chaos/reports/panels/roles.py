"""What each leader node was, from moment to moment: its role, and in which term."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

import attrs

from chaos.judging.streams import Life
from chaos.reports.material import Material
from chaos.reports.panels.panel import Axis, Overlay, Panel
from chaos.reports.panels.shading import shades
from chaos.reports.scales import Label

ROW = 26.0
BAR = 18.0
SILENT_BAR = 6.0
LEADER, FOLLOWER, SEEKING, DOWN = "leader", "follower", "seeking", "down"
SILENT = "silent"


@attrs.frozen(kw_only=True)
class Stretch:
    """A node is something from one time to another."""

    began_ns: int
    ended_ns: int
    role: str
    term: int = 0
    leader: str = ""


def roles_panel(material: Material, axis: Axis) -> Panel:
    """By what nodes wrote down; of nodes that wrote nothing, by what they answered."""
    names = leader_names(material)
    overlays: list[Overlay] = []
    for row, name in enumerate(names):
        top = row * ROW + (ROW - BAR) / 2
        overlays += [
            _bar(material, name, one, top, BAR) for one in stretches(material, name)
        ]
        overlays += [
            _bar(material, name, one, top + BAR - SILENT_BAR, SILENT_BAR)
            for one in silences(material, name)
        ]
    height = max(1, len(names)) * ROW
    return Panel(
        id="roles",
        title="Roles and terms of leader nodes",
        axis=axis,
        height=height,
        picture=shades(material, height),
        rows=[Label(at=(row + 0.5) * ROW, text=name) for row, name in enumerate(names)],
        overlays=overlays,
        note=""
        if material.stream.lives
        else "Of what nodes answered, ten times a second: no applied log is there.",
    )


def leader_names(material: Material) -> list[str]:
    """Of all leader nodes that anybody speaks of."""
    asked = {
        str(row.get("name", ""))
        for row in material.rows("nodes")
        if row.get("kind") == "leader"
    }
    seen = {life.node for life in material.stream.lives}
    return sorted((asked | seen | {one.node for one in material.samples}) - {""})


def stretches(material: Material, name: str) -> list[Stretch]:
    """Without gaps, from the beginning of the run to its end."""
    lives = material.stream.lives_of().get(name, [])
    raw = _of_lives(material, name, lives) if lives else _of_samples(material, name)
    joined: list[Stretch] = []
    for one in raw:
        if one.ended_ns <= one.began_ns:
            continue
        last = joined[-1] if joined else None
        if last and (last.role, last.term, last.leader) == (
            one.role,
            one.term,
            one.leader,
        ):
            joined[-1] = attrs.evolve(last, ended_ns=one.ended_ns)
        else:
            joined.append(one)
    return joined


def _of_lives(material: Material, name: str, lives: list[Life]) -> Iterator[Stretch]:
    now = material.began_ns
    died = sorted(
        event.at_ns
        for event in material.events
        if event.node == name and event.what == "died"
    )
    for place, life in enumerate(lives):
        is_last = place + 1 == len(lives)
        until = material.ended_ns if is_last else lives[place + 1].began_ns
        death = bisect_left(died, life.ended_ns)
        if death < len(died) and died[death] < until:
            ended = died[death]
        else:
            ended = material.ended_ns if is_last else life.ended_ns
        yield Stretch(began_ns=now, ended_ns=life.began_ns, role=DOWN)
        now = life.began_ns
        before = Stretch(began_ns=now, ended_ns=now, role=SEEKING)
        for role in life.roles:
            yield attrs.evolve(before, began_ns=now, ended_ns=role.at_ns)
            now = max(now, role.at_ns)
            kind = FOLLOWER if role.leader else SEEKING
            kind = LEADER if role.leading else kind
            before = attrs.evolve(
                before, role=kind, term=role.term, leader=role.leader or ""
            )
        yield attrs.evolve(before, began_ns=now, ended_ns=ended)
        now = max(now, ended)
    yield Stretch(began_ns=now, ended_ns=material.ended_ns, role=DOWN)


def _of_samples(material: Material, name: str) -> Iterator[Stretch]:
    now, before = material.began_ns, Stretch(began_ns=0, ended_ns=0, role=DOWN)
    for sample in material.samples:
        if sample.node != name:
            continue
        yield attrs.evolve(before, began_ns=now, ended_ns=sample.at_ns)
        now = sample.at_ns
        role = sample.role or SEEKING
        if sample.is_up and role == FOLLOWER and not sample.leader:
            role = SEEKING
        before = Stretch(
            began_ns=now,
            ended_ns=now,
            role=role if sample.is_up else DOWN,
            term=sample.term,
            leader=sample.leader,
        )
    yield attrs.evolve(before, began_ns=now, ended_ns=material.ended_ns)


def silences(material: Material, name: str) -> list[Stretch]:
    """When a node was there and did not answer."""
    if name not in {life.node for life in material.stream.lives}:
        return []
    found: list[Stretch] = []
    since: int | None = None
    for sample in material.samples:
        if sample.node != name:
            continue
        if not sample.is_up and since is None:
            since = sample.at_ns
        elif sample.is_up and since is not None:
            found.append(Stretch(began_ns=since, ended_ns=sample.at_ns, role=SILENT))
            since = None
    if since is not None:
        found.append(Stretch(began_ns=since, ended_ns=material.ended_ns, role=SILENT))
    down = [one for one in stretches(material, name) if one.role == DOWN]
    return [part for one in found for part in _without(one, down)]


def _without(one: Stretch, others: list[Stretch]) -> Iterator[Stretch]:
    """The parts of it in which none of the others is."""
    began_ns = one.began_ns
    for other in others:
        if other.ended_ns <= began_ns or other.began_ns >= one.ended_ns:
            continue
        if other.began_ns > began_ns:
            yield attrs.evolve(one, began_ns=began_ns, ended_ns=other.began_ns)
        began_ns = max(began_ns, other.ended_ns)
    if began_ns < one.ended_ns:
        yield attrs.evolve(one, began_ns=began_ns)


WORDS = {
    LEADER: "leads",
    FOLLOWER: "follows",
    SEEKING: "knows no leader",
    DOWN: "is down",
    SILENT: "does not answer",
}


def _bar(
    material: Material, name: str, one: Stretch, top: float, height: float
) -> Overlay:
    begin, end = material.ms(one.began_ns), material.ms(one.ended_ns)
    words = f"{name} {WORDS.get(one.role, one.role)}"
    if one.role == FOLLOWER and one.leader:
        words += f" {material.node_of(one.leader)}"
    if one.term:
        words += f", term {one.term}"
    return Overlay(
        begin=begin,
        end=end,
        top=top,
        height=height,
        kind=f"role {one.role}",
        text=str(one.term) if one.term and one.role == LEADER else "",
        title=f"{words}\n{begin / 1000:.2f} s to {end / 1000:.2f} s",
    )
