"""Whether a history is linearizable: as if each operation had taken effect at once, at
some moment between its call and its answer.

The search of Wing and Gong, with Lowe's memory: try the operations that may come first,
in every order that the times allow, and never twice the same set of operations done in
the same state. An operation of which nobody knows the outcome may take effect at any
time after its call, or never. Operations of different keys are judged apart
(linearizability is local), the smallest history first.

A search may take time without end where many operations overlap. It is given up after
so many steps or seconds, and then the answer is *unknown*.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import attrs

from chaos.results import Verdict

STEPS_MAX = 5_000_000
"""Of one key: some ten seconds."""
SECONDS_MAX = 20.0
"""Of all keys together."""
_LOOK_EVERY = 4096
"""Steps between two looks at the clock."""

S = TypeVar("S", bound=Hashable)


@attrs.frozen(kw_only=True)
class Timed:
    """An operation as a model knows it.

    Attributes:
        ended_ns: None if nobody knows whether it happened.
        name: For a person.
    """

    began_ns: int
    ended_ns: int | None
    asked: Any
    answer: Any = None
    name: str = ""


class Model(Protocol[S]):
    """An object that does one operation after the other."""

    @property
    def initial(self) -> S: ...

    def step(self, state: S, operation: Timed) -> tuple[bool, S]:
        """Whether it may answer so in ``state``, and the state after it. An operation
        without an end may answer anything."""


@attrs.frozen(kw_only=True)
class Linearization:
    """What the search found.

    Attributes:
        judged: Operations of the keys that were decided.
        steps: Operations that were tried.
        problems: (key, operation that fits nowhere, words): None of an unknown one.
    """

    verdict: Verdict
    judged: int
    steps: int
    problems: tuple[tuple[str, Timed | None, str], ...] = ()


def check_linearizable(
    histories: Mapping[str, Sequence[Timed]],
    model: Model[S],
    *,
    steps_max: int = STEPS_MAX,
    seconds_max: float = SECONDS_MAX,
    now_s: Callable[[], float] = time.monotonic,
) -> Linearization:
    """Judge the history of each key. Ends with the first that is not linearizable."""
    until_s = now_s() + seconds_max
    problems: list[tuple[str, Timed | None, str]] = []
    judged = steps = 0
    for key, history in sorted(
        histories.items(), key=lambda item: (len(item[1]), item[0])
    ):
        search = _Search(history, model)
        verdict = search.run(steps_max, until_s, now_s)
        steps += search.steps
        if verdict is Verdict.UNKNOWN:
            words = f"given up after {search.steps} steps, {len(history)} operations"
            problems.append((key, None, words))
            continue
        judged += len(history)
        if verdict is Verdict.INVALID:
            stuck = search.stuck
            words = f"{stuck.name if stuck else 'an operation'} fits nowhere"
            return Linearization(
                verdict=verdict,
                judged=judged,
                steps=steps,
                problems=((key, stuck, words),),
            )
    return Linearization(
        verdict=Verdict.UNKNOWN if problems else Verdict.VALID,
        judged=judged,
        steps=steps,
        problems=tuple(problems),
    )


class _Search:
    """Of one key. Events are numbered in order of time, from 1; the calls and answers
    that are still to be placed are a doubly linked list of these numbers.

    Attributes:
        stuck: The operation before which the deepest attempt ended.
    """

    def __init__(self, history: Sequence[Timed], model: Model[S]) -> None:
        self.steps = 0
        self.stuck: Timed | None = None
        self._model: Model[Any] = model
        self._history = history
        # Calls come before answers of the same nanosecond: those overlap.
        events = sorted(
            [
                *((op.began_ns, 0, place) for place, op in enumerate(history)),
                *(
                    (op.ended_ns, 1, place)
                    for place, op in enumerate(history)
                    if op.ended_ns is not None
                ),
            ]
        )
        size = len(events)
        self._operation = [-1, *(place for _, _, place in events)]
        self._is_call = [False, *(kind == 0 for _, kind, _ in events)]
        self._answer = [0] * (size + 1)
        """Of a call: the number of its answer; 0 if it has none."""
        calls: dict[int, int] = {}
        for number in range(1, size + 1):
            if self._is_call[number]:
                calls[self._operation[number]] = number
            else:
                self._answer[calls[self._operation[number]]] = number
        self._next = [*range(1, size + 1), 0]
        self._previous = [size, *range(size)]

    def run(
        self, steps_max: int, until_s: float, now_s: Callable[[], float]
    ) -> Verdict:
        history, answer, is_call = self._history, self._answer, self._is_call
        following, operation = self._next, self._operation
        to_do = sum(1 for op in history if op.ended_ns is not None)
        state: Any = self._model.initial
        step = self._model.step
        done = deepest = 0
        mask = 0
        seen: set[tuple[int, Any]] = set()
        taken: list[tuple[int, Any]] = []
        event = following[0]
        while done < to_do:
            if event and is_call[event]:
                self.steps += 1
                if self.steps > steps_max:
                    return Verdict.UNKNOWN
                if self.steps % _LOOK_EVERY == 0 and now_s() > until_s:
                    return Verdict.UNKNOWN
                place = operation[event]
                fits, after = step(state, history[place])
                if fits:
                    wider = mask | (1 << place)
                    if (wider, after) not in seen:
                        seen.add((wider, after))
                        taken.append((event, state))
                        state, mask = after, wider
                        done += answer[event] != 0
                        self._lift(event)
                        event = following[0]
                        continue
                event = following[event]
                continue
            # An answer whose operation is not placed, or the end: nothing fits here.
            if event and done >= deepest:
                deepest = done
                self.stuck = history[operation[event]]
            if not taken:
                return Verdict.INVALID
            event, state = taken.pop()
            mask &= ~(1 << operation[event])
            done -= answer[event] != 0
            self._put_back(event)
            event = following[event]
        return Verdict.VALID

    def _lift(self, call: int) -> None:
        """Take an operation out of the list."""
        for number in (call, self._answer[call]):
            if number:
                before, after = self._previous[number], self._next[number]
                self._next[before], self._previous[after] = after, before

    def _put_back(self, call: int) -> None:
        for number in (self._answer[call], call):
            if number:
                before, after = self._previous[number], self._next[number]
                self._next[before] = self._previous[after] = number
