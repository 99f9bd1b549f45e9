"""Commands about offers: made by the leader, declined by frameworks."""

from __future__ import annotations

from msgspec.structs import replace

from raftleader.limits import REFUSE_DURABLE_S, REFUSE_S_MAX
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId
from raftleader.protocol.resources import Resources
from raftleader.state.apply_frameworks import UNKNOWN_FRAMEWORK
from raftleader.state.bounds import (
    FRAMEWORK_FILTERS_MAX,
    TIME_MS_MAX,
)
from raftleader.state.cluster import (
    ClusterState,
    DurableFilter,
    OutstandingOffer,
)
from raftleader.state.commands import (
    AcceptOffers,
    DeclineOffers,
    Grant,
    GrantOffers,
)
from raftleader.state.context import Context
from raftleader.state.happenings import OfferEnd, OffersEnded
from raftleader.state.outcomes import Accepted, Outcome
from raftleader.state.quota_limits import QuotaLimits
from raftleader.state.resource_checks import divided_part, resources_problem
from raftleader.state.tables import (
    add_offer,
    drop_offer,
    set_framework,
)

_REFUSE_DURABLE_MS = round(REFUSE_DURABLE_S * 1000)
_REFUSE_MS_MAX = round(REFUSE_S_MAX * 1000)


def apply_grant_offers(
    state: ClusterState, ctx: Context, command: GrantOffers
) -> Outcome:
    """Turn each grant that still fits into an offer.

    The allocator looked at an older state; what changed meanwhile is simply left
    out, and will be granted by a later run.
    """
    timeout_ms = min(max(command.offer_timeout_ms, 0), TIME_MS_MAX)
    limits = QuotaLimits(state)
    for number, grant in enumerate(command.grants):
        if _fits(state, grant) and limits.allows(grant.role, grant.resources):
            offer = OutstandingOffer(
                id=OfferId(f"{ctx.make_id('O')}-{number}"),
                framework_id=grant.framework_id,
                agent_id=grant.agent_id,
                role=grant.role,
                resources=grant.resources,
                granted_ms=ctx.now_ms,
                expires_ms=ctx.now_ms + timeout_ms,
            )
            add_offer(state, ctx, offer)
            limits.count(grant.role, grant.resources)
    return Accepted()


def _fits(state: ClusterState, grant: Grant) -> bool:
    framework = state.frameworks.get(grant.framework_id)
    agent = state.agents.get(grant.agent_id)
    if (
        framework is None
        or agent is None
        or not framework.connected
        or grant.role not in framework.info.roles
        or grant.role in framework.suppressed_roles
        or not grant.resources
        or resources_problem(grant.resources) is not None
        or grant.resources.for_role(grant.role) != grant.resources
    ):
        return False
    free = agent.free
    return (
        free.contains(grant.resources) and divided_part(grant.resources, free) is None
    )


def apply_decline_offers(
    state: ClusterState, ctx: Context, command: DeclineOffers | AcceptOffers
) -> Outcome:
    """Give offers back, perhaps with a long filter. Foreign ones are ignored."""
    if command.framework_id not in state.frameworks:
        return UNKNOWN_FRAMEWORK
    offers = owned_offers(state, command.framework_id, command.offer_ids)
    for offer in offers:
        drop_offer(state, ctx, offer)
    is_accept = isinstance(command, AcceptOffers)
    end = OfferEnd.ACCEPTED if is_accept else OfferEnd.DECLINED
    ctx.happened.append(OffersEnded(command.framework_id, end, len(offers)))
    filter_long(
        state,
        ctx,
        command,
        [(offer.agent_id, offer.role, offer.resources) for offer in offers],
    )
    return Accepted()


def owned_offers(
    state: ClusterState, framework_id: FrameworkId, offer_ids: tuple[OfferId, ...]
) -> list[OutstandingOffer]:
    """Those of the offers that are out and the framework's, each once."""
    found = (state.offers.get(offer_id) for offer_id in dict.fromkeys(offer_ids))
    return [o for o in found if o is not None and o.framework_id == framework_id]


def is_long_refusal(command: DeclineOffers | AcceptOffers) -> bool:
    """Whether what is refused is to be remembered in the log."""
    return command.refuse_ms > _REFUSE_DURABLE_MS


def filter_long(
    state: ClusterState,
    ctx: Context,
    command: DeclineOffers | AcceptOffers,
    refused: list[tuple[AgentId, str, Resources]],
) -> None:
    """Remember a long refusal. Short ones are the leader's own business."""
    if not is_long_refusal(command) or not refused:
        return
    refuse_ms = min(command.refuse_ms, _REFUSE_MS_MAX)
    framework = state.frameworks[command.framework_id]
    filters = [
        DurableFilter(
            agent_id=agent_id,
            role=role,
            resources=resources,
            until_ms=ctx.now_ms + refuse_ms,
        )
        for agent_id, role, resources in refused
    ]
    kept = (*framework.filters, *filters)[-FRAMEWORK_FILTERS_MAX:]
    set_framework(state, ctx, replace(framework, filters=kept))
