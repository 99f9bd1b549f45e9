"""ACCEPT: offers become tasks, once."""

from __future__ import annotations

import attrs
from msgspec.structs import replace

from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskId
from raftleader.protocol.offers import Launch
from raftleader.protocol.resources import EMPTY, Resources
from raftleader.protocol.tasks import Reason, TaskInfo, TaskState, TaskStatus
from raftleader.state.apply_frameworks import UNKNOWN_FRAMEWORK
from raftleader.state.apply_offers import (
    apply_decline_offers,
    filter_long,
    owned_offers,
)
from raftleader.state.bounds import ORPHAN_UPDATES_MAX
from raftleader.state.cluster import (
    Agent,
    ClusterState,
    Framework,
    OutstandingOffer,
    Task,
)
from raftleader.state.commands import AcceptOffers
from raftleader.state.context import Context
from raftleader.state.launch_names import launch_name
from raftleader.state.outcomes import Accepted, Outcome
from raftleader.state.statuses import leader_status
from raftleader.state.tables import (
    drop_offer,
    remember_launches,
    set_framework,
    set_task,
)
from raftleader.state.validation import task_problem


def apply_accept_offers(
    state: ClusterState, ctx: Context, command: AcceptOffers
) -> Outcome:
    """Launch tasks from offers; whatever is left of them goes back.

    The offers are consumed as a whole, whatever becomes of single tasks. A task
    that cannot be launched is answered with a durable update, unless an earlier
    ACCEPT has decided it: then this one is a repeat, and the first answer holds
    (promise P3).
    """
    framework = state.frameworks.get(command.framework_id)
    if framework is None:
        return UNKNOWN_FRAMEWORK
    if not command.operations:
        return apply_decline_offers(state, ctx, command)

    tasks = [t for o in command.operations if isinstance(o, Launch) for t in o.tasks]
    offers = owned_offers(state, command.framework_id, command.offer_ids)
    problem = _offers_problem(offers, command.offer_ids)
    if problem is not None:
        plan = _Plan(remainder=EMPTY)
        known = set(framework.answered_launches)
        for task in tasks:
            if not _is_repeat(state, framework, task.task_id, command.offer_ids, known):
                plan.refuse(task, Reason.INVALID_OFFERS, problem)
    else:
        agent = state.agents[offers[0].agent_id]
        plan = _plan_launches(state, framework, agent, offers, tasks)

    for offer in offers:
        drop_offer(state, ctx, offer)
    for task in plan.launched:
        set_task(
            state,
            ctx,
            Task(
                framework_id=framework.id,
                info=task,
                role=offers[0].role,
                state=TaskState.STAGING,
                offer_ids=command.offer_ids,
                launched_ms=ctx.now_ms,
            ),
        )
    _answer_refused(state, ctx, framework, command.offer_ids, plan.refused)
    if plan.remainder:
        first = offers[0]
        filter_long(state, ctx, command, [(first.agent_id, first.role, plan.remainder)])
    return Accepted()


@attrs.define
class _Plan:
    """What an ACCEPT will do, before anything is done."""

    remainder: Resources
    launched: list[TaskInfo] = attrs.field(factory=list)
    refused: list[tuple[TaskInfo, Reason, str]] = attrs.field(factory=list)

    def refuse(self, task: TaskInfo, reason: Reason, problem: str) -> None:
        self.refused.append((task, reason, problem))


def _offers_problem(
    owned: list[OutstandingOffer], offer_ids: tuple[OfferId, ...]
) -> str | None:
    if not offer_ids:
        return "No offers specified"
    if len(set(offer_ids)) != len(offer_ids):
        return "Duplicate offers in the list"
    if len(owned) != len(offer_ids):
        outstanding = {offer.id for offer in owned}
        gone = next(o for o in offer_ids if o not in outstanding)
        return f"Offer {gone} is no longer valid"
    if any(offer.agent_id != owned[0].agent_id for offer in owned):
        return "The offers are of different agents"
    if any(offer.role != owned[0].role for offer in owned):
        return "The offers are allocated to different roles"
    return None


def _plan_launches(
    state: ClusterState,
    framework: Framework,
    agent: Agent,
    offers: list[OutstandingOffer],
    tasks: list[TaskInfo],
) -> _Plan:
    remainder = offers[0].resources
    for offer in offers[1:]:
        remainder += offer.resources
    plan = _Plan(remainder)
    ids: set[TaskId] = set()
    for task in tasks:
        problem = task_problem(task, agent.id, plan.remainder)
        if problem is None:
            problem = _id_in_use(state, framework.id, agent.id, task.task_id, ids)
        if problem is not None:
            plan.refuse(task, Reason.TASK_INVALID, problem)
            continue
        ids.add(task.task_id)
        plan.launched.append(task)
        plan.remainder -= task.resources
    return plan


def _id_in_use(
    state: ClusterState,
    framework_id: FrameworkId,
    agent_id: AgentId,
    task_id: TaskId,
    launched: set[TaskId],
) -> str | None:
    """Task ids name live tasks. An agent starts an id only once in its life.

    So an id may be used again on another agent only; on the same one the agent
    would answer with the end of the earlier task.
    """
    key = (framework_id, task_id)
    if key in state.tasks or task_id in launched:
        return f"Task has duplicate ID: {task_id}"
    completed = state.completed_tasks.get(key)
    if completed is not None and completed.agent_id == agent_id:
        return f"Task ID {task_id} was used on this agent before"
    return None


def _is_repeat(
    state: ClusterState,
    framework: Framework,
    task_id: TaskId,
    offer_ids: tuple[OfferId, ...],
    decided: set[bytes],
) -> bool:
    """Whether an earlier ACCEPT of these offers has decided this task."""
    key = (framework.id, task_id)
    task, completed = state.tasks.get(key), state.completed_tasks.get(key)
    return (
        (task is not None and task.offer_ids == offer_ids)
        or (completed is not None and completed.offer_ids == offer_ids)
        or (bool(decided) and launch_name(task_id, offer_ids) in decided)
    )


def _answer_refused(
    state: ClusterState,
    ctx: Context,
    framework: Framework,
    offer_ids: tuple[OfferId, ...],
    refused: list[tuple[TaskInfo, Reason, str]],
) -> None:
    if not refused:
        return
    updates: list[TaskStatus] = []
    for task, reason, problem in refused:
        is_dropped = reason is Reason.INVALID_OFFERS
        status = leader_status(
            ctx,
            framework.info,
            task_id=task.task_id,
            agent_id=task.agent_id,
            state=TaskState.DROPPED if is_dropped else TaskState.ERROR,
            reason=reason,
            message=problem,
        )
        updates.append(status)
        ctx.tasks[(framework.id, task.task_id)] = None
    kept = (*framework.orphan_updates, *updates)[-ORPHAN_UPDATES_MAX:]
    set_framework(state, ctx, replace(framework, orphan_updates=kept))
    names = [launch_name(task.task_id, offer_ids) for task, _, _ in refused]
    remember_launches(state, ctx, framework.id, names)
