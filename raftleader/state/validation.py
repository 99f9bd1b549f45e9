"""What is wrong with a value that wants to enter the tables, in words.

Each function answers None if nothing is. The API has checked most of this before;
here it is checked again, because whatever is in the log is applied by everyone.
"""

from __future__ import annotations

from raftleader.limits import (
    FAILOVER_TIMEOUT_S_MAX,
    ID_CHARS_MAX,
    RESOURCE_NAMES_MAX,
    ROLES_MAX,
)
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.constraints import OfferConstraints
from raftleader.protocol.frameworks import FrameworkInfo, role_problem
from raftleader.protocol.resources import format_millis
from raftleader.state.bounds import SCALAR_MILLIS_MAX, WEIGHT_MILLIS_MAX
from raftleader.state.offer_constraints import constraints_problem
from raftleader.state.resource_checks import (
    is_made,
    keys_of,
    resources_problem,
)


def framework_problem(info: FrameworkInfo) -> str | None:
    """Why a framework cannot be like this. The words are Mesos' own.

    One with MULTI_ROLE may have no roles: it is offered nothing.
    """
    if not info.roles and not info.is_capable("MULTI_ROLE"):
        return "'FrameworkInfo.role' must be set"
    if len(info.roles) > ROLES_MAX:
        return f"'FrameworkInfo.roles' has more than {ROLES_MAX} roles"
    if len(info.roles) > 1 and not info.is_capable("MULTI_ROLE"):
        return "'FrameworkInfo.roles' has several roles without MULTI_ROLE"
    if len(set(info.roles)) != len(info.roles):
        twins = sorted({role for role in info.roles if info.roles.count(role) > 1})
        return (
            f"'FrameworkInfo.roles' contains duplicate items: {{ {', '.join(twins)} }}"
        )
    for role in info.roles:
        problem = role_problem(role)
        if problem is not None:
            if info.is_capable("MULTI_ROLE"):
                return (
                    "'FrameworkInfo.roles' contains invalid role:"
                    f" Role '{role}' is invalid: {problem}"
                )
            return (
                "'FrameworkInfo.role' is not a valid role:"
                f" Role '{role}' is invalid: {problem}"
            )
    problem = _filters_problem(info)
    if problem is not None:
        return problem
    if not 0 <= info.failover_timeout_ms <= FAILOVER_TIMEOUT_S_MAX * 1000:
        sign = "-" if info.failover_timeout_ms < 0 else ""
        return (
            "The framework failover_timeout"
            f" ({sign}{format_millis(abs(info.failover_timeout_ms))}) is invalid:"
            " it is negative or too large"
        )
    return None


def _filters_problem(info: FrameworkInfo) -> str | None:
    """The roles may be others: Mesos allows that."""
    for alternatives in info.offer_filters.values():
        for amounts in alternatives:
            if not amounts:
                return "Resource quantities must contain at least one quantity"
            for name, millis in sorted(amounts.items()):
                if not 0 <= millis <= SCALAR_MILLIS_MAX:
                    return (
                        f"Invalid resource quantity for '{name}': Negative and"
                        " enormous values not supported"
                    )
    return None


def roles_problem(
    info: FrameworkInfo, suppressed: tuple[str, ...], constraints: OfferConstraints
) -> str | None:
    """Why a framework cannot say this of its roles."""
    foreign = sorted(set(suppressed) - set(info.roles))
    if foreign:
        return (
            f"Suppressed roles {{ {', '.join(foreign)} }} are not contained in the set"
            " of roles"
        )
    return constraints_problem(constraints, info.roles)


def change_problem(old: FrameworkInfo, new: FrameworkInfo) -> str | None:
    """Why nothing can turn ``old`` into ``new``."""
    if old.principal != new.principal:
        return "Changing framework's principal is not allowed."
    if old.user != new.user:
        return (
            "Updating 'FrameworkInfo.user' is unsupported; attempted to update from"
            f" '{old.user}' to '{new.user}'"
        )
    if old.checkpoint != new.checkpoint:
        before, after = str(old.checkpoint).lower(), str(new.checkpoint).lower()
        return (
            "Updating 'FrameworkInfo.checkpoint' is unsupported; attempted to update"
            f" from '{before}' to '{after}'"
        )
    return None


def agent_problem(key: str, info: AgentInfo) -> str | None:
    """Why an agent cannot register like this."""
    if not 0 < len(key) <= ID_CHARS_MAX:
        return f"key: must have 1 to {ID_CHARS_MAX} characters"
    if not info.hostname:
        return "hostname: must not be empty"
    resources = info.resources
    names = len(resources.scalars) + len(resources.ranges) + len(resources.sets)
    if names > RESOURCE_NAMES_MAX:
        return f"resources: {names} different ones are more than {RESOURCE_NAMES_MAX}"
    problem = resources_problem(resources)
    if problem is None and any(is_made(key) for key in keys_of(resources)):
        problem = "an agent announces no dynamic reservations and no volumes"
    return None if problem is None else f"resources: {problem}"


def weights_problem(weights: dict[str, int]) -> str | None:
    """Why these cannot be weights."""
    for role, millis in sorted(weights.items()):
        problem = role_problem(role)
        if problem is not None:
            return f"Role '{role}' is invalid: {problem}"
        if not 0 < millis <= WEIGHT_MILLIS_MAX:
            return f"Weight of role '{role}' is not a usable number: {millis}"
    return None
