"""Checks of tasks: what became of them, and what was told of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from chaos.checkers.launches_once import LaunchesOnce
from chaos.checkers.updates_delivered import UpdatesDelivered
from chaos.history.records import Happening
from chaos.judging.check import NotJudgedError, Seen, check
from chaos.judging.evidence import Evidence
from chaos.judging.judgement import Problem
from chaos.judging.log_facts import LogFacts
from raftleader.protocol.ids import FrameworkId, TaskId, TaskKey
from raftleader.protocol.tasks import Reason, TaskState

SECOND_NS = 1_000_000_000
NEWS_NS = 15 * SECOND_NS
"""A launch reaches its agent within that time, if the agent is there: it is sent again
every five seconds."""
RECONCILED_NS = 30 * SECOND_NS
"""From a question to the answer, at most: links are slow, processes paused."""
RECONCILIATION = Reason.RECONCILIATION.value
_NEED_REASON = frozenset({TaskState.LOST, TaskState.UNREACHABLE, TaskState.GONE})
_LOST_STATES = frozenset(
    one.value
    for one in (
        TaskState.LOST,
        TaskState.UNKNOWN,
        TaskState.GONE,
        TaskState.GONE_BY_OPERATOR,
        TaskState.UNREACHABLE,
        TaskState.DROPPED,
    )
)


@check("I14 accepted tasks run or end", "P1", "P5", "I14")
def accepted_tasks(evidence: Evidence) -> Seen:
    """What an answered ACCEPT launches ends, is lost for a reason, or runs; when the
    run ends no launch waits for an agent that is there."""
    facts = evidence.facts
    told = set(facts.orphans.values())
    problems: list[Problem] = []
    checked = 0
    for operation in evidence.operations:
        if operation.f != "accept" or not operation.is_ok:
            continue
        for task in operation.value["tasks"]:
            task_id = TaskId(task["task_id"])
            entries = facts.launches.get(task_id)
            if not entries:
                continue  # for whoever looks for answers in the log
            checked += 1
            keys = {(framework_id, task_id) for _, framework_id in entries}
            text = next((_fate(facts, key, told) for key in keys), None)
            if text is not None:
                problems.append(
                    Problem(
                        text=f"task {task_id} was accepted {text}",
                        at_ns=operation.ended_ns,
                        node=operation.process,
                        index=entries[0][0],
                    )
                )
    problems += _waiting(evidence)
    return Seen.of(checked, problems)


def _fate(facts: LogFacts, key: TaskKey, told: set[TaskKey]) -> str | None:
    """What is wrong with it, if anything."""
    framework_id = key[0]
    states = facts.states.get(key)
    if states is None:
        if key in told or framework_id in facts.removed:
            return None
        return "and never had a state, nor was its framework told why"
    row = facts.last.tasks.get(key)
    if row is None:
        if states[-1][1].is_terminal or framework_id in facts.removed:
            return None
        return f"and is gone, last seen {states[-1][1].value}"
    last = row.statuses[-1] if row.statuses else None
    if row.state in _NEED_REASON and (last is None or last.reason is None):
        return f"and is {row.state.value} for no reason"
    return None


def _waiting(evidence: Evidence) -> Iterator[Problem]:
    """Launches that no agent has confirmed though it was there all the time."""
    facts = evidence.facts
    since_ns = evidence.ended_ns - NEWS_NS
    since = evidence.last_index_before(since_ns)
    for key, task in facts.last.tasks.items():
        if task.state is not TaskState.STAGING:
            continue
        launched = facts.states[key][0][0]
        is_there = facts.was_reachable(task.info.agent_id, since, facts.last.index)
        if is_there and facts.at_ns[launched] < since_ns:
            yield Problem(
                text=(
                    f"the launch of {key[1]} has not reached {task.info.agent_id},"
                    " which was there all the time"
                ),
                at_ns=facts.at_ns[launched],
                index=launched,
            )


@check(LaunchesOnce.name, "P5", "I7")
def started_once(evidence: Evidence) -> Seen:
    """By what agents report: one task, one container. What an agent did before its
    disk was lost nobody knows; the simulator looks at every start."""
    facts = evidence.facts
    problems = [
        Problem(
            text=(
                f"{agent_id} ran task {key[1]} in {len(names)} containers:"
                f" {', '.join(sorted(names))}"
            ),
            index=facts.states[key][0][0] if key in facts.states else None,
        )
        for (agent_id, key), names in facts.containers.items()
        if len(names) > 1
    ]
    agents: dict[TaskKey, set[str]] = defaultdict(set)
    for agent_id, key in facts.containers:
        agents[key].add(agent_id)
    problems += [
        Problem(text=f"task {key[1]} ran on {', '.join(sorted(names))}")
        for key, names in agents.items()
        if len(names) > 1
    ]
    return Seen.of(len(facts.containers), problems)


@check(UpdatesDelivered.name, "P6", "I13")
def updates_told(evidence: Evidence) -> Seen:
    """What frameworks hear is in the log, comes in its order, none is left out, and
    none is told again on a stream that began after it was acknowledged."""
    facts = evidence.facts
    heard: dict[TaskKey, int] = {}
    opened: dict[tuple[str, int], tuple[int, int]] = {}
    """By instance: the entry of its stream, and when that was noted."""
    problems: list[Problem] = []
    checked = 0
    for one in evidence.happenings:
        instance = one.process, _instance(one)
        if one.what in ("subscribed", "resubscribed"):
            _, noted_ns = opened.get(instance, (0, 0))
            entry = evidence.stream_index(one, noted_ns)
            opened[instance] = entry, one.at_ns
        if one.what != "update" or not one.value["uuid"]:
            continue
        uuid = bytes.fromhex(one.value["uuid"])
        if uuid in facts.orphans:
            continue
        checked += 1
        words = f"{one.value['task_id']} {one.value['state']}"
        update = facts.updates.get(uuid)
        if update is None:
            problems.append(_heard(one, f"the update {words} is in no log"))
            continue
        key = update.key
        if (
            key[1] != one.value["task_id"]
            or update.status.state.value != one.value["state"]
        ):
            text = f"the update {words} is another one in the log"
            problems.append(_heard(one, text, update.index))
            continue
        last = heard.get(key, 0)
        heard[key] = max(last, update.place)
        if update.place > last + 1:
            text = f"update {update.place} ({words}) came after update {last}"
            problems.append(_heard(one, text, update.index))
        taken = facts.acknowledged.get(uuid)
        if taken is not None and taken < opened.get(instance, (0, 0))[0]:
            text = f"{words} was told again, though entry {taken} acknowledges it"
            problems.append(_heard(one, text, update.index))
    problems += _untold(evidence)
    return Seen.of(checked, problems)


def _untold(evidence: Evidence) -> Iterator[Problem]:
    """Of frameworks that settled with nothing left, nothing may wait to be told."""
    facts = evidence.facts
    for name in quiet_workloads(evidence):
        framework_id = FrameworkId(
            evidence.framework_id_at(name, evidence.ended_ns) or ""
        )
        framework = facts.last.frameworks.get(framework_id)
        for key in facts.last.tasks_by_framework.get(framework_id, ()):
            for status in facts.last.tasks[key].pending[:1]:
                text = f"{key[1]} {status.state.value} was not told, or not taken"
                yield Problem(text=text, node=name)
        for status in framework.orphan_updates if framework is not None else ():
            text = f"{status.task_id} {status.state.value}, which is of no task"
            yield Problem(text=f"{text}, was not told, or not taken", node=name)


def quiet_workloads(evidence: Evidence) -> list[str]:
    """Those that said last that they settled, and that nothing was left."""
    last: dict[str, Happening] = {}
    for one in evidence.happenings:
        if one.what in ("began", "settled"):
            last[one.process] = one
    return [
        name
        for name, one in sorted(last.items())
        if one.what == "settled" and not (one.value or {}).get("left")
    ]


@check("I15 reconciliation tells no lies", "I15")
def reconciled(evidence: Evidence) -> Seen:
    """No task is said to be lost, unknown or gone which the log had as living, on an
    agent that was not given up, all the time since it can have been asked for."""
    facts = evidence.facts
    named = _named_early(evidence)
    problems: list[Problem] = []
    checked = 0
    for one in evidence.happenings:
        if one.what != "update" or one.value["reason"] != RECONCILIATION:
            continue
        checked += 1
        if one.value["state"] not in _LOST_STATES:
            continue
        for key in _keys_of(evidence, one):
            if key in named or key not in facts.states:
                continue
            asked = evidence.last_index_before(one.at_ns - RECONCILED_NS)
            since = max(asked, facts.states[key][0][0])
            until = evidence.last_index_before(one.at_ns)
            if _lived(facts, key, since, until):
                words = f"{key[1]} is said to be {one.value['state']}"
                text = f"{words}, while its agent was known to be there"
                problems.append(_heard(one, text, until))
    if not checked and not any(one.f == "reconcile" for one in evidence.operations):
        raise NotJudgedError("no workload of this run asks for tasks")
    return Seen.of(checked, problems)


def _named_early(evidence: Evidence) -> set[TaskKey]:
    """Tasks that somebody asked for before the log had them: unknown was true then.
    A KILL asks too: of a task that is not there it is told so."""
    facts = evidence.facts
    named: dict[str, int] = {}
    for operation in evidence.operations:
        if operation.f == "reconcile":
            for task in operation.value["tasks"]:
                named.setdefault(task["task_id"], operation.began_ns)
        elif operation.f == "kill":
            named.setdefault(operation.value["task_id"], operation.began_ns)
    return {
        key
        for key, states in facts.states.items()
        if named.get(key[1], facts.at_ns[states[0][0]]) < facts.at_ns[states[0][0]]
    }


def _keys_of(evidence: Evidence, one: Happening) -> list[TaskKey]:
    task_id = TaskId(one.value["task_id"])
    framework_id = evidence.framework_id_at(one.process, one.at_ns)
    entries = evidence.facts.launches.get(task_id, ())
    return [(known, task_id) for _, known in entries if known == framework_id]


def _lived(facts: LogFacts, key: TaskKey, since: int, until: int) -> bool:
    """Whether it was there, not ended, on a reachable agent, all that time."""
    states = facts.states.get(key, [])
    before = [state for index, state in states if index <= since]
    during = [state for index, state in states if since < index <= until]
    if not before or any(
        state.is_terminal or state is TaskState.UNREACHABLE
        for state in (*before[-1:], *during)
    ):
        return False
    return bool(facts.was_reachable(facts.agents[key], since, until))


def _instance(one: Happening) -> int:
    return int((one.value or {}).get("instance", 0))


def _heard(one: Happening, text: str, index: int | None = None) -> Problem:
    return Problem(text=text, at_ns=one.at_ns, node=one.process, index=index)


CHECKS = (accepted_tasks, started_once, updates_told, reconciled)
