"""Operations that change what resources are: reservations and persistent volumes.

Pure: resources in, resources out, or a sentence that says why not (Mesos' words where
it has them). The amounts stay; only their kinds change, so nothing here can make a
resource twice (promise P4): what is consumed and what comes of it are made of the
same announced resources.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import assert_never

import attrs

from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.offers import (
    Conversion,
    Create,
    Destroy,
    GrowVolume,
    Reserve,
    ShrinkVolume,
    Unreserve,
)
from raftleader.protocol.resources import Resources
from raftleader.state.bounds import AGENT_KINDS_MAX
from raftleader.state.reservations import plan_reserve, plan_unreserve
from raftleader.state.resource_checks import divided_part, is_made, keys_of
from raftleader.state.volumes import plan_create, plan_destroy, plan_grow, plan_shrink


@attrs.frozen(kw_only=True)
class Converted:
    """What an operation takes, and what becomes of it.

    Attributes:
        total: Everything on the agent, after the operation.
    """

    consumed: Resources
    converted: Resources
    total: Resources

    @property
    def dynamic(self) -> Resources:
        """``Agent.dynamic`` after the operation."""
        return self.total.only(is_made)

    def applied_to(self, resources: Resources) -> Resources:
        """``resources``, which contain what is consumed, after the operation."""
        return resources - self.consumed + self.converted


def plan_conversion(
    total: Resources,
    available: Resources,
    operation: Conversion,
    *,
    principal: str | None = None,
    is_operator: bool = False,
    framework: FrameworkInfo | None = None,
    role: str | None = None,
    in_use: Collection[str] = (),
) -> Converted | str:
    """What the operation would do, or why it cannot be performed.

    Args:
        total: Everything on the agent, as it is divided now.
        available: What the operation may take; part of ``total``.
        principal: Who asks; what it reserves and creates must name it.
        framework, role: Set if a framework asks, for the role of its offers.
        in_use: Keys of shared volumes that tasks use: they cannot be destroyed.
    """
    plan: tuple[Resources, Resources] | str
    match operation:
        case Reserve():
            plan = plan_reserve(operation, principal, role, is_operator=is_operator)
        case Unreserve():
            plan = plan_unreserve(operation)
        case Create():
            plan = plan_create(operation, total, principal, framework)
        case Destroy():
            plan = plan_destroy(operation, total, in_use)
        case GrowVolume():
            plan = plan_grow(operation)
        case ShrinkVolume():
            plan = plan_shrink(operation)
        case _:
            assert_never(operation)
    if isinstance(plan, str):
        return plan
    consumed, converted = plan
    if not available.contains(consumed):
        return f"{available} does not contain {consumed}"
    divided = divided_part(consumed, total)
    if divided is not None:
        return f"{divided} cannot be divided"
    if consumed.base() != converted.base():
        return "Static reservations cannot be changed"
    after = total - consumed + converted
    if sum(1 for _ in keys_of(after)) > AGENT_KINDS_MAX:
        return f"The agent would have more than {AGENT_KINDS_MAX} different resources"
    return Converted(consumed=consumed, converted=converted, total=after)
