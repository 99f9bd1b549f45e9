"""The only functions that change what operators set, besides ``tables.py``.

As there: callers have decided, a violation asserts.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from raftleader.limits import RESCINDS_MAX
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId
from raftleader.protocol.operator_values import MachineId, Quota, Window
from raftleader.state.bounds import GONE_AGENTS_MAX
from raftleader.state.cluster import ClusterState, InverseAnswer, Rescinded
from raftleader.state.context import Context
from raftleader.state.happenings import AgentLost
from raftleader.state.tables import drop_agent, drop_inverse_offer, set_framework


def set_quotas(state: ClusterState, quotas: dict[str, Quota]) -> None:
    """Replace all quotas."""
    state.quotas = dict(sorted(quotas.items()))


def set_schedule(
    state: ClusterState,
    windows: tuple[Window, ...],
    down_machines: tuple[MachineId, ...],
) -> None:
    """Replace the schedule, and which of its machines are down."""
    state.windows = windows
    state.down_machines = tuple(sorted(set(down_machines)))


def rescind_inverse_offers(
    state: ClusterState, ctx: Context, offer_ids: Iterable[OfferId]
) -> None:
    """Drop these, and remember them so that their frameworks are told."""
    told: dict[FrameworkId, list[Rescinded]] = {}
    for offer_id in sorted(offer_ids):
        row = state.inverse_offers[offer_id]
        drop_inverse_offer(state, ctx, offer_id)
        told.setdefault(row.framework_id, []).append(
            Rescinded(offer_id=offer_id, at_ms=ctx.now_ms, is_inverse=True)
        )
    for framework_id, rescinds in told.items():
        framework = state.frameworks[framework_id]
        kept = (*framework.rescinds, *rescinds)[-RESCINDS_MAX:]
        set_framework(state, ctx, replace(framework, rescinds=kept))


def set_inverse_answers(
    state: ClusterState, agent_id: AgentId, answers: Iterable[InverseAnswer]
) -> None:
    """Replace what frameworks said about an agent: one answer each, by framework."""
    kept = tuple(sorted(answers, key=lambda answer: answer.framework_id))
    if kept:
        state.inverse_answers[agent_id] = kept
    else:
        state.inverse_answers.pop(agent_id, None)


def bury_agent(state: ClusterState, ctx: Context, agent_id: AgentId) -> None:
    """Replace an agent's row by a tombstone. Nobody may hold anything of it.

    Ended tasks whose updates are not acknowledged, and operations, keep their rows:
    their frameworks must hear of them.
    """
    drop_agent(state, ctx, agent_id)
    ctx.happened.append(AgentLost(agent_id, True))
    set_inverse_answers(state, agent_id, ())
    state.gone_agents[agent_id] = ctx.now_ms
    if len(state.gone_agents) > GONE_AGENTS_MAX:
        del state.gone_agents[next(iter(state.gone_agents))]
