"""What was measured of a run: rates, gaps, and how long the cluster took to go on."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TypeVar

import attrs

from chaos.history.queries import FaultWindow, Operation, counts_by, gaps_without_ok
from chaos.history.records import FaultPhase, ProcessEvent
from chaos.judging.checks.enough import fault_time, seconds_of
from chaos.judging.evidence import Evidence
from chaos.judging.judgement import (
    Availability,
    FaultFigures,
    Figures,
    OpFigures,
    Recovery,
)
from chaos.live.atlas import COURSES, Strain
from chaos.live.faults import Fault
from chaos.workloads.catalog import KINDS

SECOND_NS = 1_000_000_000
AFTERMATH_NS = 10 * SECOND_NS
"""A fault is answerable for what happens so long after its end."""
_FAULTS = frozenset(fault.value for fault in Fault)

T = TypeVar("T")
logger = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class Reign:
    """A node begins to lead."""

    at_ns: int
    node: str
    term: int


def figures_of(evidence: Evidence, not_judged: dict[str, str]) -> Figures:
    """All there are; what cannot be measured is left as it is without measuring."""
    return Figures(
        ops=_or(lambda: dict(_ops(evidence)), {}),
        availability=_or(lambda: _availability(evidence), Availability()),
        recovery=_or(lambda: dict(recoveries(evidence)), {}),
        faults=_or(lambda: _faults(evidence), {}),
        entries=_or(lambda: len(evidence.stream.entries), 0),
        records=_or(lambda: len(evidence.records), 0),
        elections=_or(lambda: len({one.term for one in reigns(evidence)}), 0),
        kills=_or(lambda: _kills(evidence), 0),
        snapshots_installed=_or(
            lambda: sum(len(life.restored) for life in evidence.stream.lives), 0
        ),
        offers=_or(lambda: len(evidence.facts.offers), 0),
        launches=_or(lambda: len(evidence.facts.launches), 0),
        duration_s=_or(
            lambda: round((evidence.ended_ns - evidence.began_ns) / SECOND_NS, 3), 0.0
        ),
        not_judged=not_judged,
    )


def _or(measure: Callable[[], T], otherwise: T) -> T:
    try:
        return measure()
    except Exception:
        # The checks say what is wrong with a run that cannot be read.
        logger.debug("a figure could not be had", exc_info=True)
        return otherwise


def reigns(evidence: Evidence) -> list[Reign]:
    """As leader nodes wrote them down, in the order of time."""
    return sorted(
        (
            Reign(at_ns=role.at_ns, node=life.node, term=role.term)
            for life in evidence.stream.lives
            for role in life.roles
            if role.leading
        ),
        key=lambda one: one.at_ns,
    )


def _ops(evidence: Evidence) -> Iterator[tuple[str, OpFigures]]:
    window = fault_time(evidence)
    seconds = seconds_of(window)
    in_time = Counter(
        one.workload
        for one in evidence.operations
        if one.is_ok and one.ended_ns is not None and window.covers(one.ended_ns)
    )
    for (name, _), counts in counts_by(evidence.operations).items():
        kind = evidence.kinds.get(name, "")
        known = KINDS.get(kind)
        yield (
            name,
            OpFigures(
                kind=kind,
                ok=counts.ok,
                fail=counts.fail,
                info=counts.info,
                per_s=round(in_time[name] / seconds, 3) if seconds > 0 else 0.0,
                required_per_s=known.ok_per_s_min if known is not None else 0.0,
            ),
        )


def _availability(evidence: Evidence) -> Availability:
    window = fault_time(evidence)
    ended_ns = window.ended_ns or evidence.ended_ns
    by_workload: dict[str, list[Operation]] = defaultdict(list)
    for one in evidence.operations:
        by_workload[one.workload].append(one)
    by_fault: dict[str, float] = {}
    ok = [one for one in evidence.operations if one.is_ok and one.ended_ns is not None]
    ok.sort(key=lambda one: one.ended_ns or 0)
    ends = [one.ended_ns or 0 for one in ok]
    for fault in evidence.faults:
        until_ns = min((fault.ended_ns or ended_ns) + AFTERMATH_NS, evidence.ended_ns)
        first = bisect_right(ends, fault.began_ns)
        last = bisect_right(ends, until_ns)
        gap_s = _longest_s(ok[first:last], fault.began_ns, until_ns)
        by_fault[fault.name] = max(by_fault.get(fault.name, 0.0), gap_s)
    return Availability(
        longest_gap_s={
            name: _longest_s(some, window.began_ns, ended_ns)
            for name, some in sorted(by_workload.items())
        },
        longest_gap_by_fault_s=dict(sorted(by_fault.items())),
    )


def _longest_s(done: list[Operation], began_ns: int, ended_ns: int) -> float:
    if ended_ns <= began_ns:
        return 0.0
    gaps = gaps_without_ok(done, began_ns=began_ns, ended_ns=ended_ns)
    longest = gaps[0]
    return round(((longest.ended_ns or 0) - longest.began_ns) / SECOND_NS, 3)


def recoveries(evidence: Evidence) -> Iterator[tuple[str, Recovery]]:
    """By class of faults that take nodes away; bad weather is none."""
    offered = _offered(evidence)
    ended = _reigns_ended(evidence)
    for name in sorted({one.name for one in evidence.faults}):
        if _is_weather(name):
            continue
        leader_s: list[float] = []
        commit_s: list[float] = []
        offer_s: list[float] = []
        for fault, lost_ns, reign in ended:
            if fault.name != name:
                continue
            leader_s.append(_seconds(lost_ns, reign.at_ns))
            begun = evidence.facts.leaders.get(reign.term)
            if begun is None:
                continue
            committed_ns = evidence.facts.at_ns[begun[1]]
            commit_s.append(_seconds(lost_ns, committed_ns))
            place = bisect_right(offered, committed_ns)
            until_ns = committed_ns + AFTERMATH_NS
            if place < len(offered) and offered[place] <= until_ns:
                offer_s.append(_seconds(lost_ns, offered[place]))
        yield (
            name,
            Recovery(
                count=sum(one.name == name for one in evidence.faults),
                to_leader_s=tuple(leader_s),
                to_commit_s=tuple(commit_s),
                to_reoffer_s=tuple(offer_s),
            ),
        )


def _is_weather(name: str) -> bool:
    course = COURSES.get(Fault(name)) if name in _FAULTS else None
    return course is not None and course.strain is Strain.WEATHER


def _reigns_ended(evidence: Evidence) -> list[tuple[FaultWindow, int, Reign]]:
    """Faults that ended a reign, since when nobody led, and the next reign. Of those
    that hit who led, while it led, the last before another term began is guilty."""
    found: list[tuple[FaultWindow, int, Reign]] = []
    for before, after in pairwise(reigns(evidence)):
        guilty = [
            fault
            for fault in evidence.faults
            if before.node in fault.targets
            and not _is_weather(fault.name)
            and before.at_ns <= fault.began_ns <= after.at_ns
            and after.at_ns <= (fault.ended_ns or evidence.ended_ns) + AFTERMATH_NS
        ]
        if guilty and after.term > before.term:
            lost_ns = _lost_ns(evidence, guilty[-1], before, after)
            found.append((guilty[-1], lost_ns, after))
    return found


def _lost_ns(
    evidence: Evidence, fault: FaultWindow, before: Reign, after: Reign
) -> int:
    """When the leader was lost: at once, but by what takes its time to be made."""
    course = COURSES.get(Fault(fault.name)) if fault.name in _FAULTS else None
    if course is None or not course.inject_s:
        return fault.began_ns
    ends = [
        role.at_ns
        for life in evidence.stream.lives
        if life.node == before.node
        for role in life.roles
        if not role.leading
    ]
    ends += [
        one.at_ns
        for one in evidence.records
        if isinstance(one, ProcessEvent)
        and one.node == before.node
        and one.what == "died"
    ]
    return min(
        (one for one in ends if fault.began_ns <= one <= after.at_ns),
        default=after.at_ns,  # handed over: nobody was missed
    )


def _offered(evidence: Evidence) -> list[int]:
    """When offers were made."""
    facts = evidence.facts
    return sorted({facts.at_ns[offer.made] for offer in facts.offers.values()})


def _seconds(since_ns: int, at_ns: int) -> float:
    return round((at_ns - since_ns) / SECOND_NS, 3)


def _faults(evidence: Evidence) -> dict[str, FaultFigures]:
    fired = Counter(
        one.fault for one in evidence.fault_records if one.phase is FaultPhase.INJECT
    )
    impossible = Counter(
        one.fault
        for one in evidence.fault_records
        if one.phase is FaultPhase.IMPOSSIBLE
    )
    return {
        name: FaultFigures(fired=fired[name], impossible=impossible[name])
        for name in sorted({*fired, *impossible})
    }


def _kills(evidence: Evidence) -> int:
    end = evidence.phases.get("end")
    until_ns = end.began_ns if end is not None else evidence.ended_ns
    return sum(
        isinstance(one, ProcessEvent) and one.what == "died" and one.at_ns < until_ns
        for one in evidence.records
    )
