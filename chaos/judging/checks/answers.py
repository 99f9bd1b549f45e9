"""Checks of what clients were answered, against the log: it is there, it was there when
it was answered, and the log has it in the order in which the clients did it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import attrs

from chaos.checkers.real_time_order import Placed, out_of_order
from chaos.history.queries import Operation
from chaos.history.records import OpType
from chaos.judging.check import Seen, check
from chaos.judging.evidence import Evidence
from chaos.judging.judgement import Problem
from chaos.judging.log_facts import LogFacts
from raftleader.protocol.ids import OfferId, TaskId

MILLIS = 1000


@attrs.define
class Deed:
    """One thing that a client wanted, through all its attempts.

    Attributes:
        index: Of the first entry that says so; None: it is in no entry.
        answered: Attempts that were answered well.
    """

    name: str
    index: int | None
    attempts: list[Operation] = attrs.field(factory=list)

    @property
    def answered(self) -> list[Operation]:
        return [one for one in self.attempts if one.is_ok]

    @property
    def began_ns(self) -> int:
        return min(one.began_ns for one in self.attempts)


def deeds(evidence: Evidence) -> dict[Hashable, Deed]:
    """Operations whose entry can be told by what they said, by that."""
    facts = evidence.facts
    found: dict[Hashable, Deed] = {}
    for operation in evidence.operations:
        if operation.workload not in evidence.kinds and not _is_told(operation):
            continue
        for key, name, index in _deeds_of(operation, facts):
            found.setdefault(key, Deed(name, index)).attempts.append(operation)
    return found


def _is_told(operation: Operation) -> bool:
    """Whether an operation of somebody else than our workloads, who may call anything
    by these names, says what it is about as they do."""
    match operation.f, operation.value:
        case "accept", {"tasks": list() as tasks}:
            return all(isinstance(one, dict) and "task_id" in one for one in tasks)
        case "decline", {"offer_ids": list()}:
            return True
        case "kill", {"task_id": str()}:
            return True
        case _:
            return False


def _deeds_of(
    operation: Operation, facts: LogFacts
) -> Iterator[tuple[Hashable, str, int | None]]:
    value = operation.value
    match operation.f:
        case "accept":
            for task in value["tasks"]:
                task_id = TaskId(task["task_id"])
                entries = facts.launches.get(task_id)
                index = entries[0][0] if entries else None
                yield ("launch", task_id), f"the launch of {task_id}", index
        case "decline":
            for offer_id in value["offer_ids"]:
                known = facts.answered_offers.get(OfferId(offer_id))
                key = ("decline", offer_id, operation.process, operation.id)
                yield key, f"the decline of {offer_id}", known
        case "acknowledge":
            uuid = bytes.fromhex(value["uuid"])
            words = f"the acknowledgement of {value['uuid'][:8]} of {value['task_id']}"
            yield ("acknowledge", uuid), words, facts.acknowledged.get(uuid)
        case "kill":
            task_id = TaskId(value["task_id"])
            words = f"the kill of {task_id}"
            yield ("kill", task_id), words, facts.kills.get(task_id)
        case "write":
            at = (operation.key, int(value) * MILLIS)
            index = facts.quotas.get(at) or facts.weights.get(at)
            yield ("write", *at), f"{operation.key} = {value}", index
        case _:
            return


@check("P1 answered means in the log", "P1", "I3", "I9")
def answered_logged(evidence: Evidence) -> Seen:
    """Everything that was answered well is in the log that all nodes agree on, was
    applied before the answer came, and not before it was asked."""
    facts = evidence.facts
    problems: list[Problem] = []
    checked = 0
    for deed in deeds(evidence).values():
        answered = deed.answered
        checked += len(answered)
        if not answered:
            continue
        first = min(answered, key=_end_ns)
        if deed.index is None:
            problems.append(_of(first, f"{deed.name} was answered and is in no log"))
            continue
        at_ns = facts.at_ns[deed.index]
        if at_ns > _end_ns(first):
            late_ms = (at_ns - _end_ns(first)) / 1e6
            text = f"{deed.name} was answered {late_ms:.3f} ms before it was applied"
            problems.append(_of(first, text, deed.index))
        if at_ns < deed.began_ns and not deed.name.startswith("the decline"):
            text = f"{deed.name} was applied before anybody asked for it"
            problems.append(_of(first, text, deed.index))
    return Seen.of(checked, problems)


@check("operations are in the order of real time", "P1", "I3", "I17")
def real_time_order(evidence: Evidence) -> Seen:
    """What was answered before something else was asked has a smaller index."""
    placed = [
        Placed(
            name=deed.name,
            began_ns=deed.began_ns,
            ended_ns=min((_end_ns(one) for one in deed.answered), default=None),
            index=deed.index,
        )
        for key, deed in deeds(evidence).items()
        if deed.index is not None and not deed.name.startswith("the decline")
    ]
    problems = [
        Problem(
            text=(
                f"{after.name} is entry {after.index}; it was asked for when"
                f" {before.name}, entry {before.index}, had been answered"
            ),
            at_ns=after.began_ns,
            index=after.index,
        )
        for before, after in out_of_order(placed)
    ]
    return Seen.of(len(placed), problems)


@check("I19 what failed did not happen, what is in doubt happens once", "P3", "I19")
def doubts_resolved(evidence: Evidence) -> Seen:
    """A call that was refused for certain is not in the log; one that was repeated
    after a lost answer has had its effect once."""
    facts = evidence.facts
    problems: list[Problem] = []
    checked = 0
    known = deeds(evidence)
    for key, deed in known.items():
        checked += 1
        has_failed = all(one.type is OpType.FAIL for one in deed.attempts)
        if has_failed and key in facts.done:
            first = deed.attempts[0]
            text = f"{deed.name} failed for certain, and is in the log"
            problems.append(_of(first, f"{text}: {first.error}", deed.index))
    for task_id, entries in facts.launches.items():
        if ("launch", task_id) not in known:
            continue  # of a library that counts the tasks of each of its frameworks
        frameworks = {framework_id for _, framework_id in entries}
        rows = [one for one in frameworks if (one, task_id) in facts.states]
        if len(rows) > 1:
            text = f"task {task_id} was launched by {', '.join(sorted(rows))}"
            problems.append(Problem(text=text, index=entries[-1][0]))
    return Seen.of(checked, problems)


def _end_ns(operation: Operation) -> int:
    assert operation.ended_ns is not None, "it was answered"
    return operation.ended_ns


def _of(operation: Operation, text: str, index: int | None = None) -> Problem:
    return Problem(
        text=f"{text} ({operation.process})",
        at_ns=operation.ended_ns or operation.began_ns,
        node=operation.process,
        index=index,
    )


CHECKS = (answered_logged, real_time_order, doubts_resolved)
