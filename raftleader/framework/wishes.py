"""What a framework says of itself each time it subscribes."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from raftleader.protocol.constraints import OfferConstraints
from raftleader.protocol.frameworks import FrameworkInfo


@attrs.frozen(kw_only=True)
class Wishes:
    """Attributes:
    framework: Who we are; its ``id`` is the session's business.
    suppressed_roles: No offers for these.
    offer_constraints: Which agents each role wants to hear of.
    """

    framework: FrameworkInfo
    suppressed_roles: tuple[str, ...] = ()
    offer_constraints: OfferConstraints = attrs.field(factory=dict)

    def changed(
        self,
        *,
        framework: FrameworkInfo | None = None,
        suppressed_roles: Iterable[str] | None = None,
        offer_constraints: OfferConstraints | None = None,
    ) -> Wishes:
        """With what is given in place of what was."""
        wishes = self
        if framework is not None:
            wishes = attrs.evolve(wishes, framework=framework)
        if suppressed_roles is not None:
            wishes = attrs.evolve(wishes, suppressed_roles=tuple(suppressed_roles))
        if offer_constraints is not None:
            wishes = attrs.evolve(wishes, offer_constraints=offer_constraints)
        return wishes
