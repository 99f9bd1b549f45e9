"""Whether a run has shown anything: work was done, and faults were made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from chaos.history.queries import Window
from chaos.history.records import FaultPhase
from chaos.judging.check import NotJudgedError, Seen, check
from chaos.judging.evidence import Evidence
from chaos.live.faults import Fault
from chaos.workloads.catalog import KINDS

SECOND_NS = 1_000_000_000
_UNSEAT = frozenset({Fault.KILL.value, Fault.KILL_ALL.value})
"""After these, aimed at who leads, somebody else leads."""


@check("enough was seen")
def enough_seen(evidence: Evidence) -> Seen:
    """Each workload reached its rate, each of its operations went well at least once;
    faults that were on were made, and one of them changed the leader.

    Never invalid: too little is *unknown*. What a test with a cluster has to show is
    its own business."""
    if "test" in evidence.run:
        raise NotJudgedError("a test says itself what is enough")
    window = fault_time(evidence)
    lacking = [
        *_too_little_work(evidence, window),
        *_too_few_faults(evidence),
        *_too_few_changes(evidence),
    ]
    return Seen.of(len(evidence.operations), (), lacking)


def fault_time(evidence: Evidence) -> Window:
    """From the first fault until they end; without such a phase the whole run."""
    whole = Window(name="run", began_ns=evidence.began_ns, ended_ns=evidence.ended_ns)
    return evidence.phases.get("faults", whole)


def seconds_of(window: Window) -> float:
    """How long it was; its end is known."""
    assert window.ended_ns is not None
    return (window.ended_ns - window.began_ns) / SECOND_NS


def _too_little_work(evidence: Evidence, window: Window) -> Iterator[str]:
    seconds = seconds_of(window)
    in_time: Counter[str] = Counter()
    went_well: dict[str, set[str]] = {}
    for one in evidence.operations:
        if not one.is_ok or one.ended_ns is None:
            continue
        went_well.setdefault(one.workload, set()).add(one.f)
        if window.covers(one.ended_ns):
            in_time[one.workload] += 1
    if not evidence.kinds:
        yield "no workload began"
    for name, kind_name in sorted(evidence.kinds.items()):
        kind = KINDS.get(kind_name)
        if kind is None:
            yield f"{name} is of the kind {kind_name}, which nobody knows"
            continue
        rate = in_time[name] / seconds if seconds > 0 else 0.0
        if rate < kind.ok_per_s_min:
            yield (
                f"{name}: {rate:.2f} operations went well per second,"
                f" {kind.ok_per_s_min:g} are the least"
            )
        for f in sorted(kind.ok_needed - went_well.get(name, set())):
            yield f"{name}: no {f} went well"


def _too_few_faults(evidence: Evidence) -> Iterator[str]:
    """Classes of the schedule must have been made, or it is said why not."""
    known = Counter(
        one.fault
        for one in evidence.fault_records
        if one.phase in (FaultPhase.INJECT, FaultPhase.IMPOSSIBLE)
    )
    scheduled = {one["fault"] for one in evidence.run.get("schedule", [])}
    left_out = {one["fault"] for one in evidence.run.get("left_out", [])}
    for fault in sorted(scheduled - left_out - set(known)):
        yield f"{fault} was on, and was not made"
    if scheduled and not any(
        one.phase is FaultPhase.INJECT for one in evidence.fault_records
    ):
        yield "no fault was made"


def _too_few_changes(evidence: Evidence) -> Iterator[str]:
    leaders = set(evidence.nodes_of("leader"))
    kills = [
        one
        for one in evidence.faults
        if one.name in _UNSEAT and leaders & set(one.targets)
    ]
    if not kills or len(leaders) < 2:
        return
    led = evidence.facts.leaders
    terms = [term for term, (_, index) in led.items()]
    if len(terms) < 2:
        yield f"leader nodes were killed {len(kills)} times, and one led all the time"


CHECKS = (enough_seen,)
