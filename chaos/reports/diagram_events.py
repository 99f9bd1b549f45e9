"""What happened around a moment, in order, and between whom."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterator

import attrs

from chaos.history.queries import Operation, workload_of
from chaos.history.records import OpType
from chaos.judging.judgement import Problem
from chaos.reports.material import MS, Material
from raftleader.errors import InvalidInputError
from raftleader.state.commands import decode_entry

AROUND_NS = 400 * MS
LONG, LONG_OWN = 60, 110
OWN = 5
"""Weight of what the problem is about."""
OWN_MAX = 8
"""Operations of the process that it is about, which are told however far away."""


class Kind(enum.Enum):
    """How an event is drawn."""

    CALL = "call"
    ANSWER = "answer"
    FAILURE = "failure"
    DOUBT = "doubt"
    APPLY = "apply"
    ROLE = "role"
    FAULT = "fault"
    LIFE = "life"
    TOLD = "told"
    PROBLEM = "problem"


OF_CLIENTS = (Kind.CALL, Kind.ANSWER, Kind.FAILURE, Kind.DOUBT, Kind.TOLD)


@attrs.frozen(kw_only=True)
class Event:
    """On a lane, or from one to another.

    Attributes:
        weight: What is kept if there are too many.
        indexes: Of entries that are applied, the first and the last.
        alike: Neighbours of which this is equal are one, of ``count``.
    """

    at_ns: int
    kind: Kind
    lane: str
    text: str
    to: str = ""
    weight: int = 0
    indexes: tuple[int, int] | None = None
    alike: str = ""
    count: int = 1

    @property
    def is_own(self) -> bool:
        """It is of the very process or entry that the problem is about."""
        return self.weight >= OWN


def lane_of(process: str) -> str:
    """All lives of a workload are one lane."""
    return workload_of(process)


def events_around(material: Material, problem: Problem) -> list[Event]:
    """All of the time around ``problem``, in order; and how that began which it is
    about, if that was earlier."""
    at_ns = problem.at_ns or 0
    began_ns, ended_ns = at_ns - AROUND_NS, at_ns + AROUND_NS
    events = [
        *_calls(material, problem, began_ns, ended_ns),
        *_applied(material, problem, began_ns, ended_ns),
        *_roles(material, began_ns, ended_ns),
        *_faults(material, began_ns, ended_ns),
        *_lives(material, began_ns, ended_ns),
        *_told(material, began_ns, ended_ns),
    ]
    return sorted(events, key=lambda event: (event.at_ns, event.lane))


def _calls(
    material: Material, problem: Problem, began_ns: int, ended_ns: int
) -> Iterator[Event]:
    kinds = {
        OpType.OK: Kind.ANSWER,
        OpType.FAIL: Kind.FAILURE,
        OpType.INFO: Kind.DOUBT,
    }
    around: list[tuple[Operation, int]] = []
    for one in material.operations:
        last_ns = one.ended_ns if one.ended_ns is not None else material.ended_ns
        if one.began_ns <= ended_ns and last_ns >= began_ns:
            around.append((one, last_ns))
    around.sort(key=lambda pair: abs(pair[1] - (problem.at_ns or 0)))
    own = [one for one, _ in around if one.process == problem.node][:OWN_MAX]
    own_ids = {one.id for one in own}
    for one, last_ns in around:
        is_own = one.process == problem.node and one.id in own_ids
        weight = OWN if is_own else int(not one.is_ok)
        node = material.node_of(one.node) if one.node else ""
        about = f"{one.f} {one.key}".strip()
        # How it began is told of what the problem is about, however long ago.
        if began_ns <= one.began_ns or (is_own and last_ns <= ended_ns):
            yield Event(
                at_ns=one.began_ns,
                kind=Kind.CALL,
                lane=one.workload,
                to=node,
                text=about,
                weight=weight,
                alike="" if is_own else one.f,
            )
        if one.ended_ns is not None and one.ended_ns <= ended_ns:
            word = one.error or one.type.value
            yield Event(
                at_ns=one.ended_ns,
                kind=kinds[one.type],
                lane=one.workload,
                to=node,
                text=short(f"{about}: {word}", LONG_OWN if is_own else LONG),
                weight=weight,
                alike="" if is_own else f"{one.f}: {word}",
            )


def _applied(
    material: Material, problem: Problem, began_ns: int, ended_ns: int
) -> Iterator[Event]:
    wanted = problem.index
    for entry in material.stream.entries:
        is_wanted = entry.index == wanted
        if not is_wanted and not began_ns <= entry.at_ns <= ended_ns:
            continue
        text = f"applies {entry.index}"
        if is_wanted:
            text += f": {commands_of(entry.data)} (term {entry.term})"
        yield Event(
            at_ns=entry.at_ns,
            kind=Kind.APPLY,
            lane=entry.node,
            text=text,
            weight=OWN if is_wanted else 0,
            indexes=None if is_wanted else (entry.index, entry.index),
        )


def commands_of(data: bytes) -> str:
    """The commands of an entry, by name."""
    try:
        entry = decode_entry(data)
    except InvalidInputError:
        return "no entry of ours"
    names = Counter(type(command).__name__ for command in entry.commands)
    return short(
        ", ".join(
            f"{count} {name}" if count > 1 else name for name, count in names.items()
        )
    )


def _roles(material: Material, began_ns: int, ended_ns: int) -> Iterator[Event]:
    for life in material.stream.lives:
        for role in life.roles:
            if not began_ns <= role.at_ns <= ended_ns:
                continue
            if role.leading:
                text = f"leads term {role.term}"
            elif role.leader:
                text = f"follows {material.node_of(role.leader)} (term {role.term})"
            else:
                text = f"knows no leader (term {role.term})"
            yield Event(
                at_ns=role.at_ns, kind=Kind.ROLE, lane=life.node, text=text, weight=3
            )


def _faults(material: Material, began_ns: int, ended_ns: int) -> Iterator[Event]:
    for fault in material.faults:
        for at_ns, word in ((fault.began_ns, "begins"), (fault.ended_ns, "ends")):
            if at_ns is None or not began_ns <= at_ns <= ended_ns:
                continue
            for target in fault.targets or ("",):
                yield Event(
                    at_ns=at_ns,
                    kind=Kind.FAULT,
                    lane=target,
                    text=f"{fault.name} {word}",
                    weight=3,
                )


def _lives(material: Material, began_ns: int, ended_ns: int) -> Iterator[Event]:
    for event in material.events:
        if began_ns <= event.at_ns <= ended_ns:
            detail = f" ({event.detail})" if event.detail else ""
            yield Event(
                at_ns=event.at_ns,
                kind=Kind.LIFE,
                lane=event.node,
                text=short(f"{event.what}{detail}"),
                weight=3,
            )


_TOLD = ("subscribed", "resubscribed", "disconnected", "error")


def _told(material: Material, began_ns: int, ended_ns: int) -> Iterator[Event]:
    for one in material.happenings:
        if began_ns <= one.at_ns <= ended_ns and one.what in _TOLD:
            yield Event(
                at_ns=one.at_ns,
                kind=Kind.TOLD,
                lane=lane_of(one.process),
                text=one.what,
                weight=1,
            )


def short(text: str, most: int = LONG) -> str:
    """Cut off, if it is long."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
