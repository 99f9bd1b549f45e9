"""``apply``: the one way the cluster changes.

Pure, total, deterministic: it reads no clock, draws no chance, and answers bad
input instead of raising. Every node applies the same bytes at the same index, so
every node holds the same state.

An entry is applied in four steps: read it, fence it (a deposed leader must be
harmless), dispatch its commands in order, and settle what follows from the rows they
touched. A rejected command leaves no trace:
each ``apply_<kind>`` decides first and mutates after.
"""

from __future__ import annotations

from raftleader.errors import InvalidInputError
from raftleader.state import commands as c
from raftleader.state.apply_accept import apply_accept_offers
from raftleader.state.apply_agents import (
    apply_mark_unreachable,
    apply_register_agent,
)
from raftleader.state.apply_executors import (
    apply_lose_executors,
    apply_report_executors,
    apply_shutdown_executor,
)
from raftleader.state.apply_frameworks import (
    apply_disconnect_framework,
    apply_revive_roles,
    apply_subscribe_framework,
    apply_suppress_roles,
    apply_teardown_framework,
    apply_update_framework,
)
from raftleader.state.apply_offers import (
    apply_decline_offers,
    apply_grant_offers,
)
from raftleader.state.apply_operations import apply_acknowledge_operation
from raftleader.state.apply_operators import apply_operator_command
from raftleader.state.apply_tasks import (
    apply_acknowledge_update,
    apply_kill_task,
    apply_lose_tasks,
    apply_update_tasks,
)
from raftleader.state.apply_time import (
    apply_begin_term,
    apply_pass_time,
    apply_set_weights,
)
from raftleader.state.bounds import TIME_MS_MAX
from raftleader.state.cluster import ClusterState
from raftleader.state.context import Context
from raftleader.state.inverse_offers import apply_answer_inverse_offers
from raftleader.state.outcomes import Applied, Outcome, Refusal, Rejected, Touched
from raftleader.state.settle import settle


def apply_entry(state: ClusterState, index: int, term: int, data: bytes) -> Applied:
    """Apply the log entry at ``index``, which the log holds under ``term``.

    One outcome for each command, in order; a single rejection if ``data`` cannot be
    read. Indexes grow from call to call (asserted), not necessarily by one.
    """
    assert index > state.index, f"index {index} after {state.index}"
    state.index = index
    try:
        entry = c.decode_entry(data)
    except InvalidInputError as error:
        refusal = Rejected(refusal=Refusal.UNREADABLE_ENTRY, message=str(error))
        return Applied(index=index, outcomes=(refusal,), touched=Touched())

    stale = _fence(state, term, entry)
    if stale is not None:
        outcomes = (stale,) * len(entry.commands)
        return Applied(index=index, outcomes=outcomes, touched=Touched())

    state.clock_ms = max(state.clock_ms, min(entry.now_ms, TIME_MS_MAX))
    ctx = Context(
        cluster_id=state.cluster_id,
        index=index,
        term=term,
        node=entry.node,
        now_ms=state.clock_ms,
    )
    applied: list[Outcome] = []
    for ordinal, command in enumerate(entry.commands):
        ctx.ordinal = ordinal
        applied.append(apply_command(state, ctx, command))
    ctx.ordinal = len(entry.commands)
    settle(state, ctx)
    return Applied(
        index=index,
        outcomes=tuple(applied),
        touched=ctx.touched(),
        happened=ctx.happened,
    )


def _fence(state: ClusterState, term: int, entry: c.Entry) -> Rejected | None:
    """Refuse what does not come from the leader of the newest term.

    A leader is one from its BeginTerm on. It may repeat it, not knowing whether the
    first was committed.
    """
    if entry.term != term:
        problem = f"made in term {entry.term}, logged in term {term}"
    elif entry.term < state.term:
        problem = f"term {entry.term} ended, {state.term} began"
    elif entry.term > state.term:
        if entry.commands and isinstance(entry.commands[0], c.BeginTerm):
            return None
        problem = f"term {entry.term} has not begun"
    elif entry.node != state.leader:
        problem = f"{entry.node} does not lead term {entry.term}"
    else:
        return None
    return Rejected(refusal=Refusal.STALE_TERM, message=problem)


def apply_command(state: ClusterState, ctx: Context, command: c.Command) -> Outcome:
    """Hand the command to its kind."""
    match command:
        case c.UpdateTasks():
            return apply_update_tasks(state, ctx, command)
        case c.AcknowledgeUpdate():
            return apply_acknowledge_update(state, ctx, command)
        case c.AcceptOffers():
            return apply_accept_offers(state, ctx, command)
        case c.DeclineOffers():
            return apply_decline_offers(state, ctx, command)
        case c.GrantOffers():
            return apply_grant_offers(state, ctx, command)
        case c.KillTask():
            return apply_kill_task(state, ctx, command)
        case c.LoseTasks():
            return apply_lose_tasks(state, ctx, command)
        case c.SubscribeFramework():
            return apply_subscribe_framework(state, ctx, command)
        case c.DisconnectFramework():
            return apply_disconnect_framework(state, ctx, command)
        case c.TeardownFramework():
            return apply_teardown_framework(state, ctx, command)
        case c.ReviveRoles():
            return apply_revive_roles(state, ctx, command)
        case c.SuppressRoles():
            return apply_suppress_roles(state, ctx, command)
        case c.UpdateFramework():
            return apply_update_framework(state, ctx, command)
        case c.ReportExecutors():
            return apply_report_executors(state, ctx, command)
        case c.LoseExecutors():
            return apply_lose_executors(state, ctx, command)
        case c.ShutdownExecutor():
            return apply_shutdown_executor(state, ctx, command)
        case c.AcknowledgeOperation():
            return apply_acknowledge_operation(state, ctx, command)
        case c.RegisterAgent():
            return apply_register_agent(state, ctx, command)
        case c.MarkUnreachable():
            return apply_mark_unreachable(state, ctx, command)
        case c.BeginTerm():
            return apply_begin_term(state, ctx, command)
        case c.PassTime():
            return apply_pass_time(state, ctx, command)
        case c.SetWeights():
            return apply_set_weights(state, ctx, command)
        case c.AnswerInverseOffers():
            return apply_answer_inverse_offers(state, ctx, command)
        case _:  # an operator's; whether all are known is looked at there
            return apply_operator_command(state, ctx, command)
