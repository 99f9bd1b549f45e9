"""What is in force on each link, out of several named sets of rules. Pure.

Two faults on one link add up as they would on a road with two bad stretches: a cut
wins, each stretch loses (duplicates, ...) on its own, times add up, and the narrower
one decides how much gets through.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping

import attrs

from chaos.live.faults import Fault
from chaos.live.seams import ImpossibleError, Link, LinkFault

UNHURT = LinkFault()

_PROBABILITIES = ("loss", "reorder", "duplicate", "corrupt")
_SECONDS = ("delay_s", "jitter_s")

_MADE_BY: Mapping[str, Fault] = {
    "is_cut": Fault.PARTITION,
    "loss": Fault.LOSS,
    "delay_s": Fault.DELAY,
    "jitter_s": Fault.JITTER,
    "reorder": Fault.REORDER,
    "duplicate": Fault.DUPLICATE,
    "corrupt": Fault.CORRUPTION,
    "bytes_per_s": Fault.BANDWIDTH,
}
"""The class of faults that shows whether a network can do it."""


def combined(faults: Iterable[LinkFault]) -> LinkFault:
    """All of these on the same direction of a link."""
    several = tuple(faults)
    rates = [one.bytes_per_s for one in several if one.bytes_per_s is not None]
    return LinkFault(
        is_cut=any(one.is_cut for one in several),
        loss=_either(one.loss for one in several),
        delay_s=sum(one.delay_s for one in several),
        jitter_s=sum(one.jitter_s for one in several),
        reorder=_either(one.reorder for one in several),
        duplicate=_either(one.duplicate for one in several),
        corrupt=_either(one.corrupt for one in several),
        bytes_per_s=min(rates, default=None),
    )


def _either(probabilities: Iterable[float]) -> float:
    """That at least one of independent events happens."""
    return 1.0 - math.prod(1.0 - one for one in probabilities)


def uses(fault: LinkFault) -> frozenset[Fault]:
    """The classes of faults a network must be able to make for this."""
    return frozenset(
        made_by
        for name, made_by in _MADE_BY.items()
        if getattr(fault, name) != getattr(UNHURT, name)
    )


def check_rules(
    rules: Mapping[Link, LinkFault],
    *,
    hosts: Collection[str],
    faults: Collection[Fault],
    means: str,
) -> None:
    """Raises ValueError for a link or a number that makes no sense, ImpossibleError
    for a fault that a network of these ``means`` cannot make."""
    for (source, target), fault in rules.items():
        if source == target or not {source, target} <= set(hosts):
            raise ValueError(f"there is no link from {source!r} to {target!r}")
        _check_numbers(fault)
        if missing := uses(fault) - set(faults):
            words = ", ".join(sorted(one.value for one in missing))
            raise ImpossibleError(f"a network by {means} cannot do: {words}")


def _check_numbers(fault: LinkFault) -> None:
    tests: Mapping[str, Callable[[float], bool]] = {
        **dict.fromkeys(_PROBABILITIES, lambda number: 0.0 <= number <= 1.0),
        **dict.fromkeys(_SECONDS, lambda number: 0.0 <= number < math.inf),
    }
    for name, is_sound in tests.items():
        if not is_sound(getattr(fault, name)):
            raise ValueError(f"{name}: {getattr(fault, name)}")
    if fault.bytes_per_s is not None and fault.bytes_per_s <= 0:
        raise ValueError(f"bytes_per_s: {fault.bytes_per_s}")


@attrs.define
class RuleBook:
    """The sets of rules that are in force, by name."""

    _sets: dict[str, Mapping[Link, LinkFault]] = attrs.field(factory=dict)

    def put(self, name: str, rules: Mapping[Link, LinkFault]) -> None:
        """In place of the set of that name, if there is one."""
        self._sets[name] = dict(rules)

    def remove(self, name: str) -> bool:
        """Whether there was a set of that name."""
        return self._sets.pop(name, None) is not None

    def copy(self) -> RuleBook:
        return RuleBook(dict(self._sets))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._sets))

    def in_force(self) -> dict[Link, LinkFault]:
        """Of each link with a fault, all its faults in one; in order of links."""
        of_link: dict[Link, list[LinkFault]] = {}
        for name in sorted(self._sets):
            for link, fault in self._sets[name].items():
                of_link.setdefault(link, []).append(fault)
        found = {link: combined(of_link[link]) for link in sorted(of_link)}
        return {link: fault for link, fault in found.items() if fault != UNHURT}
