"""Mutants of the state machine: what a command in the log does."""

from __future__ import annotations

import itertools
from typing import Any

from msgspec.structs import replace

from chaos.zoo.patch import Patch, Patches
from raftleader.limits import RESUBSCRIBE_GRACE_S
from raftleader.protocol.resources import EMPTY, Resources
from raftleader.state import apply, apply_accept
from raftleader.state.apply_tasks import apply_acknowledge_update
from raftleader.state.apply_time import apply_begin_term
from raftleader.state.cluster import Agent, ClusterState
from raftleader.state.commands import AcknowledgeUpdate, BeginTerm
from raftleader.state.context import Context
from raftleader.state.outcomes import Outcome
from raftleader.state.tables import drop_offer, set_framework

_GRACE_MS = round(RESUBSCRIBE_GRACE_S * 1000)
_calls = itertools.count(1)


def _begin_term_without_an_offer(
    state: ClusterState, ctx: Context, command: BeginTerm
) -> Outcome:
    """A new leader loses the offer that is outstanding longest."""
    outcome = apply_begin_term(state, ctx, command)
    for offer_id in sorted(state.offers)[:1]:
        drop_offer(state, ctx, state.offers[offer_id])
    return outcome


def _begin_term_and_deadlines(
    state: ClusterState, ctx: Context, command: BeginTerm
) -> Outcome:
    """With a new leader every deadline of a framework that is away starts anew."""
    outcome = apply_begin_term(state, ctx, command)
    for framework in list(state.frameworks.values()):
        if framework.deadline_ms is not None:
            wait_ms = max(framework.info.failover_timeout_ms, _GRACE_MS)
            deadline_ms = ctx.now_ms + wait_ms
            set_framework(state, ctx, replace(framework, deadline_ms=deadline_ms))
    return outcome


def _decided_never(*_: Any) -> bool:
    """An ACCEPT that is repeated is taken for another one."""
    return False


def _is_free_twice(self: Agent) -> Resources:
    """What is offered to one is free for others."""
    if (
        self.unreachable_ms is not None
        or self.is_deactivated
        or self.drain
        or self.shrunk
    ):
        return EMPTY
    rest = self.total.without(self.used)
    return EMPTY if rest is None else rest


def _acknowledge_any(
    state: ClusterState, ctx: Context, command: AcknowledgeUpdate
) -> Outcome:
    """Whatever uuid is acknowledged, the first update that waits is meant."""
    task = state.tasks.get((command.framework_id, command.task_id))
    if task is not None and task.pending:
        uuid = task.pending[0].uuid
        assert uuid is not None, "a pending update has a uuid"
        command = replace(command, uuid=uuid)
    return apply_acknowledge_update(state, ctx, command)


def _count_ids(self: Context, letter: str) -> str:
    """Ids come from a counter of the process, not from the place in the log."""
    return f"{self.cluster_id}-{letter}{next(_calls)}"


MUTANTS: Patches = {
    "drop-an-offer": (Patch(apply, "apply_begin_term", _begin_term_without_an_offer),),
    "restart-deadlines": (Patch(apply, "apply_begin_term", _begin_term_and_deadlines),),
    "forget-an-accept": (Patch(apply_accept, "_is_decided_task", _decided_never),),
    "offer-twice": (Patch(Agent, "free", property(_is_free_twice)),),
    "acknowledge-any-update": (
        Patch(apply, "apply_acknowledge_update", _acknowledge_any),
    ),
    "ids-from-a-counter": (Patch(Context, "make_id", _count_ids),),
}
