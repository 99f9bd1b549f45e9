"""ACCEPT: offers become tasks, reservations and volumes, once."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from raftleader.protocol.ids import AgentId, OfferId, TaskId
from raftleader.protocol.offers import (
    Launch,
    LaunchGroup,
    OperationStatus,
)
from raftleader.protocol.tasks import Reason, TaskState, TaskStatus
from raftleader.state.accept_plan import Plan, plan_accept
from raftleader.state.apply_frameworks import UNKNOWN_FRAMEWORK
from raftleader.state.apply_offers import (
    apply_decline_offers,
    filter_long,
    is_long_refusal,
    owned_offers,
)
from raftleader.state.bounds import ORPHAN_UPDATES_MAX
from raftleader.state.cluster import (
    ClusterState,
    Executor,
    Framework,
    OperationRow,
    OutstandingOffer,
    Task,
)
from raftleader.state.commands import AcceptOffers
from raftleader.state.context import Context
from raftleader.state.happenings import (
    OfferEnd,
    OffersEnded,
    OperationEnded,
    TaskEnded,
)
from raftleader.state.launch_names import launch_name
from raftleader.state.offered import declined, joined
from raftleader.state.outcomes import Accepted, Outcome
from raftleader.state.shared_volumes import offers_of_destroyed
from raftleader.state.statuses import leader_status
from raftleader.state.tables import (
    add_executor,
    add_operation,
    convert_agent,
    drop_offer,
    remember_launches,
    rescind_offers,
    set_framework,
    set_task,
)


def apply_accept_offers(
    state: ClusterState, ctx: Context, command: AcceptOffers
) -> Outcome:
    """Perform operations on offers; whatever is left of them goes back.

    The offers are consumed as a whole, whatever becomes of single operations. What
    cannot be done is answered with a durable update or status, unless an earlier
    ACCEPT of these offers has decided it: then this one is a repeat, and the first
    answer holds (promise P3).
    """
    framework = state.frameworks.get(command.framework_id)
    if framework is None:
        return UNKNOWN_FRAMEWORK
    if not command.operations:
        return apply_decline_offers(state, ctx, command)

    offers = owned_offers(state, command.framework_id, command.offer_ids)
    problem = _offers_problem(offers, command.offer_ids)
    agent_id = None
    if problem is not None:
        plan = _void_plan(state, framework, command, problem)
        for offer in offers:
            drop_offer(state, ctx, offer)
    else:
        agent_id = offers[0].agent_id
        agent = state.agents[agent_id]
        plan = plan_accept(state, framework, agent, offers, command.operations)
        for offer in offers:
            drop_offer(state, ctx, offer)
        _perform(state, ctx, command, plan, offers)
        ended = OffersEnded(framework.id, OfferEnd.ACCEPTED, len(offers))
        ctx.happened.append(ended)
    for type_, how in plan.ended:
        ctx.happened.append(OperationEnded(framework.id, type_, how))
    _answer_refused(state, ctx, framework, command.offer_ids, plan)
    _answer_operations(state, ctx, command, plan, agent_id)
    return Accepted()


def _offers_problem(
    owned: list[OutstandingOffer], offer_ids: tuple[OfferId, ...]
) -> str | None:
    if not offer_ids:
        return "No offers specified"
    if len(set(offer_ids)) != len(offer_ids):
        twin = next(o for o in offer_ids if offer_ids.count(o) > 1)
        return f"Duplicate offer {twin} in offer list"
    if len(owned) != len(offer_ids):
        outstanding = {offer.id for offer in owned}
        gone = next(o for o in offer_ids if o not in outstanding)
        return f"Offer {gone} is no longer valid"
    first = owned[0]
    for offer in owned:
        if offer.role != first.role:
            return (
                "Aggregated offers must be allocated to the same role. Offer"
                f" {offer.id} uses role '{offer.role}' but another is using role"
                f" '{first.role}'"
            )
        if offer.agent_id != first.agent_id:
            return (
                "Aggregated offers must belong to one single agent. Offer"
                f" {offer.id} uses agent {offer.agent_id} and agent {first.agent_id}"
            )
    return None


def _void_plan(
    state: ClusterState, framework: Framework, command: AcceptOffers, problem: str
) -> Plan:
    """Nothing is performed, and what was not decided before is told why."""
    plan = Plan()
    known = set(framework.answered_launches)
    offer_ids = command.offer_ids
    for operation in command.operations:
        if isinstance(operation, Launch | LaunchGroup):
            tasks = [
                task
                for task in operation.tasks
                if not _is_decided_task(
                    state, framework, task.task_id, offer_ids, known
                )
            ]
            message = f"Task launched with invalid offers: {problem}"
            plan.refuse(tasks, TaskState.DROPPED, Reason.INVALID_OFFERS, message)
        elif operation.id is None or not _is_decided_operation(
            state, framework, operation.id, offer_ids, known
        ):
            message = f"Operation attempted with invalid offers: {problem}"
            plan.fail(operation, message)
    return plan


def _is_decided_task(
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


def _is_decided_operation(
    state: ClusterState,
    framework: Framework,
    operation_id: str,
    offer_ids: tuple[OfferId, ...],
    decided: set[bytes],
) -> bool:
    """Whether an earlier ACCEPT of these offers has decided this operation."""
    row = state.operations.get((framework.id, operation_id))
    if row is not None and row.offer_ids == offer_ids:
        return True
    return launch_name(operation_id, offer_ids, kind="operation") in decided


def _perform(
    state: ClusterState,
    ctx: Context,
    command: AcceptOffers,
    plan: Plan,
    offers: Sequence[OutstandingOffer],
) -> None:
    """Do what was planned. The offers are dropped already: all they held is free."""
    first = offers[0]
    agent = state.agents[first.agent_id]
    if plan.is_converted:
        lost = offers_of_destroyed(state, agent.id, plan.total)
        rescind_offers(state, ctx, lost)
        convert_agent(state, ctx, agent.id, plan.dynamic)
    for info in plan.executors.values():
        executor = Executor(
            framework_id=command.framework_id,
            agent_id=agent.id,
            info=info,
            role=first.role,
            launched_ms=ctx.now_ms,
        )
        if executor.key not in state.executors:
            add_executor(state, ctx, executor)
    for described, group in plan.launched.values():
        task = Task(
            framework_id=command.framework_id,
            info=described,
            role=first.role,
            state=TaskState.STAGING,
            offer_ids=command.offer_ids,
            launched_ms=ctx.now_ms,
            group=group,
        )
        set_task(state, ctx, task)
    if is_long_refusal(command):
        rest = declined(plan.remainder, joined(offer.resources for offer in offers))
        if rest:
            filter_long(state, ctx, command, [(agent.id, first.role, rest)])


def _answer_refused(
    state: ClusterState,
    ctx: Context,
    framework: Framework,
    offer_ids: tuple[OfferId, ...],
    plan: Plan,
) -> None:
    if not plan.refused:
        return
    updates: list[TaskStatus] = []
    for refused in plan.refused:
        task = refused.task
        status = leader_status(
            ctx,
            framework.info,
            task_id=task.task_id,
            agent_id=task.agent_id,
            state=refused.state,
            reason=refused.reason,
            message=refused.message,
        )
        updates.append(status)
        ctx.happened.append(TaskEnded(framework.id, status))
        ctx.tasks[(framework.id, task.task_id)] = None
    framework = state.frameworks[framework.id]
    kept = (*framework.orphan_updates, *updates)[-ORPHAN_UPDATES_MAX:]
    set_framework(state, ctx, replace(framework, orphan_updates=kept))
    names = [launch_name(one.task.task_id, offer_ids) for one in plan.refused]
    remember_launches(state, ctx, framework.id, names)


def _answer_operations(
    state: ClusterState,
    ctx: Context,
    command: AcceptOffers,
    plan: Plan,
    agent_id: AgentId | None,
) -> None:
    for decided in plan.operations:
        status = OperationStatus(
            operation_id=decided.operation.id,
            state=decided.state,
            message=decided.message,
            converted=decided.converted,
            uuid=ctx.make_uuid(),
            agent_id=agent_id,
        )
        row = OperationRow(
            framework_id=command.framework_id,
            agent_id=agent_id,
            operation=decided.operation,
            status=status,
            offer_ids=command.offer_ids,
            made_ms=ctx.now_ms,
        )
        add_operation(state, ctx, row)
