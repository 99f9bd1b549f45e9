"""What each agent had on offer and in use, at every index of the log."""

from __future__ import annotations

import attrs
from markupsafe import Markup

from chaos.judging.replay import cluster_id_of
from chaos.judging.streams import Stream
from chaos.reports.material import Material
from chaos.reports.panels.panel import INDEX, Axis, Overlay, Panel, Series
from chaos.reports.scales import Label
from chaos.reports.svg import Point, area, element, steps
from raftleader.protocol.resources import Resources, split_key
from raftleader.state.apply import apply_entry
from raftleader.state.cluster import Agent, ClusterState

RESOURCE = "cpus"
AGENTS_MAX = 12
HEIGHT = 64.0
TERMS = 18.0
BUCKETS = 500
TERM_LETTER = 1 / 90
"""Of a plot's width."""


@attrs.frozen(kw_only=True)
class Account:
    """Of an agent from an entry on, in thousandths."""

    index: int
    total: int
    used: int
    offered: int
    is_reachable: bool


@attrs.define(kw_only=True)
class Accounts:
    """Attributes:
    agents: By name, in order of registration; each change.
    terms: (first index, term).
    problem: Why there is less than there should be.
    """

    agents: dict[str, list[Account]] = attrs.field(factory=dict)
    terms: list[tuple[int, int]] = attrs.field(factory=list)
    problem: str = ""


def accounts_of(stream: Stream) -> Accounts:
    """Applies the log to an empty state. A log whose beginning nobody wrote down, or
    that cannot be applied, gives what could be had, and says so."""
    found = Accounts()
    if not stream.entries:
        found.problem = "No entry of the log was written down."
        return found
    if not _begins(stream):
        first = stream.entries[0].index
        found.problem = f"The log begins with entry {first}: it cannot be replayed."
        return found
    state = ClusterState(cluster_id=cluster_id_of(stream))
    names: dict[str, str] = {}
    for entry in stream.entries:
        if not found.terms or found.terms[-1][1] != entry.term:
            found.terms.append((entry.index, entry.term))
        try:
            applied = apply_entry(state, entry.index, entry.term, entry.data)
        except Exception as error:  # a report is written of broken logs, too
            found.problem = (
                f"The log could be replayed up to entry {entry.index} only:"
                f" {type(error).__name__}."
            )
            break
        for agent_id in sorted(applied.touched.agents):
            agent = state.agents.get(agent_id)
            if agent is not None:
                name = names.setdefault(agent_id, _name(agent, names))
                _take(found.agents.setdefault(name, []), entry.index, agent)
            elif agent_id in names:
                gone = Account(
                    index=entry.index, total=0, used=0, offered=0, is_reachable=False
                )
                found.agents[names[agent_id]].append(gone)
    return found


def _begins(stream: Stream) -> bool:
    first = stream.entries[0].index
    return any(
        life.indexes[:1] == [first]
        and not any(record.index and not place for place, record in life.restored)
        for life in stream.lives
    )


def _name(agent: Agent, names: dict[str, str]) -> str:
    name = agent.info.hostname
    return name if name not in names.values() else f"{name} ({agent.id})"


def _take(known: list[Account], index: int, agent: Agent) -> None:
    account = Account(
        index=index,
        total=amount(agent.total),
        used=amount(agent.used),
        offered=amount(agent.offered),
        is_reachable=agent.unreachable_ms is None,
    )
    if not known or attrs.evolve(account, index=known[-1].index) != known[-1]:
        known.append(account)


def amount(resources: Resources) -> int:
    """Thousandths of cpus, reserved or not."""
    return sum(
        millis
        for key, millis in resources.scalars.items()
        if split_key(key)[0] == RESOURCE
    )


@attrs.define(kw_only=True)
class Allocation:
    """A panel for each agent, what is to be said of all, and what is drawn, for the
    script: by panel, (index, total, used, offered)."""

    panels: list[Panel]
    note: str
    data: dict[str, list[list[int]]]


def allocation_panels(material: Material) -> Allocation:
    """Of the agents that the log tells of."""
    accounts = accounts_of(material.stream)
    if not accounts.agents:
        note = accounts.problem or "No agent was registered."
        return Allocation(panels=[], note=note, data={})
    entries = material.stream.entries
    axis = Axis(
        name=INDEX,
        begin=float(entries[0].index),
        end=float(max(entries[-1].index, entries[0].index + 1)),
    )
    names = list(accounts.agents)
    notes = [accounts.problem] if accounts.problem else []
    if len(names) > AGENTS_MAX:
        notes.append(f"The first {AGENTS_MAX} of {len(names)} agents are shown here.")
        names = names[:AGENTS_MAX]
    panels = []
    data = {}
    is_thinned = False
    for place, name in enumerate(names):
        shown = _thinned(accounts.agents[name], axis)
        is_thinned = is_thinned or len(shown) < len(accounts.agents[name])
        panel = _panel(
            place, name, shown, accounts, axis, is_last=place + 1 == len(names)
        )
        panels.append(panel)
        data[panel.id] = [
            [one.index, one.total, one.used, one.offered] for one in shown
        ]
    if is_thinned:
        notes.append(
            f"Of each of {BUCKETS} stretches of the log the first, least, greatest and"
            " last are drawn."
        )
    return Allocation(panels=panels, note=" ".join(notes), data=data)


def _panel(
    place: int,
    name: str,
    shown: list[Account],
    accounts: Accounts,
    axis: Axis,
    *,
    is_last: bool,
) -> Panel:
    known = accounts.agents[name]
    most = max((one.total for one in known), default=0) or 1
    top = TERMS if not place else 0.0

    def y(millis: int) -> float:
        return top + HEIGHT * (1 - millis / most)

    floor = top + HEIGHT

    def layer(kind: str, points: list[Point]) -> Markup:
        path = area(points, floor=floor, end=axis.end)
        return element("path", class_=f"s-{kind} layer", d=path)

    both = [(float(one.index), y(one.used + one.offered)) for one in shown]
    used = [(float(one.index), y(one.used)) for one in shown]
    total = [(float(one.index), y(one.total)) for one in shown]
    edge = f"{steps(total)}H{axis.end:.0f}" if total else ""
    terms = "".join(f"M{index} 0V{floor:.0f}" for index, _ in accounts.terms)
    picture = element(
        "g",
        layer("free", total),
        layer("offered", both),
        layer("used", used),
        element("path", class_="s-total line", d=edge),
        element("path", class_="term-edge", d=terms),
    )
    overlays = _unreachable(known, axis, top)
    if not place:
        overlays += _terms(accounts, axis)
    return Panel(
        id=f"agent-{place}",
        title=name,
        axis=axis,
        height=floor + 6,
        picture=picture,
        rows=[Label(at=top + HEIGHT / 2, text=name)],
        scale=[
            Label(at=top + 5, text=f"{most / 1000:g}"),
            Label(at=floor - 5, text="0"),
        ],
        overlays=overlays,
        series=[
            Series(name="used", label="used"),
            Series(name="offered", label="offered"),
            Series(name="free", label="free"),
        ],
        has_labels=is_last,
        has_title=not place,
        tip="accounts",
    )


def _thinned(known: list[Account], axis: Axis) -> list[Account]:
    """Keeping the extremes of what is used and what is held at all."""
    if len(known) <= 4 * BUCKETS:
        return known
    width = axis.span / BUCKETS
    buckets: dict[int, list[Account]] = {}
    for one in known:
        buckets.setdefault(int((one.index - axis.begin) / width), []).append(one)
    found: list[Account] = []
    for bucket in buckets.values():
        kept = {
            one.index: one
            for one in (
                bucket[0],
                min(bucket, key=lambda one: one.used + one.offered),
                max(bucket, key=lambda one: one.used + one.offered),
                bucket[-1],
            )
        }
        found += [kept[index] for index in sorted(kept)]
    return found


def _unreachable(known: list[Account], axis: Axis, top: float) -> list[Overlay]:
    found = []
    since: int | None = None
    for one in [*known, None]:
        if one is not None and not one.is_reachable and since is None:
            since = one.index
        elif since is not None and (one is None or one.is_reachable):
            end = axis.end if one is None else float(one.index)
            found.append(
                Overlay(
                    begin=float(since),
                    end=end,
                    top=top,
                    height=HEIGHT,
                    kind="unreachable",
                    title=f"unreachable from entry {since} to {end:.0f}",
                )
            )
            since = None
    return found


def _terms(accounts: Accounts, axis: Axis) -> list[Overlay]:
    """A label for each term that has room for it."""
    found = []
    ends = [float(index) for index, _ in accounts.terms[1:]] + [axis.end]
    free = axis.begin
    for (index, term), end in zip(accounts.terms, ends, strict=True):
        words = f"term {term}"
        if index < free:
            continue
        free = index + len(words) * axis.span * TERM_LETTER
        found.append(
            Overlay(
                begin=float(index),
                end=end,
                top=0,
                height=TERMS - 4,
                kind="term",
                text=words,
                title=f"{words} from entry {index}",
                spills=True,
            )
        )
    return found
