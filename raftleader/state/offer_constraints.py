"""Which agents a role of a framework wants to hear of, decided.

As Mesos does it: of several attributes of one name the first counts, and a predicate
about text holds for an attribute that is not text. Pure and equal on every replica:
regular expressions are our own (``linear_regex.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache

from raftleader.errors import InvalidInputError
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.constraints import (
    Constraint,
    Group,
    OfferConstraints,
    Predicate,
    Pseudoattribute,
)
from raftleader.state.linear_regex import compile_regex

CONSTRAINTS_MAX = 1_000
"""Constraints of one framework: each may be asked for every agent."""
REGEXES_MAX = 200
"""Of them with a regular expression, the dearest to ask."""

_WITH_TEXT = frozenset(Predicate) - {Predicate.EXISTS, Predicate.NOT_EXISTS}
_MATCHING = frozenset({Predicate.TEXT_MATCHES, Predicate.TEXT_NOT_MATCHES})
_NEGATED = frozenset(
    {Predicate.NOT_EXISTS, Predicate.TEXT_NOT_EQUALS, Predicate.TEXT_NOT_MATCHES}
)


def constraints_problem(
    constraints: OfferConstraints, roles: Collection[str]
) -> str | None:
    """Why a framework of these roles cannot have them, or None. Mesos' words."""
    count = regexes = 0
    for role, groups in sorted(constraints.items()):
        if role not in roles:
            return (
                "Offer constraints specify `role_constraints` for a role"
                f" '{role}'not contained in the set of roles"
            )
        if not groups:
            return (
                "Offer constraints are not valid: 'OfferConstraints::role_constraints'"
                f" has an empty 'RoleConstraints::groups' for role {role}"
            )
        for group in groups:
            count += len(group)
            if not group:
                return (
                    "Offer constraints are not valid:"
                    f" 'OfferConstraints::RoleConstraints::groups' for role {role}"
                    "contains an empty RoleConstraints::Group"
                )
            for constraint in group:
                regexes += constraint.predicate in _MATCHING
                problem = _constraint_problem(constraint)
                if problem is not None:
                    return (
                        f"Offer constraints are not valid: A role {role} has an"
                        f" invalid 'AttributeConstraint': {problem}"
                    )
    if count > CONSTRAINTS_MAX:
        return f"Offer constraints are not valid: more than {CONSTRAINTS_MAX} of them"
    if regexes > REGEXES_MAX:
        return f"Offer constraints are not valid: more than {REGEXES_MAX} regexes"
    return None


def _constraint_problem(constraint: Constraint) -> str | None:
    if (constraint.attribute is None) == (constraint.pseudoattribute is None):
        return (
            "Exactly one of 'AttributeConstraint::Selector::name' or"
            " 'AttributeConstraint::Selector::pseudoattribute_type' must be set"
        )
    if constraint.predicate in _WITH_TEXT and constraint.text is None:
        return "A predicate about text has none"
    if constraint.predicate in _MATCHING:
        try:
            compile_regex(constraint.text or "")
        except InvalidInputError as error:
            return error.problem
    return None


def is_excluded(constraints: OfferConstraints, role: str, info: AgentInfo) -> bool:
    """Whether the role does not want to hear of the agent."""
    groups = constraints.get(role)
    if groups is None:
        return False
    return not any(all(_holds(c, info) for c in group) for group in groups)


def excludes(constraints: OfferConstraints, role: str) -> ExcludesAgent | None:
    """The same for many agents; None if no agent is excluded."""
    groups = constraints.get(role)
    return None if groups is None else _excludes(groups)


ExcludesAgent = Callable[[AgentInfo], bool]


@lru_cache(maxsize=1_024)
def _excludes(groups: tuple[Group, ...]) -> ExcludesAgent:
    return lambda info: not any(all(_holds(c, info) for c in g) for g in groups)


def _holds(constraint: Constraint, info: AgentInfo) -> bool:
    is_there, text = _selected(constraint, info)
    predicate = constraint.predicate
    if not is_there:
        return predicate in _NEGATED
    if predicate not in _WITH_TEXT:
        return predicate is Predicate.EXISTS
    if text is None:  # an attribute that is not text
        return True
    wanted = constraint.text or ""
    if predicate in (Predicate.TEXT_EQUALS, Predicate.TEXT_NOT_EQUALS):
        is_equal = text == wanted
    else:
        is_equal = _is_match(wanted, text)
    return is_equal is not (predicate in _NEGATED)


@lru_cache(maxsize=65_536)
def _is_match(pattern: str, text: str) -> bool:
    """Racks and regions are few, and the same ones are asked for again and again."""
    return compile_regex(pattern).matches(text)


def _selected(constraint: Constraint, info: AgentInfo) -> tuple[bool, str | None]:
    """Whether what the constraint is about is there, and its text if it has one."""
    if constraint.attribute is not None:
        for attribute in info.attributes:
            if attribute.name == constraint.attribute:
                return True, attribute.text
        return False, None
    if constraint.pseudoattribute is Pseudoattribute.HOSTNAME:
        return True, info.hostname
    if info.domain is None:
        return False, None
    if constraint.pseudoattribute is Pseudoattribute.REGION:
        return True, info.domain.region
    return True, info.domain.zone
