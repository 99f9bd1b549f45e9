"""What a driver has seen so far, as one record."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class DriverStatistics:
    """Counters of a SchedulerDriver since it was made.

    Attributes:
        failovers: Re-subscriptions after a lost stream.
        leaderless_s: For each of them, seconds from the loss to SUBSCRIBED.
        offers_carried: For each of them, offers still valid under their ids.
        offers: Offers received, without those carried over.
        updates: Status updates given to the handler.
        updates_repeated: Updates that came again, and were only acknowledged.
        calls: Calls that were answered 202.
        calls_repeated: Times a call was sent again after a lost answer or a 503.
        acknowledgements: Updates acknowledged in the background.
    """

    failovers: int
    leaderless_s: tuple[float, ...]
    offers_carried: tuple[int, ...]
    offers: int
    updates: int
    updates_repeated: int
    calls: int
    calls_repeated: int
    acknowledgements: int
