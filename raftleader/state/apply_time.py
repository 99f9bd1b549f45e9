"""Commands of the leader itself: a term begins, time passes, weights are set."""

from __future__ import annotations

from msgspec.structs import replace

from raftleader.limits import (
    RESCIND_MEMORY_S,
    RESUBSCRIBE_GRACE_S,
    RESUBSCRIBE_OFFERS_S,
)
from raftleader.state.apply_frameworks import remove_framework
from raftleader.state.cluster import ClusterState, Framework
from raftleader.state.commands import BeginTerm, PassTime, SetWeights
from raftleader.state.context import Context
from raftleader.state.inverse_offers import end_inverse_answers
from raftleader.state.outcomes import Accepted, Outcome, Refusal, Rejected
from raftleader.state.tables import rescind_offers, set_framework
from raftleader.state.validation import weights_problem

_OFFERS_GRACE_MS = round(RESUBSCRIBE_OFFERS_S * 1000)
_GRACE_MS = round(RESUBSCRIBE_GRACE_S * 1000)
_RESCIND_MEMORY_MS = round(RESCIND_MEMORY_S * 1000)


def apply_begin_term(state: ClusterState, ctx: Context, command: BeginTerm) -> Outcome:
    """A new leader: no framework is connected to it yet.

    Deadlines that already run go on; nobody gets more time from a failover twice.
    """
    state.term = ctx.term
    state.leader = ctx.node
    state.leader_http = command.http_address
    for framework in list(state.frameworks.values()):
        if framework.connected:
            wait_ms = max(framework.info.failover_timeout_ms, _GRACE_MS)
            framework = replace(
                framework,
                connected=False,
                deadline_ms=ctx.now_ms + wait_ms,
                offers_until_ms=ctx.now_ms + _OFFERS_GRACE_MS,
            )
            set_framework(state, ctx, framework)
    return Accepted()


def apply_pass_time(state: ClusterState, ctx: Context, command: PassTime) -> Outcome:
    """Do what is due now, and forget what is past."""
    due = [
        framework.id
        for framework in state.frameworks.values()
        if framework.deadline_ms is not None and framework.deadline_ms <= ctx.now_ms
    ]
    for framework_id in sorted(due):
        remove_framework(state, ctx, framework_id)
    rescind_offers(
        state,
        ctx,
        [o.id for o in state.offers.values() if o.expires_ms <= ctx.now_ms],
    )
    _rescind_of_absent(state, ctx)
    end_inverse_answers(state, ctx)
    for framework in list(state.frameworks.values()):
        _forget_past(state, ctx, framework)
    return Accepted()


def _rescind_of_absent(state: ClusterState, ctx: Context) -> None:
    """A framework that is away must not keep from others what it was offered."""
    for framework in list(state.frameworks.values()):
        until_ms = framework.offers_until_ms
        if until_ms is not None and until_ms <= ctx.now_ms:
            rescind_offers(
                state, ctx, list(state.offers_by_framework.get(framework.id, ()))
            )
            framework = state.frameworks[framework.id]
            set_framework(state, ctx, replace(framework, offers_until_ms=None))


def _forget_past(state: ClusterState, ctx: Context, framework: Framework) -> None:
    filters = tuple(f for f in framework.filters if f.until_ms > ctx.now_ms)
    rescinds = tuple(
        r for r in framework.rescinds if r.at_ms + _RESCIND_MEMORY_MS > ctx.now_ms
    )
    if (len(filters), len(rescinds)) != (
        len(framework.filters),
        len(framework.rescinds),
    ):
        set_framework(
            state, ctx, replace(framework, filters=filters, rescinds=rescinds)
        )


def apply_set_weights(
    state: ClusterState, ctx: Context, command: SetWeights
) -> Outcome:
    """Replace all weights, or those that are named."""
    weights = {**(state.weights if command.is_update else {}), **command.weights}
    problem = weights_problem(weights)
    if problem is not None:
        return Rejected(refusal=Refusal.INVALID_WEIGHTS, message=problem)
    state.weights = dict(sorted(weights.items()))
    return Accepted()
