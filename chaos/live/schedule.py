"""When which fault hits whom: everything follows from the seed, before anything runs.

Every class that is on fires at least once, if the time allows it; if not, classes that
were named go first, and of the others as many are drawn as there is time for (swarm
testing: other seeds draw others). Kills of the leader, what all this is about, are
never left out, and come again every ``KILL_EVERY_S``. Time that is left is filled with
more of the same. What may go with what, is in the ``atlas``; in longer runs there is a
quiet time every few seconds in which nothing is broken at all, so that what the cluster
does when it is well can be told from what it does in between.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import attrs

from chaos.live.atlas import (
    COURSES,
    Load,
    Shape,
    can_be_hit,
    is_bearable,
    load_of,
    why_never,
    window_s,
)
from chaos.live.faults import Fault, Injection, Target
from chaos.live.selection import Selection, Wanted

FIRST_AT_S = 0.5
PAUSES_S = (0.5, 1.0, 2.0)
"""Mean time between a fault and the next of its kind, beyond the first of each."""
TIGHT_PAUSE_S = 0.2
FIRST_WITHIN = 0.88
"""Of the time: by then every class has fired once, by the schedule. Where all goes
slower than that, what comes again is left out, and not a class."""
QUIET_EVERY_S = 16.0
QUIET_S = 1.5
"""Some tens of offer cycles and hundreds of operations."""
QUIET_FROM_S = 24.0
"""Shorter runs have no quiet times but those between their faults."""
KILL_EVERY_S = 40.0
WEATHER_EVERY_S = 5.0
"""Least mean time between two faults of links and clocks, those that were named apart.
Who is hit all the time gets nothing done, and a run that gets nothing done shows
nothing."""
EDGE_EVERY_S = 4.0
"""The same of agents and frameworks."""
_ATTEMPTS_DRAWN = 4
_ATTEMPTS_SHORT = 8
_MISSES_MAX = 25


@attrs.frozen(kw_only=True)
class LeftOut:
    """A class that was asked for and will not fire. ``is_missing``: it cannot be made
    here at all; otherwise another seed, or more time, has it."""

    fault: Fault
    why: str
    is_missing: bool


@attrs.frozen(kw_only=True)
class Schedule:
    """What a run does to its cluster.

    Attributes:
        faults: The classes that are on, in the order of ``Fault``; each fires.
        left_out: Those that were asked for and do not, in that order.
        pause_s: Mean time between two faults of a kind, where there was a choice.
        quiet: Times without any fault: from, until, in seconds.
        injections: By time; numbered from 1.
    """

    faults: tuple[Fault, ...]
    left_out: tuple[LeftOut, ...]
    pause_s: float
    quiet: tuple[tuple[float, float], ...]
    injections: tuple[Injection, ...]

    @property
    def drawn(self) -> dict[str, object]:
        """What the seed decided, for people."""
        return {
            "faults": [fault.value for fault in self.faults],
            "pause_s": self.pause_s,
            "quiet": [list(one) for one in self.quiet],
        }


def draw_schedule(
    seed: int,
    selection: Selection,
    *,
    for_s: float,
    shape: Shape,
    missing: Mapping[Fault, str],
) -> Schedule:
    """The schedule of a seed: the same for the same arguments, everywhere.

    ``missing`` has the classes that cannot be made here, and why. Everything begins,
    and is to be healed, within ``for_s`` seconds; only recovery may take longer.
    """
    left_out = [
        LeftOut(fault=one.fault, why=why, is_missing=True)
        for one in selection.wanted
        if (why := _why_missing(one, shape, missing)) is not None
    ]
    lacking = {one.fault for one in left_out}
    possible = [one for one in selection.wanted if one.fault not in lacking]
    pause_s = random.Random(f"pause {seed}").choice(PAUSES_S)
    quiet = _quiet_times(for_s)
    board = _fire_each(seed, possible, for_s, shape, quiet)
    fired = {injection.fault for injection in board.placed}
    on = [one for one in possible if one.fault in fired]
    left_out += [
        LeftOut(
            fault=one.fault,
            why=f"{for_s:g} s are too little for all: not drawn by this seed",
            is_missing=False,
        )
        for one in possible
        if one.fault not in fired
    ]
    board.fill(random.Random(f"more {seed}"), on, pause_s)
    order = {fault: number for number, fault in enumerate(Fault)}
    return Schedule(
        faults=tuple(one.fault for one in on),
        left_out=tuple(sorted(left_out, key=lambda one: order[one.fault])),
        pause_s=pause_s,
        quiet=quiet,
        injections=tuple(
            attrs.evolve(injection, number=number)
            for number, injection in enumerate(
                sorted(board.placed, key=lambda one: (one.at_s, order[one.fault])), 1
            )
        ),
    )


def _why_missing(one: Wanted, shape: Shape, missing: Mapping[Fault, str]) -> str | None:
    if one.fault in missing:
        return missing[one.fault]
    if (why := why_never(one.fault, shape)) is not None:
        return why
    if not _targets(one, shape):
        targets = " or ".join(target.value for target in one.usual_targets)
        return f"there is nobody to hit: {targets}"
    return None


def _targets(one: Wanted, shape: Shape) -> tuple[Target, ...]:
    return tuple(
        target for target in one.usual_targets if can_be_hit(one.fault, target, shape)
    )


def _quiet_times(for_s: float) -> tuple[tuple[float, float], ...]:
    if for_s < QUIET_FROM_S:
        return ()
    count = int((for_s - QUIET_S) / QUIET_EVERY_S)
    begins = [QUIET_EVERY_S * number for number in range(1, count + 1)]
    return tuple((begin - QUIET_S, begin) for begin in begins)


def _fire_each(
    seed: int,
    wanted: Sequence[Wanted],
    for_s: float,
    shape: Shape,
    quiet: tuple[tuple[float, float], ...],
) -> _Board:
    """Each class once. Another order may fit better, and shorter faults do; if none
    fits all, the first order of short ones is kept: choosing the fullest would favour
    classes that take little time."""
    kept: _Board | None = None
    for attempt in range(_ATTEMPTS_DRAWN + _ATTEMPTS_SHORT):
        rng = random.Random(f"schedule {seed} {attempt}")
        is_short = attempt >= _ATTEMPTS_DRAWN
        board = _Board(for_s=for_s, shape=shape, quiet=quiet)
        order = rng.sample(wanted, len(wanted))
        order.sort(key=lambda one: (one.fault is not Fault.KILL, not one.is_named))
        for one in order:
            if one.fault is Fault.KILL:
                _place_kills(rng, board, one, is_short=is_short)
                continue
            injection = _draw(rng, one, shape, is_short=is_short)
            if one.is_named or not board.has_enough_of(injection):
                board.place(injection, until_s=FIRST_WITHIN * for_s)
        if {one.fault for one in wanted} == {one.fault for one in board.placed}:
            return board
        if is_short and kept is None:
            kept = board
    assert kept is not None
    return kept


def _place_kills(
    rng: random.Random, board: _Board, one: Wanted, *, is_short: bool
) -> None:
    """Before all others, or they would not be spread over the run."""
    count = 1 + int(board.for_s / KILL_EVERY_S)
    for number in range(count):
        injection = _draw(rng, one, board.shape, is_short=is_short)
        first = _targets(one, board.shape)[0]
        board.place(
            attrs.evolve(injection, target=first),
            not_before_s=FIRST_AT_S
            + rng.uniform(number, number + 0.5) * (board.for_s - FIRST_AT_S) / count,
        )


def _draw(
    rng: random.Random, one: Wanted, shape: Shape, *, is_short: bool = False
) -> Injection:
    """One injection of a class, without its time. Half of them hit the first of its
    targets."""
    targets = _targets(one, shape)
    course = COURSES[one.fault]
    longest_s = course.shortest_s if is_short else course.longest_s
    return Injection(
        number=0,
        fault=one.fault,
        target=targets[0] if rng.random() < 0.5 else rng.choice(targets),
        at_s=0.0,
        for_s=round(rng.uniform(course.shortest_s, longest_s), 2),
        seed=rng.getrandbits(32),
    )


@attrs.frozen
class _Placed:
    injection: Injection
    load: Load
    until_s: float
    """Its recovery and the pause after it included."""


@attrs.define(kw_only=True)
class _Board:
    """Injections that have their times."""

    for_s: float
    shape: Shape
    quiet: tuple[tuple[float, float], ...]
    _placed: list[_Placed] = attrs.field(factory=list)

    @property
    def placed(self) -> list[Injection]:
        return [one.injection for one in self._placed]

    def place(
        self,
        injection: Injection,
        *,
        not_before_s: float = FIRST_AT_S,
        after_s: float = 0.0,
        calm_s: float = TIGHT_PAUSE_S,
        until_s: float | None = None,
    ) -> bool:
        """At the first time where it fits, ``after_s`` beyond what is before it there,
        and ``calm_s`` before what comes next; False if there is none.

        It is to be healed by ``until_s``, or by the end."""
        load = load_of(injection, self.shape)
        begins = {not_before_s, *(until for _, until in self.quiet)}
        begins |= {other.until_s for other in self._placed}
        whole_s = window_s(injection)
        healed_s = whole_s - COURSES[injection.fault].recover_s
        for begin in sorted(begin for begin in begins if begin >= not_before_s):
            at_s = round(begin + after_s, 2)
            if at_s + healed_s > (until_s or self.for_s):
                return False
            calm_until_s = at_s + whole_s + calm_s
            if self._is_quiet(at_s, at_s + whole_s):
                continue
            if is_bearable(load, self._loads(at_s, calm_until_s), self.shape):
                timed = attrs.evolve(injection, at_s=at_s)
                self._placed.append(_Placed(timed, load, calm_until_s))
                return True
        return False

    def has_enough_of(self, injection: Injection) -> bool:
        """Whether more of its kind would be too much for so short a run."""
        load = load_of(injection, self.shape)
        if load.edges:
            edges = sum(bool(other.load.edges) for other in self._placed)
            return edges >= self.for_s / EDGE_EVERY_S
        weather = sum(other.load.weather for other in self._placed)
        return bool(load.weather) and weather >= self.for_s / WEATHER_EVERY_S

    def fill(
        self, rng: random.Random, wanted: Sequence[Wanted], pause_s: float
    ) -> None:
        """More of ``wanted``, until there is hardly any room."""
        misses = 0
        while wanted and misses < _MISSES_MAX:
            injection = _draw(rng, rng.choice(wanted), self.shape)
            is_placed = not self.has_enough_of(injection) and self.place(
                injection,
                after_s=rng.uniform(0.0, pause_s),
                calm_s=rng.uniform(0.0, 2 * pause_s),
            )
            misses = 0 if is_placed else misses + 1

    def _is_quiet(self, from_s: float, until_s: float) -> bool:
        return any(from_s < end and begin < until_s for begin, end in self.quiet)

    def _loads(self, from_s: float, until_s: float) -> list[Load]:
        """Of all that lasts at some time between these."""
        return [
            other.load
            for other in self._placed
            if from_s < other.until_s and other.injection.at_s < until_s
        ]
