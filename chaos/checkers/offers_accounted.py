"""P2, in the log: an offer ends by its framework's answer or in so many words."""

from __future__ import annotations

from raftleader.protocol.ids import FrameworkId, OfferId
from raftleader.state.cluster import ClusterState
from raftleader.state.commands import AcceptOffers, DeclineOffers, Entry


class OffersAccounted:
    """Looks at the state after every entry."""

    name = "P2 offers survive or are rescinded"

    def __init__(self) -> None:
        self.seen = 0
        self._known: dict[OfferId, FrameworkId] = {}

    def applied(self, entry: Entry | None, state: ClusterState) -> list[str]:
        """``state`` is that after ``entry``, which follows the one before."""
        known = self._known
        if known.keys() == state.offers.keys():
            return []
        problems: list[str] = []
        gone = [offer_id for offer_id in known if offer_id not in state.offers]
        used: set[OfferId] = set()
        if gone and entry is not None:
            for command in entry.commands:
                if isinstance(command, AcceptOffers | DeclineOffers):
                    used.update(command.offer_ids)
        for offer_id in gone:
            framework = state.frameworks.get(known.pop(offer_id))
            if framework is None or offer_id in used:
                continue
            if not any(one.offer_id == offer_id for one in framework.rescinds):
                problems.append(
                    f"entry {state.index} forgets offer {offer_id} of {framework.id}"
                )
        for offer_id, offer in state.offers.items():
            if offer_id not in known:
                self.seen += 1
                known[offer_id] = offer.framework_id
        return problems
