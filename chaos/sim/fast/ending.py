"""The last look at a run: what must be so when nothing was broken for a while."""

from __future__ import annotations

from collections import Counter

from chaos.checkers.all_done import all_done
from chaos.checkers.answered_committed import AnsweredIsCommitted
from chaos.checkers.callbacks_settled import CallbacksSettled
from chaos.checkers.deadlines_durable import DeadlinesDurable
from chaos.checkers.enough_seen import enough_seen
from chaos.checkers.launches_once import LaunchesOnce
from chaos.checkers.no_resource_twice import NoResourceTwice
from chaos.checkers.nothing_answered_lost import nothing_answered_lost
from chaos.checkers.offers_known import offers_known
from chaos.checkers.updates_delivered import UpdatesDelivered
from chaos.results import Verdict
from chaos.sim.fast.ending_work import judge_work, least_of
from chaos.sim.fast.framework import SimFramework
from chaos.sim.fast.leader import LeaderTerm
from chaos.sim.fast.world import World
from chaos.sim.options import Fault
from chaos.sim.report import Report
from raftleader.protocol.tasks import TaskState
from raftleader.state.cluster import ClusterState

DONE = "everything gets done"
LEAST = {"terms served": 2, "snapshots": 1, "acked": 40, "entries": 60, "started": 6}
"""A run with less of these has shown nothing."""
RECENT_MS = 3_000
"""What is younger may still be on its way at the end."""
ASKED_S = 6.0
SETTLED = (TaskState.RUNNING, TaskState.KILLING)


def report_of(world: World) -> Report:
    """Judge the end of a run, and say all that it showed."""
    judge, options = world.judge, world.options
    _judge_end(world)
    counts = _counts(world)
    lacking = enough_seen(counts, LEAST | least_of(options.work)).problems
    verdict = Verdict.UNKNOWN if lacking else Verdict.VALID
    if judge.violations:
        verdict = Verdict.INVALID
    return Report(
        seed=options.seed,
        level="fast",
        engine="raft",
        verdict=verdict,
        violations=tuple(judge.violations),
        lacking=lacking,
        counts=dict(sorted(counts.items())),
        coverage=_coverage(world),
        sim_seconds=world.agenda.now_s,
        trace_hash=world.trace.hexdigest(),
        options=str(options),
    )


def _judge_end(world: World) -> None:
    judge, now_s, options = world.judge, world.agenda.now_s, world.options
    judge.report(
        CallbacksSettled.name,
        judge.callbacks.ended(min(now_s - ASKED_S, world.heals_at_s + ASKED_S)),
    )
    leaders = [node.leader for node in world.survivors if node.leader is not None]
    if not leaders:
        judge.report(DONE, ["nobody serves at the end"])
        return
    leader = max(leaders, key=lambda one: one.term)
    state = leader.state
    judge.report(AnsweredIsCommitted.name, judge.answers.ended(state.index))
    judge.report(NoResourceTwice.name, judge.resources.everything(state))
    for node in world.survivors:
        if node.life is not None and node.is_up:
            judge.observe(node.name, node.life.machine.state)
    _judge_log(world, state)
    _judge_frameworks(world, leader)
    if options.work:
        judge_work(world, state, state.clock_ms - RECENT_MS)


def _judge_log(world: World, state: ClusterState) -> None:
    judge = world.judge
    latest_ms = state.clock_ms - RECENT_MS
    rows = sorted(state.tasks.items())
    judge.report(
        LaunchesOnce.name,
        judge.launches.ended(
            f"{key[1]} of {key[0]}"
            for key, task in rows
            if task.state is TaskState.STAGING and task.launched_ms < latest_ms
        ),
    )
    judge.report(
        DONE,
        all_done(
            f"task {key[1]} of {key[0]} is {task.state.value}"
            for key, task in rows
            if not (task.state.is_terminal or task.state in SETTLED)
            and task.launched_ms < latest_ms
        ).problems,
    )
    judge.report(
        UpdatesDelivered.name,
        judge.updates.ended(
            f"{task.pending[0].state.value} of {key[1]} of {key[0]}"
            for key, task in rows
            if task.pending
            and task.state.is_terminal
            and (task.ended_ms or 0) < latest_ms
        ),
    )
    overdue = [
        f"offer {offer.id}"
        for offer in state.offers.values()
        if offer.expires_ms < latest_ms
    ] + [
        f"framework {framework.id}"
        for framework in state.frameworks.values()
        if framework.deadline_ms is not None and framework.deadline_ms < latest_ms
    ]
    judge.report(DeadlinesDurable.name, judge.deadlines.ended(overdue))


def _judge_frameworks(world: World, leader: LeaderTerm) -> None:
    judge, state = world.judge, leader.state
    problems = []
    for framework in world.frameworks:
        if not framework.life.is_subscribed:
            problems.append(f"{framework.name} is not subscribed")
        elif (
            framework.offers_received == world.offers_before[framework.name]
            and not framework.life.held
        ):
            problems.append(f"{framework.name} was offered nothing")
    for agent in world.agents:
        agent_id = agent.identity.agent_id
        row = None if agent_id is None else state.agents.get(agent_id)
        if row is None or row.unreachable_ms is not None:
            problems.append(f"{agent.name} is not registered")
    judge.report(DONE, problems)
    _judge_accepted(world, state)
    for framework in world.frameworks:
        if framework.life.is_subscribed:
            judge.report("P2 frameworks know their offers", _offers(framework, state))


def _judge_accepted(world: World, state: ClusterState) -> None:
    """Every task whose ACCEPT was answered is known, or its framework is gone."""
    heard = {
        (framework_id, task_id)
        for framework in world.frameworks
        for framework_id, task_id in framework.heard_of
    }
    accepted = [key for key in world.judge.accepted_tasks if key[0] in state.frameworks]
    known = {*state.tasks, *state.completed_tasks, *heard}
    result = nothing_answered_lost(
        {f"{key[1]} of {key[0]}" for key in accepted},
        {f"{key[1]} of {key[0]}" for key in known},
    )
    world.judge.report(AnsweredIsCommitted.name, result.problems)


def _offers(framework: SimFramework, state: ClusterState) -> tuple[str, ...]:
    """At rest a framework holds what the log says; what is recent is left out."""
    row = None if framework.id is None else state.frameworks.get(framework.id)
    if row is None:
        return (f"{framework.name} holds an id that the log does not know",)
    latest_ms = state.clock_ms - RECENT_MS
    held = {
        offer_id
        for offer_id, (_, came_s) in framework.life.held.items()
        if came_s < framework.agenda.now_s - RECENT_MS / 1000
    }
    recent = {one.offer_id for one in row.rescinds if one.at_ms > latest_ms}
    mine = state.offers_by_framework.get(row.id, {})
    in_log = {one for one in mine if state.offers[one].granted_ms < latest_ms}
    in_log -= framework.life.calls.offers()
    return offers_known(
        held={framework.name: held - recent | (in_log & set(framework.life.held))},
        in_log={framework.name: in_log | (held & set(mine))},
    ).problems


def _counts(world: World) -> Counter[str]:
    counts = world.counts + world.judge.counts
    for node in world.nodes:
        life = node.life
        if life is not None and life.is_alive:
            for name, number in life.member.counts.items():
                counts[name] += number
    counts["snapshots"] = counts["snapshots_taken"] + counts["snapshots_installed"]
    counts["fenced"] = world.judge.deposed.fenced
    for name in ("elections", "acked", "crashes"):
        counts[name] += 0
    return counts


def _coverage(world: World) -> dict[Fault, int]:
    fired = world.fired.copy()
    for fault, name in (
        (Fault.LOST_WRITES, "lost"),
        (Fault.TORN_WRITES, "torn"),
        (Fault.BIT_FLIPS, "flipped"),
        (Fault.FAILED_SYNC, "failed sync"),
        (Fault.FULL_DISK, "disk full"),
        (Fault.SLOW_DISK, "stall"),
    ):
        fired[fault] = sum(node.disk.counts[name] for node in world.nodes)
    fired[Fault.FRAMEWORK_RETRY] = world.judge.counts["answers lost"]
    return {fault: fired[fault] for fault in Fault if fired[fault]}
