"""Checks of the end: a healed cluster gets everything done in stated times, and what
leader and agents then say of themselves is what the log says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from chaos.history.queries import Window
from chaos.judging.check import NotJudgedError, Seen, check
from chaos.judging.checks.tasks import quiet_workloads
from chaos.judging.evidence import Evidence
from chaos.judging.judgement import Problem
from chaos.judging.replay import Look
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.resources import EMPTY

SECOND_NS = 1_000_000_000
LEADER_WITHIN_S = 20.0
"""From the end of the faults until somebody leads for good; an election takes less than
a second, a node that is started again some more."""
AGENTS_WITHIN_S = 60.0
"""Until every agent is reachable: it tries again every few seconds, at most 15 s."""
SETTLED_WITHIN_S = 100.0
"""Until every workload has seen the end of all that it began."""
NEWS_NS = 5 * SECOND_NS
_LIVE = ("queued_tasks", "launched_tasks")


@check("I16 the healed cluster gets everything done", "P5", "P6", "I16")
def gets_done(evidence: Evidence) -> Seen:
    """After the faults: a leader within 20 s that stays, all agents reachable within
    60 s, all work ended within 100 s, and nothing of it left in the log."""
    heal, settle = evidence.phases.get("heal"), evidence.phases.get("settle")
    if heal is None or settle is None:
        raise NotJudgedError("the run was ended before it was healed")
    problems = [
        *_no_leader(evidence, heal),
        *_unreachable(evidence, heal),
        *_unsettled(evidence, settle),
        *_leftover(evidence),
    ]
    return Seen.of(len(evidence.kinds) + 2, problems)


def _no_leader(evidence: Evidence, heal: Window) -> Iterator[Problem]:
    until_ns = heal.began_ns + int(LEADER_WITHIN_S * SECOND_NS)
    if until_ns > evidence.ended_ns:
        return
    leading = [
        one.at_ns
        for one in evidence.samples
        if one.role == "leader" and heal.began_ns <= one.at_ns <= until_ns
    ]
    if not leading:
        text = f"nobody led within {LEADER_WITHIN_S:g} s after the faults"
        yield Problem(text=text, at_ns=until_ns)


def _unreachable(evidence: Evidence, heal: Window) -> Iterator[Problem]:
    facts = evidence.facts
    until_ns = heal.began_ns + int(AGENTS_WITHIN_S * SECOND_NS)
    if until_ns > evidence.ended_ns:
        until_ns = evidence.ended_ns
    until = evidence.last_index_before(until_ns)
    names = set(evidence.nodes_of("agent"))
    there: set[str] = set()
    for agent in facts.last.agents.values():
        changes = [one for one in facts.reachable.get(agent.id, ()) if one[0] <= until]
        if changes and changes[-1][1]:
            there.add(agent.info.hostname)
    for name in sorted(names - there):
        text = f"{name} was not registered and reachable"
        yield Problem(text=f"{text} {AGENTS_WITHIN_S:g} s after the faults", node=name)


def _unsettled(evidence: Evidence, settle: Window) -> Iterator[Problem]:
    until_ns = settle.began_ns + int(SETTLED_WITHIN_S * SECOND_NS)
    settled: dict[str, tuple[int, list[Any]]] = {}
    for one in evidence.happenings:
        if one.what == "settled" and one.at_ns >= settle.began_ns:
            settled[one.process] = one.at_ns, (one.value or {}).get("left") or []
    for name in sorted(evidence.kinds):
        if name not in settled:
            text = f"{name} did not say that it has settled"
            yield Problem(text=text, at_ns=settle.ended_ns, node=name)
            continue
        at_ns, left = settled[name]
        if left:
            words = ", ".join(str(one) for one in left[:3])
            text = f"{name} settled with {len(left)} things left: {words}"
            yield Problem(text=text, at_ns=at_ns, node=name)
        elif at_ns > until_ns:
            text = f"{name} settled later than {SETTLED_WITHIN_S:g} s after it was told"
            yield Problem(text=text, at_ns=at_ns, node=name)


def _leftover(evidence: Evidence) -> Iterator[Problem]:
    """Nothing of a framework that is done may hold anything of an agent."""
    last = evidence.facts.last
    for name in quiet_workloads(evidence):
        framework_id = FrameworkId(
            evidence.framework_id_at(name, evidence.ended_ns) or ""
        )
        for key in last.tasks_by_framework.get(framework_id, ()):
            task = last.tasks[key]
            text = f"task {key[1]} is still {task.state.value} in the log"
            yield Problem(text=text, node=name)
        for executor in last.executors_by_framework.get(framework_id, ()):
            text = f"executor {executor[2]} is still in the log"
            yield Problem(text=text, node=name)
    if not last.tasks and not last.executors:
        for agent in last.agents.values():
            if agent.used != EMPTY:
                text = f"nothing runs, and {agent.used} of {agent.id} is used"
                yield Problem(text=text, node=agent.info.hostname)


@check("I18 leader and agents agree with the log", "P4", "I8", "I18")
def documents_agree(evidence: Evidence) -> Seen:
    """What was read in the end: offers, tasks and accounts of the leader at their
    index, and what runs on the agents."""
    if "end" not in evidence.phases:
        raise NotJudgedError("the run was ended before its end was read")
    looks = evidence.replay.looks
    problems: list[Problem] = []
    lacking: list[str] = []
    checked = 0
    for name, compare in (
        ("offers", _offers),
        ("tasks", _tasks),
        ("agents", _agents),
    ):
        document = evidence.final(name)
        look = looks.get(document["index"]) if document is not None else None
        if document is None or look is None:
            lacking.append(f"what the leader says of its {name} could not be had")
            continue
        checked += 1
        problems += [
            Problem(text=text, at_ns=evidence.ended_ns, index=document["index"])
            for text in compare(document[name], look)
        ]
    compared, found = _on_agents(evidence)
    return Seen.of(checked + compared, [*problems, *found], lacking)


def _offers(rows: Iterable[Mapping[str, Any]], look: Look) -> Iterator[str]:
    told = {row["id"]: row["framework_id"] for row in rows}
    yield from _different("offer", told, look.offers)


def _tasks(rows: Iterable[Mapping[str, Any]], look: Look) -> Iterator[str]:
    told = {(row["framework_id"], row["id"]): row["state"] for row in rows}
    live = {key: state for key, state in told.items() if key in look.tasks}
    yield from _different("task", live, look.tasks)


def _agents(rows: Iterable[Mapping[str, Any]], look: Look) -> Iterator[str]:
    told = {row["id"]: (row["used"], row["offered"]) for row in rows}
    yield from _different("agent", told, look.agents)


def _different(
    what: str, told: Mapping[Any, object], logged: Mapping[Any, object]
) -> Iterator[str]:
    for key in sorted({*told, *logged}):
        if told.get(key) != logged.get(key):
            name = key[1] if isinstance(key, tuple) else key
            yield (
                f"{what} {name}: the leader says {told.get(key)}, the log"
                f" {logged.get(key)}"
            )


def _on_agents(evidence: Evidence) -> tuple[int, list[Problem]]:
    """Agents whose page could be read, and what differs from the log."""
    facts = evidence.facts
    settled_ns = evidence.ended_ns - NEWS_NS
    by_name = {row.info.hostname: row.id for row in facts.last.agents.values()}
    problems: list[Problem] = []
    compared = 0
    for name in evidence.nodes_of("agent"):
        document = evidence.final(name)
        if document is None:
            continue
        compared += 1
        running = dict(_running(document))
        for key, state in running.items():
            states = facts.states.get(key, [])
            if not states:
                text = f"{name} runs {key[1]}, which the log never launched"
            elif states[-1][1].is_terminal and (
                facts.at_ns[states[-1][0]] < settled_ns and not _is_terminal(state)
            ):
                text = f"{name} runs {key[1]}, which the log has as ended"
            else:
                continue
            problems.append(Problem(text=text, node=name))
        for key, task in facts.last.tasks.items():
            is_here = task.info.agent_id == by_name.get(name)
            if not is_here or task.state.value != "TASK_RUNNING" or key in running:
                continue
            if facts.at_ns[facts.states[key][-1][0]] < settled_ns:
                text = f"{key[1]} runs on {name}, says the log; {name} knows nothing"
                problems.append(Problem(text=text, node=name))
    return compared, problems


def _running(document: Any) -> Iterator[tuple[tuple[Any, Any], str]]:
    tasks = document["get_state"].get("get_tasks", {})
    for kind in _LIVE:
        for task in tasks.get(kind, ()):
            key = (task["framework_id"]["value"], task["task_id"]["value"])
            yield key, str(task.get("state", ""))


def _is_terminal(state: str) -> bool:
    return state in ("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_LOST")


CHECKS = (gets_done, documents_agree)
