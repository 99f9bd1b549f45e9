"""P2: over a failover an offer stays, or is taken back in so many words."""

from __future__ import annotations

from collections.abc import Collection

from chaos.results import Result


def offers_survive(
    *,
    before: Collection[str],
    after: Collection[str],
    rescinded: Collection[str],
    consumed: Collection[str],
) -> Result:
    """Judge the offers outstanding before a failover.

    Args:
        before: Offer ids outstanding just before the leader was lost.
        after: Offer ids outstanding (and sent again) with the new leader.
        rescinded: Offer ids whose framework was sent RESCIND.
        consumed: Offer ids their framework accepted or declined meanwhile.
    """
    kept = {*after, *rescinded, *consumed}
    return Result.of(
        "offers_survive",
        checked=len(before),
        problems=[
            f"offer {offer} was silently forgotten"
            for offer in sorted(set(before) - kept)
        ],
    )
