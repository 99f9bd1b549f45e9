"""Checks of the log itself: one for all nodes, written by one leader a term, and every
state that it gives as it must be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from chaos.checkers.accepts_once import AcceptsOnce
from chaos.checkers.deadlines_durable import DeadlinesDurable
from chaos.checkers.deposed_harmless import DeposedHarmless
from chaos.checkers.equal_digests import EqualDigests
from chaos.checkers.no_resource_twice import NoResourceTwice
from chaos.checkers.offers_accounted import OffersAccounted
from chaos.checkers.one_leader import OneLeader
from chaos.checkers.quota_kept import QuotaKept
from chaos.history.records import NodeSample
from chaos.judging.check import Check, NotJudgedError, Seen, check
from chaos.judging.evidence import DISK_LOSSES, Evidence
from chaos.judging.judgement import Problem
from chaos.judging.replay import Replay
from chaos.judging.streams import Life, wrong_order
from chaos.live.faults import Fault

LEADER = "leader"
_STRANGE = frozenset({Fault.DUPLICATE_ID.value, Fault.WRONG_CONFIG.value})
"""Then two processes stood under one name."""


@check("I1 all nodes apply one log", "P1", "I1", "I3")
def one_log(evidence: Evidence) -> Seen:
    """Prefix-equal: same entry at an index, none skipped, over all lives and installed
    snapshots."""
    stream = evidence.stream
    return Seen.of(stream.compared, [*stream.differences, *wrong_order(stream)])


@check(EqualDigests.name, "P9", "I1")
def equal_digests(evidence: Evidence) -> Seen:
    """Those that nodes wrote down, and those of their last status pages, are those of
    the replayed log."""
    found = evidence.replay
    problems = found.of(EqualDigests.name)
    compared = found.digests
    for name, index in evidence.final_indexes().items():
        told = evidence.final(name).get("digest")
        look = found.looks.get(index)
        if not told or look is None:
            continue
        compared += 1
        if told != look.digest.hex():
            problems.append(
                Problem(
                    text=(
                        f"at index {index} {name} says that its digest is {told}; the"
                        f" log gives {look.digest.hex()}"
                    ),
                    at_ns=evidence.ended_ns,
                    node=name,
                    index=index,
                )
            )
    return Seen.of(compared, problems)


@check("I2 one leader a term", "P8", "I2")
def one_leader(evidence: Evidence) -> Seen:
    """From what nodes wrote down, what was seen of them, and what stands in the log."""
    judge = OneLeader()
    problems: list[Problem] = []
    claims = [
        (role.at_ns, life.node, role.term)
        for life in evidence.stream.lives
        for role in life.roles
        if role.leading
    ]
    claims += [
        (one.at_ns, one.node, one.term)
        for one in evidence.samples
        if one.role == LEADER and one.term
    ]
    claims += [
        (evidence.facts.at_ns[index], node, term)
        for term, (node, index) in evidence.facts.leaders.items()
    ]
    told: set[str] = set()
    for at_ns, node, term in sorted(claims):
        for text in judge.leads(node, term):
            if text not in told:
                told.add(text)
                problems.append(Problem(text=text, at_ns=at_ns, node=node))
    return Seen.of(len(judge.leaders), problems)


@check("I2 terms and indexes never go back", "P8", "I2")
def never_back(evidence: Evidence) -> Seen:
    """On a node: in a life, and from what it led to its next life."""
    problems: list[Problem] = []
    checked = 0
    for lives in evidence.stream.lives_of().values():
        for life in lives:
            checked += len(life.roles)
            problems += _within(life)
        problems += _between(evidence, lives)
    by_node: dict[str, list[NodeSample]] = defaultdict(list)
    for sample in evidence.samples:
        by_node[sample.node].append(sample)
    for node, samples in by_node.items():
        checked += len(samples)
        problems += _sampled(evidence, node, samples)
    return Seen.of(checked, problems)


def _within(life: Life) -> Iterator[Problem]:
    for before, after in pairwise([one for one in life.roles if one.term]):
        if after.term < before.term:
            yield Problem(
                text=f"{life.name} is in term {after.term} after {before.term}",
                at_ns=after.at_ns,
                node=life.node,
            )


def _between(evidence: Evidence, lives: list[Life]) -> Iterator[Problem]:
    """A term that a node led was on its disk: it may not be in a lower one later."""
    led = 0
    for before, life in pairwise(lives):
        led = max([led, *(one.term for one in before.roles if one.leading)])
        if _has_lost(evidence, life.node, before.began_ns, life.ended_ns):
            led = 0
        known = [one for one in life.roles if one.term]
        if known and known[0].term < led:
            yield Problem(
                text=f"{life.name} begins in term {known[0].term}, and led {led}",
                at_ns=known[0].at_ns,
                node=life.node,
            )


def _has_lost(evidence: Evidence, node: str, since_ns: int, until_ns: int) -> bool:
    return any(
        (one.name in DISK_LOSSES or one.name in _STRANGE)
        and (not one.targets or node in one.targets)
        and one.began_ns <= until_ns
        and (one.ended_ns is None or one.ended_ns >= since_ns)
        for one in evidence.faults
    )


def _sampled(
    evidence: Evidence, node: str, samples: list[NodeSample]
) -> Iterator[Problem]:
    starts = [one.began_ns for one in evidence.stream.lives if one.node == node]
    seen = [one for one in samples if one.is_up]
    for before, after in pairwise(seen):
        if any(before.at_ns <= at_ns <= after.at_ns for at_ns in starts):
            continue
        for what in ("term", "commit_index", "applied_index"):
            was, now = getattr(before, what), getattr(after, what)
            if now < was and not _has_lost(evidence, node, before.at_ns, after.at_ns):
                words = what.replace("_", " ")
                yield Problem(
                    text=f"the {words} of {node} goes back from {was} to {now}",
                    at_ns=after.at_ns,
                    node=node,
                )


def _of_replay(name: str, *promises: str, counted: str = "") -> Check:
    """What a checker of the log found. ``counted``: how many it judged, as an
    attribute of the judge; without, every entry."""

    def look(evidence: Evidence) -> Seen:
        found = evidence.replay
        return Seen.of(_counted(found, counted), found.of(name))

    return Check(name=name, promises=promises, look=look)


def _counted(found: Replay, path: str) -> int:
    if not path:
        return found.entries
    value: object = found.judge
    for part in path.split("."):
        value = getattr(value, part)
    assert isinstance(value, int)
    return value


offers_accounted = _of_replay(OffersAccounted.name, "P2", "I5", counted="offers.seen")
accepts_once = _of_replay(AcceptsOnce.name, "P3", "I5", "I7", counted="accepts.judged")
no_resource_twice = _of_replay(NoResourceTwice.name, "P4", "I4", "I6", "I8", "I12")
deadlines_durable = _of_replay(DeadlinesDurable.name, "P7", "I9")
deposed_harmless = _of_replay(DeposedHarmless.name, "P8", "I11")


@check(QuotaKept.name, "I12")
def quota_kept(evidence: Evidence) -> Seen:
    """Only where quotas were set for roles that somebody is in."""
    found = evidence.replay
    if not found.judge.quota.judged and not found.of(QuotaKept.name):
        raise NotJudgedError("nobody was offered anything under a quota")
    return Seen.of(found.judge.quota.judged, found.of(QuotaKept.name))


CHECKS = (
    one_log,
    equal_digests,
    one_leader,
    never_back,
    offers_accounted,
    accepts_once,
    no_resource_twice,
    deadlines_durable,
    deposed_harmless,
    quota_kept,
)
