"""The offers a framework holds, kept right over failovers. Pure.

After a re-subscription the leader sends every outstanding offer again, under the
id it had (promise P2). The book tells the new ones from those carried over, and
never hands out an offer twice: ids are not reused, so one that was taken may be
forgotten only after it can no longer be on its way.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from raftleader.protocol.ids import OfferId
from raftleader.protocol.offers import Offer

TAKEN_MAX = 20_000
"""Taken offers remembered; an event is on its way for seconds, not for so many."""


@attrs.define(eq=False)
class OfferBook:
    """Attributes:
    outstanding: Offers that may be used, in the order they came.
    received: Offers that came, without repetitions.
    carried: For each re-subscription, how many offers were still valid.
    """

    outstanding: dict[OfferId, Offer] = attrs.field(factory=dict)
    received: int = 0
    carried: list[int] = attrs.field(factory=list)
    _taken: dict[OfferId, Offer | None] = attrs.field(factory=dict)
    _unconfirmed: set[OfferId] = attrs.field(factory=set)
    _heartbeats: int = 0

    def resubscribed(self) -> None:
        """A new stream: what is not sent again on it is no longer ours."""
        self.carried.append(0)
        self._unconfirmed = set(self.outstanding)
        self._heartbeats = 0

    def offered(self, offers: Iterable[Offer]) -> tuple[Offer, ...]:
        """Take offers that came; returns those not seen before."""
        new: list[Offer] = []
        for offer in offers:
            if offer.id in self.outstanding:
                if offer.id in self._unconfirmed:
                    self._unconfirmed.discard(offer.id)
                    self.carried[-1] += 1
            elif offer.id not in self._taken:
                self.outstanding[offer.id] = offer
                self.received += 1
                new.append(offer)
        return tuple(new)

    def rescinded(self, offer_id: OfferId) -> bool:
        """The leader took an offer back; returns whether we held it."""
        self._unconfirmed.discard(offer_id)
        if offer_id in self._taken:
            self._taken[offer_id] = None
        return self.outstanding.pop(offer_id, None) is not None

    def heartbeat(self) -> tuple[OfferId, ...]:
        """A HEARTBEAT came; returns offers that are gone without a word.

        The first heartbeat of a stream comes before the offers sent again, the
        second long after them. (Our leaders rescind; a Mesos master just forgets.)
        """
        self._heartbeats += 1
        if self._heartbeats < 2 or not self._unconfirmed:
            return ()
        gone = tuple(sorted(self._unconfirmed))
        self._unconfirmed.clear()
        for offer_id in gone:
            self.outstanding.pop(offer_id, None)
        return gone

    def take(self, offer_ids: Iterable[OfferId]) -> None:
        """A call that uses these offers begins."""
        for offer_id in offer_ids:
            self._unconfirmed.discard(offer_id)
            self._taken[offer_id] = self.outstanding.pop(offer_id, None)
        while len(self._taken) > TAKEN_MAX:
            del self._taken[next(iter(self._taken))]

    def put_back(self, offer_ids: Iterable[OfferId]) -> None:
        """The call certainly did not happen: the offers are as they were."""
        for offer_id in offer_ids:
            offer = self._taken.pop(offer_id, None)
            if offer is not None:
                self.outstanding[offer_id] = offer
