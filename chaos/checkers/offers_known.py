"""P2, at rest: a framework holds those offers that the log says, and no others."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from chaos.results import Result


def offers_known(
    *, held: Mapping[str, Collection[str]], in_log: Mapping[str, Collection[str]]
) -> Result:
    """Offer ids by framework, when nothing has moved for a while.

    One that is only in the log was never sent; one that is only held was taken back
    without a word.
    """
    problems = []
    for framework in sorted(held):
        ours, theirs = set(held[framework]), set(in_log.get(framework, ()))
        problems += [
            f"{framework} was never sent offer {offer}"
            for offer in sorted(theirs - ours)
        ]
        problems += [
            f"{framework} was not told that offer {offer} is gone"
            for offer in sorted(ours - theirs)
        ]
    return Result.of("offers_known", checked=len(held), problems=problems)
