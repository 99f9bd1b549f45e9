"""Operators reserve, unreserve, make and delete volumes on an agent."""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from raftleader.errors import InvalidInputError
from raftleader.protocol.offers import (
    Conversion,
    Create,
    Destroy,
    GrowVolume,
    Reserve,
    ShrinkVolume,
    Unreserve,
)
from raftleader.protocol.resource_keys import ResourceKind, is_shared_key
from raftleader.protocol.resources import EMPTY, Resources
from raftleader.state.cluster import Agent, ClusterState, OutstandingOffer
from raftleader.state.context import Context
from raftleader.state.conversions import Converted, plan_conversion
from raftleader.state.operator_commands import OperateOnAgent
from raftleader.state.outcomes import Accepted, Outcome, Refusal, Rejected
from raftleader.state.tables import convert_agent, rescind_offers


def apply_operate_on_agent(
    state: ClusterState, ctx: Context, command: OperateOnAgent
) -> Outcome:
    """Convert resources that no task or executor holds.

    What is free is taken first; only then are offers rescinded, as many as needed.
    An unreachable agent is refused: it is not registered, as Mesos sees it.
    """
    agent = state.agents.get(command.agent_id)
    if agent is None or agent.unreachable_ms is not None:
        return Rejected(
            refusal=Refusal.UNKNOWN_AGENT, message="No agent found with specified ID"
        )
    in_use = _shared_in_use(state, agent)
    plan = _plan(command, agent.total, agent.unused, in_use)
    if isinstance(plan, str):
        insufficient = _is_only_amount(command, agent, in_use)
        return Rejected(
            refusal=Refusal.INSUFFICIENT_RESOURCES
            if insufficient
            else Refusal.INVALID_OPERATION,
            message=plan,
        )
    in_the_way = _offers_in_the_way(state, agent, plan.consumed)
    rescind_offers(state, ctx, [offer.id for offer in in_the_way])
    convert_agent(state, ctx, agent.id, plan.dynamic)
    return Accepted()


def _plan(
    command: OperateOnAgent,
    total: Resources,
    available: Resources,
    in_use: frozenset[str],
) -> Converted | str:
    return plan_conversion(
        total,
        available,
        command.operation,
        principal=command.principal,
        is_operator=True,
        in_use=in_use,
    )


def _is_only_amount(
    command: OperateOnAgent, agent: Agent, in_use: frozenset[str]
) -> bool:
    """Whether the operation would do if nothing were in use, or if the agent had
    more: trying again later may help."""
    total, needed = agent.total, _needed(command.operation)
    if not isinstance(_plan(command, total, total, in_use), str):
        return True
    if not needed:
        return False
    try:
        more = total + needed
    except InvalidInputError:
        return False
    return not isinstance(_plan(command, more, needed, in_use), str)


def _needed(operation: Conversion) -> Resources:
    """What the operation takes; nothing if that makes no sense."""
    try:
        match operation:
            case Reserve(resources=resources, source=source):
                return resources.converted(_inner) if source is None else source
            case Create(volumes=volumes):
                return volumes.converted(_disk)
            case Unreserve(resources=part) | ShrinkVolume(volume=part):
                return part
            case Destroy():
                return EMPTY  # a volume that is not there is no matter of amounts
            case GrowVolume(volume=volume, addition=addition):
                return volume + addition
            case _:
                assert_never(operation)
    except InvalidInputError:
        return EMPTY


def _inner(kind: ResourceKind) -> ResourceKind:
    return replace(kind, reservations=kind.reservations[:-1])


def _disk(kind: ResourceKind) -> ResourceKind:
    return replace(kind, volume=None, is_shared=False)


def _shared_in_use(state: ClusterState, agent: Agent) -> frozenset[str]:
    """What is shared is in nobody's account: the tasks themselves must be asked."""
    shared = {key for key in agent.total.scalars if is_shared_key(key)}
    if not shared:
        return frozenset()
    return frozenset(
        key
        for task in state.tasks_by_agent.get(agent.id, ())
        if not state.tasks[task].state.is_terminal
        for key in state.tasks[task].info.resources.scalars
        if key in shared
    )


def _offers_in_the_way(
    state: ClusterState, agent: Agent, consumed: Resources
) -> list[OutstandingOffer]:
    offers = [state.offers[o] for o in sorted(state.offers_by_agent.get(agent.id, ()))]
    shared = [key for key in consumed.scalars if is_shared_key(key)]
    chosen: list[OutstandingOffer] = []
    taken = consumed.exclusive()
    free = agent.unused.exclusive() - agent.offered
    for offer in offers:
        held = offer.resources
        if any(key in held.scalars for key in shared) or (
            not free.contains(taken) and _overlap(held, taken)
        ):
            chosen.append(offer)
            free += held.exclusive()
    assert free.contains(taken), "what nobody uses is free or offered"
    return chosen


def _overlap(left: Resources, right: Resources) -> bool:
    return any(
        key in mine
        for mine, theirs in (
            (left.scalars, right.scalars),
            (left.ranges, right.ranges),
            (left.sets, right.sets),
        )
        for key in theirs
    )
