"""Offer constraints: which agents a role of a framework wants to hear of at all.

Mesos' ``OfferConstraints``. Evaluated by the allocator (``allocator/constraints.py``);
here are only the values.
"""

from __future__ import annotations

import enum

import msgspec


class Pseudoattribute(enum.Enum):
    """What an agent has besides attributes."""

    HOSTNAME = "HOSTNAME"
    REGION = "REGION"
    ZONE = "ZONE"


class Predicate(enum.Enum):
    """What must hold. Four look at the text. UNKNOWN is one that a framework set and
    we do not have: refused."""

    EXISTS = "exists"
    NOT_EXISTS = "not_exists"
    TEXT_EQUALS = "text_equals"
    TEXT_NOT_EQUALS = "text_not_equals"
    TEXT_MATCHES = "text_matches"
    TEXT_NOT_MATCHES = "text_not_matches"
    UNKNOWN = "unknown"


class Constraint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One condition on one agent.

    Exactly one of ``attribute`` and ``pseudoattribute`` is set. ``text`` is the value
    or the regular expression, for the predicates that have one.
    """

    predicate: Predicate
    attribute: str | None = None
    pseudoattribute: Pseudoattribute | None = None
    text: str | None = None


Group = tuple[Constraint, ...]
"""All of them must hold."""

OfferConstraints = dict[str, tuple[Group, ...]]
"""By role: one group of several must hold. A role without an entry takes any agent."""
