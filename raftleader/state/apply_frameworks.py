"""Commands about frameworks: they come, go silent, fail over, leave for good."""

from __future__ import annotations

from msgspec.structs import replace

from raftleader.limits import ABSENT_OFFERS_S
from raftleader.protocol.ids import FrameworkId, id_problem
from raftleader.state.cluster import ClusterState, Framework
from raftleader.state.commands import (
    DisconnectFramework,
    ReviveRoles,
    SubscribeFramework,
    SuppressRoles,
    TeardownFramework,
    UpdateFramework,
)
from raftleader.state.context import Context
from raftleader.state.outcomes import (
    Accepted,
    Outcome,
    Refusal,
    Rejected,
    Subscription,
)
from raftleader.state.tables import (
    change_executor,
    drop_framework,
    drop_inverse_offer,
    drop_offer,
    drop_task,
    forget_operation,
    rescind_offers,
    set_framework,
    set_task,
)
from raftleader.state.validation import (
    change_problem,
    framework_problem,
    roles_problem,
)

_ABSENT_OFFERS_MS = round(ABSENT_OFFERS_S * 1000)
_ORDINAL_BITS = 20
"""An entry has far fewer than 2**20 commands: its bytes are limited."""

UNKNOWN_FRAMEWORK = Rejected(
    refusal=Refusal.UNKNOWN_FRAMEWORK, message=Refusal.UNKNOWN_FRAMEWORK.value
)


def apply_subscribe_framework(
    state: ClusterState, ctx: Context, command: SubscribeFramework
) -> Outcome:
    """Register a framework, or give a known one its newest subscription.

    An id that was never seen is taken over: it registered with a cluster whose log
    is lost, and its scheduler believes it failed over. An id of a removed framework
    is refused. Being activated anew clears its filters, as in Mesos.
    """
    framework_id = command.framework_id
    problem = framework_problem(command.info) or roles_problem(
        command.info, command.suppressed_roles, command.offer_constraints
    )
    if framework_id is not None:
        if framework_id in state.removed_frameworks:
            return Rejected(
                refusal=Refusal.FRAMEWORK_REMOVED,
                message=Refusal.FRAMEWORK_REMOVED.value,
            )
        if problem is None and id_problem(framework_id) is not None:
            problem = f"Framework ID {id_problem(framework_id)}"
    old = None if framework_id is None else state.frameworks.get(framework_id)
    if problem is None and old is not None:
        problem = change_problem(old.info, command.info)
    if problem is not None:
        return Rejected(refusal=Refusal.INVALID_FRAMEWORK, message=problem)

    if framework_id is None:
        framework_id = _new_framework_id(state, ctx)
    subscription = ctx.index << _ORDINAL_BITS | ctx.ordinal
    info = replace(command.info, id=framework_id)
    suppressed = tuple(sorted(set(command.suppressed_roles)))
    if old is None:
        framework = Framework(
            id=framework_id,
            info=info,
            registered_ms=ctx.now_ms,
            subscribed_ms=ctx.now_ms,
            subscription=subscription,
            suppressed_roles=suppressed,
            offer_constraints=command.offer_constraints,
        )
    else:
        framework = replace(
            old,
            info=info,
            subscribed_ms=ctx.now_ms,
            subscription=subscription,
            connected=True,
            deadline_ms=None,
            offers_until_ms=None,
            suppressed_roles=suppressed,
            filters=(),
            offer_constraints=command.offer_constraints,
        )
    set_framework(state, ctx, framework)
    _rescind_foreign(state, ctx, framework)
    return Accepted(
        value=Subscription(framework_id=framework_id, subscription=subscription)
    )


def _rescind_foreign(state: ClusterState, ctx: Context, framework: Framework) -> None:
    """Take back the offers of roles that the framework no longer has."""
    rescind_offers(
        state,
        ctx,
        [
            offer_id
            for offer_id in state.offers_by_framework.get(framework.id, ())
            if state.offers[offer_id].role not in framework.info.roles
        ],
    )


def apply_update_framework(
    state: ClusterState, ctx: Context, command: UpdateFramework
) -> Outcome:
    """Change the framework; whether it is connected, and until when, stays.

    Roles that were suppressed, or are new, start without filters, as in Mesos.
    """
    framework = state.frameworks.get(command.framework_id)
    if framework is None:
        return UNKNOWN_FRAMEWORK
    info = replace(command.info, id=framework.id)
    for words, problem in (
        ("Supplied FrameworkInfo is not valid", framework_problem(info)),
        ("FrameworkInfo update is not valid", change_problem(framework.info, info)),
        (
            "'UpdateFramework' call is not valid",
            roles_problem(info, command.suppressed_roles, command.offer_constraints),
        ),
    ):
        if problem is not None:
            message = f"{words}: {problem}"
            return Rejected(refusal=Refusal.INVALID_FRAMEWORK, message=message)
    suppressed = tuple(sorted(set(command.suppressed_roles)))
    went_on = set(framework.info.roles) - set(framework.suppressed_roles)
    filters = tuple(
        one
        for one in framework.filters
        if one.role in info.roles and (one.role in went_on or one.role in suppressed)
    )
    framework = replace(
        framework,
        info=info,
        suppressed_roles=suppressed,
        filters=filters,
        offer_constraints=command.offer_constraints,
    )
    set_framework(state, ctx, framework)
    _rescind_foreign(state, ctx, framework)
    return Accepted()


def _new_framework_id(state: ClusterState, ctx: Context) -> FrameworkId:
    """A framework may have claimed the id that would be ours to give."""
    made = FrameworkId(ctx.make_id("F"))
    while (
        made in state.frameworks
        or made in state.removed_frameworks
        or made in state.tasks_by_framework
        or made in state.executors_by_framework
    ):
        made = FrameworkId(made + "-x")
    return made


def apply_disconnect_framework(
    state: ClusterState, ctx: Context, command: DisconnectFramework
) -> Outcome:
    """Start the failover timeout. Outstanding offers stay for a moment, since it may be
    back at once; others should not wait for it longer."""
    framework = state.frameworks.get(command.framework_id)
    if framework is None:
        return UNKNOWN_FRAMEWORK
    if framework.connected and framework.subscription == command.subscription:
        framework = replace(
            framework,
            connected=False,
            deadline_ms=ctx.now_ms + framework.info.failover_timeout_ms,
            offers_until_ms=ctx.now_ms + _ABSENT_OFFERS_MS,
        )
        set_framework(state, ctx, framework)
    return Accepted()


def apply_teardown_framework(
    state: ClusterState, ctx: Context, command: TeardownFramework
) -> Outcome:
    """Remove the framework now."""
    if command.framework_id not in state.frameworks:
        return UNKNOWN_FRAMEWORK
    remove_framework(state, ctx, command.framework_id)
    return Accepted()


def remove_framework(
    state: ClusterState, ctx: Context, framework_id: FrameworkId
) -> None:
    """Leave a tombstone, and kill what still runs.

    A live task stays in the table, charged, until its agent confirms the end: its
    resources are not free before. So does an executor. Nobody is left to tell, so
    nothing stays pending. What it reserved, and its volumes, belong to its roles.
    """
    for offer_id in list(state.offers_by_framework.get(framework_id, ())):
        drop_offer(state, ctx, state.offers[offer_id])
    for offer_id in list(state.inverse_offers_by_framework.get(framework_id, ())):
        drop_inverse_offer(state, ctx, offer_id)
    for operation_key in list(state.operations_by_framework.get(framework_id, ())):
        forget_operation(state, ctx, operation_key)
    for executor_key in list(state.executors_by_framework.get(framework_id, ())):
        executor = state.executors[executor_key]
        change_executor(state, ctx, replace(executor, is_shutdown_wanted=True))
    for key in list(state.tasks_by_framework.get(framework_id, ())):
        task = state.tasks[key]
        if task.state.is_terminal:
            drop_task(state, ctx, key)
        else:
            set_task(state, ctx, replace(task, pending=(), kill_wanted=True))
    drop_framework(state, ctx, framework_id)


def apply_revive_roles(
    state: ClusterState, ctx: Context, command: ReviveRoles
) -> Outcome:
    """Forget filters and suppression. One foreign role voids the whole command."""
    framework = state.frameworks.get(command.framework_id)
    if framework is None:
        return UNKNOWN_FRAMEWORK
    roles = command.roles or framework.info.roles
    if set(roles) <= set(framework.info.roles):
        suppressed = tuple(r for r in framework.suppressed_roles if r not in roles)
        filters = tuple(f for f in framework.filters if f.role not in roles)
        set_framework(
            state,
            ctx,
            replace(framework, suppressed_roles=suppressed, filters=filters),
        )
    return Accepted()


def apply_suppress_roles(
    state: ClusterState, ctx: Context, command: SuppressRoles
) -> Outcome:
    """Offer nothing for these roles. One foreign role voids the whole command.

    Offers that are out stay out.
    """
    framework = state.frameworks.get(command.framework_id)
    if framework is None:
        return UNKNOWN_FRAMEWORK
    roles = command.roles or framework.info.roles
    if set(roles) <= set(framework.info.roles):
        suppressed = tuple(sorted({*framework.suppressed_roles, *roles}))
        set_framework(state, ctx, replace(framework, suppressed_roles=suppressed))
    return Accepted()
