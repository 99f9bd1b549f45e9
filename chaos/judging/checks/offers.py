"""Checks of offers: what frameworks were told of them is what the log says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import attrs

from chaos.checkers.offers_known import offers_known
from chaos.history.records import Happening
from chaos.judging.check import Seen, check
from chaos.judging.evidence import Evidence
from chaos.judging.judgement import Problem
from raftleader.protocol.ids import FrameworkId, OfferId

SECOND_NS = 1_000_000_000
NEWS_NS = 8 * SECOND_NS
"""What the log has for so long, whoever is connected has been told at the end: a
stream is repaired within a few heartbeats."""


@attrs.define
class _Hands:
    """Of one framework: what it holds, as far as it was told."""

    held: dict[str, None] = attrs.field(factory=dict)
    instance: int = 0
    framework_id: str = ""
    is_connected: bool = False


@check("P2 frameworks hold their offers", "P2", "I5", "I18")
def offers_held(evidence: Evidence) -> Seen:
    """Every offer that is told of is in the log, for that framework, and made before;
    in the end those of a connected framework are those it holds."""
    facts = evidence.facts
    problems: list[Problem] = []
    checked = 0
    for one in evidence.happenings:
        if one.what != "offer":
            continue
        checked += 1
        known = facts.offers.get(OfferId(one.value["id"]))
        owner = evidence.framework_id_at(one.process, one.at_ns)
        if known is None:
            problems.append(_told(one, f"offer {one.value['id']} is in no log"))
        elif known.agent_id != one.value["agent_id"]:
            text = f"offer {one.value['id']} is of {known.agent_id}"
            problems.append(_told(one, text, known.made))
        elif owner is not None and known.framework_id not in _ids(evidence, one):
            text = f"offer {one.value['id']} is for {known.framework_id}"
            problems.append(_told(one, text, known.made))
        elif facts.at_ns[known.made] > one.at_ns:
            text = f"offer {one.value['id']} was told of before it was made"
            problems.append(_told(one, text, known.made))
    problems += _differences(evidence)
    return Seen.of(checked, problems)


def _ids(evidence: Evidence, one: Happening) -> set[str]:
    """Its own, at any time: it may note late that it is another framework now."""
    return {name for _, name in evidence.framework_ids.get(one.process, ())}


def _differences(evidence: Evidence) -> Iterator[Problem]:
    """When the run comes to its end, and the workloads are still there."""
    facts, end = evidence.facts, evidence.phases.get("end")
    ended_ns = end.began_ns if end is not None else evidence.ended_ns
    in_log: dict[str, set[str]] = defaultdict(set)
    tried = _tried(evidence)
    moving: set[str] = set()
    for offer_id, offer in facts.offers.items():
        changed = max(offer.made, offer.ended or 0)
        if facts.at_ns[changed] > ended_ns - NEWS_NS:
            moving.add(offer_id)
        elif offer.ended is None and offer_id not in tried:
            in_log[offer.framework_id].add(offer_id)
    held: dict[str, set[str]] = {}
    for hands in _hands(evidence, ended_ns, tried).values():
        if hands.is_connected:
            mine = held.setdefault(hands.framework_id, set())
            mine.update(set(hands.held) - moving)
    for text in offers_known(held=held, in_log=in_log).problems:
        yield Problem(text=text, at_ns=ended_ns)


def _hands(evidence: Evidence, until_ns: int, tried: set[str]) -> dict[str, _Hands]:
    """Of each workload, at that time, but for offers that it tried to use."""
    found: dict[str, _Hands] = {}
    for one in evidence.happenings:
        if one.at_ns > until_ns:
            break
        hands = found.setdefault(one.process, _Hands())
        value = one.value or {}
        match one.what:
            case "began":
                found[one.process] = _Hands()
            case "subscribed" | "resubscribed":
                if value["instance"] != hands.instance:
                    hands.held = {}
                hands.instance = value["instance"]
                hands.framework_id = value["framework_id"]
                # Who does not tell of offers holds them unseen.
                hands.is_connected = value.get("leader") is not None
            case "disconnected" | "ended" | "error":
                if value.get("instance", hands.instance) == hands.instance:
                    hands.is_connected = False
            case "offer" if value["instance"] == hands.instance:
                if value["id"] not in tried:
                    hands.held[value["id"]] = None
            case "rescinded" if value["instance"] == hands.instance:
                hands.held.pop(value["id"], None)
            case _:
                pass
    return found


def _tried(evidence: Evidence) -> set[str]:
    """Offers that somebody tried to use or to give back. Even if that failed for
    certain, it has a reason to think that they are gone."""
    return {
        offer_id
        for one in evidence.operations
        if one.f in ("accept", "decline")
        for offer_id in one.value["offer_ids"]
    }


@check("I10 events come on the newest subscription only", "I10")
def bound_to_subscription(evidence: Evidence) -> Seen:
    """What the log has after a framework subscribed anew is not told on a stream that
    was open before."""
    facts = evidence.facts
    opened: dict[tuple[str, int], tuple[int, FrameworkId]] = {}
    problems: list[Problem] = []
    checked = 0
    for one in evidence.happenings:
        if one.what == "began":
            opened = {key: at for key, at in opened.items() if key[0] != one.process}
        elif one.what in ("subscribed", "resubscribed"):
            name = FrameworkId(one.value["framework_id"])
            opened[one.process, one.value["instance"]] = one.at_ns, name
        index = _index_of(evidence, one)
        if index is None or (one.process, one.value["instance"]) not in opened:
            continue
        checked += 1
        since_ns, framework_id = opened[one.process, one.value["instance"]]
        for entry, _ in reversed(facts.subscriptions.get(framework_id, ())):
            if facts.at_ns[entry] <= since_ns:
                break
            if entry < index:
                text = (
                    f"instance {one.value['instance']} was told of entry {index}, after"
                    f" a newer subscription with entry {entry}"
                )
                problems.append(_told(one, text, index))
                break
    return Seen.of(checked, problems)


def _index_of(evidence: Evidence, one: Happening) -> int | None:
    """Of the entry behind an event."""
    if one.what == "offer":
        offer = evidence.facts.offers.get(OfferId(one.value["id"]))
        return offer.made if offer is not None else None
    if one.what == "update" and one.value["uuid"]:
        update = evidence.facts.updates.get(bytes.fromhex(one.value["uuid"]))
        return update.index if update is not None else None
    return None


def _told(one: Happening, text: str, index: int | None = None) -> Problem:
    words = f"{one.process} was told of an offer: {text}" if one.what == "offer" else ""
    return Problem(
        text=words or f"{one.process}: {text}",
        at_ns=one.at_ns,
        node=one.process,
        index=index,
    )


CHECKS = (offers_held, bound_to_subscription)
