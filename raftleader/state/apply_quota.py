"""Quotas of roles: what they may hold at most, and what is laid aside for them.

Only top-level roles have one, as in Mesos; a quota is about the role's subtree.
"""

from __future__ import annotations

from collections.abc import Mapping

from raftleader.protocol.frameworks import role_problem
from raftleader.protocol.operator_values import Quota
from raftleader.protocol.resources import format_millis
from raftleader.state.bounds import QUOTAS_MAX
from raftleader.state.cluster import ClusterState, OutstandingOffer
from raftleader.state.context import Context
from raftleader.state.operator_commands import SetQuotas
from raftleader.state.outcomes import Accepted, Outcome, Refusal, Rejected
from raftleader.state.roles import (
    Quantities,
    is_in_subtree,
    limits_contain,
    quantities_contain,
    quantities_text,
    role_holdings,
    sum_quantities,
)
from raftleader.state.tables import rescind_offers
from raftleader.state.tables_operators import set_quotas

_EXABYTE_IN_MB = 1024**4
_TRILLION = 10**12
_NAMES_MAX = 64
"""Different resources in one quota: as many as an agent may have."""


def apply_set_quotas(state: ClusterState, ctx: Context, command: SetQuotas) -> Outcome:
    """Set the quotas, all of them or none.

    Offers in the way of the new limits are rescinded, and offers to others until
    what the guarantees ask for could be had.
    """
    quotas = {role: _canonical(quota) for role, quota in sorted(command.quotas.items())}
    for role, quota in quotas.items():
        problem = quota_problem(role, quota)
        if problem is not None:
            return _invalid(problem)
    kept = {role: q for role, q in {**state.quotas, **quotas}.items() if q != Quota()}
    if len(kept) > QUOTAS_MAX:
        return _invalid(f"more than {QUOTAS_MAX} roles have a quota")
    if not command.is_forced:
        refused = _consumption_problem(state, quotas) or _capacity_problem(state, kept)
        if refused is not None:
            return refused

    set_quotas(state, kept)
    for role, quota in quotas.items():
        _make_room(state, ctx, role, quota)
    return Accepted()


def quota_problem(role: str, quota: Quota) -> str | None:
    """Why a role cannot have this quota. The words are Mesos' own."""
    problem = role_problem(role)
    if problem is not None:
        return f"Invalid QuotaConfig: Invalid 'QuotaConfig.role': {problem}"
    if "/" in role:
        return f"Updating quota on nested role '{role}' is not supported yet"
    for name, amounts in (("guarantees", quota.guarantees), ("limits", quota.limits)):
        problem = _amounts_problem(amounts)
        if problem is not None:
            return f"Invalid QuotaConfig: Invalid 'QuotaConfig.{name}': {problem}"
    if not limits_contain(quota.limits, quota.guarantees):
        return (
            "Invalid QuotaConfig: 'QuotaConfig.guarantees'"
            f" {quantities_text(quota.guarantees)} is not contained within the"
            f" 'QuotaConfig.limits' {quantities_text(quota.limits)}"
        )
    return None


def _amounts_problem(amounts: Mapping[str, int]) -> str | None:
    if len(amounts) > _NAMES_MAX:
        return f"names more than {_NAMES_MAX} resources"
    for name, millis in amounts.items():
        text = f"{{'{name}': {format_millis(max(millis, 0))}}} is invalid"
        if not name or "(" in name or "|" in name:
            return f"{text}: {name!r} is no name of a resource"
        if millis < 0:
            return f"{text}: values must not be negative"
        if name in ("mem", "disk"):
            if millis > _EXABYTE_IN_MB * 1000:
                return (
                    f"{text}: values greater than 1 exabyte ({_EXABYTE_IN_MB})"
                    " are not supported"
                )
        elif millis > _TRILLION * 1000:
            return (
                f"{text}: values greater than 1 trillion ({_TRILLION})"
                " are not supported"
            )
    return None


def _canonical(quota: Quota) -> Quota:
    """A guarantee of nothing is none; a limit of nothing is one."""
    return Quota(
        limits=dict(sorted(quota.limits.items())),
        guarantees={k: v for k, v in sorted(quota.guarantees.items()) if v},
    )


def _invalid(problem: str) -> Rejected:
    return Rejected(refusal=Refusal.INVALID_QUOTA, message=problem)


def _consumption_problem(
    state: ClusterState, quotas: Mapping[str, Quota]
) -> Rejected | None:
    for role, quota in quotas.items():
        if not quota.limits:
            continue
        consumed = role_holdings(state, role).consumed
        if not limits_contain(quota.limits, consumed):
            return _invalid(
                f"Invalid QuotaConfig: Role '{role}' is already consuming"
                f" '{quantities_text(consumed)}'; this is more than the requested"
                f" limits '{quantities_text(quota.limits)}'"
                " (use 'force' flag to bypass this check)"
            )
    return None


def _capacity_problem(
    state: ClusterState, quotas: Mapping[str, Quota]
) -> Rejected | None:
    guaranteed = sum_quantities(*(quota.guarantees for quota in quotas.values()))
    if quantities_contain(state.capacity, guaranteed):
        return None
    return Rejected(
        refusal=Refusal.QUOTA_EXCEEDS_CAPACITY,
        message="Invalid QuotaConfig: total quota guarantees"
        f" '{quantities_text(guaranteed)}' exceed cluster capacity"
        f" '{quantities_text(state.capacity)}'"
        " (use 'force' flag to bypass this check)",
    )


def _make_room(state: ClusterState, ctx: Context, role: str, quota: Quota) -> None:
    """As Mesos does: own offers until the limits hold, then those of others until
    the guarantees can be met, supposing that nothing else is free."""
    if not quota.limits and not quota.guarantees:
        return
    holdings = role_holdings(state, role)
    held = sum_quantities(holdings.consumed, holdings.offered)
    rescinded: list[OutstandingOffer] = []
    for offer_id in sorted(state.offers):
        offer = state.offers[offer_id]
        amounts = _amounts_of(offer)
        if limits_contain(quota.limits, held):
            break
        if is_in_subtree(offer.role, role):
            held = {n: millis - amounts.get(n, 0) for n, millis in held.items()}
            rescinded.append(offer)
    gathered = held
    for offer_id in sorted(state.offers):
        if quantities_contain(gathered, quota.guarantees):
            break
        offer = state.offers[offer_id]
        if not is_in_subtree(offer.role, role):
            gathered = sum_quantities(gathered, _amounts_of(offer))
            rescinded.append(offer)
    rescind_offers(state, ctx, [offer.id for offer in rescinded])


def _amounts_of(offer: OutstandingOffer) -> Quantities:
    resources = offer.resources.exclusive()
    return {name: resources.total(name) for name in _names(resources.scalars)}


def _names(scalars: Mapping[str, int]) -> list[str]:
    return sorted({key.partition("|")[0].partition("(")[0] for key in scalars})
