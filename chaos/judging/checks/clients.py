"""Checks of what workloads found out themselves, and of their registers and futures."""

from __future__ import annotations

from collections import defaultdict

from chaos.checkers.linearizable import Timed, check_linearizable
from chaos.checkers.registers import Register, register_histories
from chaos.history.records import Happening, OpType
from chaos.judging.check import NotJudgedError, Seen, check
from chaos.judging.evidence import Evidence
from chaos.judging.judgement import Problem
from chaos.results import Verdict

REGISTRY = "registry"
FUTURES = "futures"
_ENDED_BY_US = ("failed over",)
"""An instance that another one of its framework took over from."""


@check("clients see nothing impossible", "P1", "I8", "I13", "I15")
def nothing_impossible(evidence: Evidence) -> Seen:
    """Workloads know what they may be told; what cannot be they say in words."""
    told = [one for one in evidence.happenings if one.what == "impossible"]
    problems = [_of(one, str(one.value["why"])) for one in told]
    problems += [
        _of(one, f"the workload crashed: {one.value['message']}")
        for one in evidence.happenings
        if one.what == "crashed"
    ]
    return Seen.of(len(evidence.happenings), problems)


@check("I9 registrations are not lost", "P1", "I9")
def registered(evidence: Evidence) -> Seen:
    """No framework is ended for good by the cluster, and none is given another id."""
    problems: list[Problem] = []
    checked = 0
    owners: dict[str, str] = {}
    for one in evidence.happenings:
        if one.what == "error" and (one.value or {}).get("final"):
            words = str(one.value.get("message", ""))
            if not any(text in words for text in _ENDED_BY_US):
                problems.append(_of(one, f"was ended for good: {words}"))
        if one.what not in ("subscribed", "resubscribed"):
            continue
        checked += 1
        name = str(one.value["framework_id"])
        owner = owners.setdefault(name, one.process)
        if owner != one.process:
            problems.append(_of(one, f"was given the id {name} of {owner}"))
    return Seen.of(checked, problems)


@check("I17 registers are linearizable", "P1", "I17")
def linearizable_registers(evidence: Evidence) -> Seen:
    """What operators set and read, each register for itself."""
    if REGISTRY not in evidence.kinds.values():
        raise NotJudgedError("no workload of this run has registers")
    histories = register_histories(
        one
        for one in evidence.operations
        if evidence.kinds.get(one.workload) == REGISTRY
    )
    found = check_linearizable(histories, Register())
    if found.verdict is Verdict.INVALID:
        return Seen.of(
            found.judged,
            [_unplaced(key, stuck, words) for key, stuck, words in found.problems],
        )
    lacking = [f"{key}: {words}" for key, _, words in found.problems]
    return Seen.of(found.judged, (), lacking)


def _unplaced(key: str, stuck: Timed | None, words: str) -> Problem:
    return Problem(
        text=f"{key}: {words} of what others saw",
        at_ns=stuck.began_ns if stuck is not None else None,
        node=stuck.name.partition(" ")[0] if stuck is not None else "",
    )


@check("I19 every future ends once, and right", "I7", "I19")
def futures_resolved(evidence: Evidence) -> Seen:
    """Those of calls whose process lived on. What they ended with was judged by who
    knows the function; a wrong value is told of as impossible."""
    if FUTURES not in evidence.kinds.values():
        raise NotJudgedError("no workload of this run has futures")
    lives: dict[str, list[int]] = defaultdict(list)
    ended: dict[str, int] = {}
    problems: list[Problem] = []
    for one in evidence.happenings:
        if evidence.kinds.get(one.process) != FUTURES:
            continue
        if one.what == "began":
            lives[one.process].append(one.at_ns)
        elif one.what == "settled":
            ended[one.process] = one.at_ns
        elif one.what == "impossible":
            problems.append(_of(one, str(one.value["why"])))
    checked = 0
    for operation in evidence.operations:
        if operation.f != "submit":
            continue
        settled_ns = ended.get(operation.workload)
        died = any(at_ns > operation.began_ns for at_ns in lives[operation.workload])
        checked += operation.type is not OpType.INFO
        if operation.ended_ns is not None or died or settled_ns is None:
            continue
        if operation.began_ns < settled_ns:
            problems.append(
                Problem(
                    text=f"the future of {operation.value} never ended",
                    at_ns=operation.began_ns,
                    node=operation.process,
                )
            )
    return Seen.of(checked, problems)


def _of(one: Happening, text: str) -> Problem:
    return Problem(text=f"{one.process}: {text}", at_ns=one.at_ns, node=one.process)


CHECKS = (nothing_impossible, registered, linearizable_registers, futures_resolved)
