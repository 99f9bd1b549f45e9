"""Random histories of registers: right ones, and some with something changed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from chaos.checkers.linearizable import Timed

VALUES = 4


def random_history(
    rng: random.Random,
    *,
    operations: int,
    clients: int,
    in_doubt: float = 0.1,
    changed: int = 0,
    has_cas: bool = True,
) -> list[Timed]:
    """Of one register. Each operation takes effect at a moment between its call and
    its answer; one that is in doubt does or does not, later. ``changed``: so many
    answers are changed afterwards, which may or may not make it wrong."""
    free = [0] * clients
    drafts: list[dict[str, Any]] = []
    for _ in range(operations):
        client = min(range(clients), key=lambda one: free[one])
        began = free[client] + rng.randrange(1, 30)
        ended = began + rng.randrange(1, 100)
        free[client] = ended
        kinds = ["read", "write", "cas"] if has_cas else ["read", "write"]
        f = rng.choice(kinds)
        is_open = f != "read" and rng.random() < in_doubt
        at = rng.randrange(began, ended + (200 if is_open else 1))
        drafts.append(
            {"began": began, "ended": ended, "f": f, "open": is_open, "at": at}
        )
    state: int | None = None
    found: list[Timed] = []
    for draft in sorted(drafts, key=lambda one: one["at"]):
        happens = not draft["open"] or rng.random() < 0.5
        number, expected = rng.randrange(VALUES), rng.randrange(VALUES)
        answer: object = None
        argument: object = None
        if draft["f"] == "read":
            answer = state
        elif draft["f"] == "write":
            argument = number
            state = number if happens else state
        else:
            argument = (expected, number)
            answer = state == expected
            state = number if answer and happens else state
        found.append(
            Timed(
                began_ns=draft["began"],
                ended_ns=None if draft["open"] else draft["ended"],
                asked=(draft["f"], argument),
                answer=None if draft["open"] else answer,
                name=f"{draft['f']} {argument}",
            )
        )
    for _ in range(changed):
        place = rng.randrange(len(found))
        one = found[place]
        if one.asked[0] == "read":
            found[place] = _with_answer(one, rng.randrange(VALUES))
        elif one.asked[0] == "cas" and one.ended_ns is not None:
            found[place] = _with_answer(one, not one.answer)
    return found


def _with_answer(one: Timed, answer: object) -> Timed:
    return Timed(
        began_ns=one.began_ns,
        ended_ns=one.ended_ns,
        asked=one.asked,
        answer=answer,
        name=one.name,
    )


def as_lines(key: str, history: Sequence[Timed]) -> list[dict[str, object]]:
    """For ``porcupine/main.go``."""
    return [_as_line(key, one) for one in history]


def _as_line(key: str, one: Timed) -> dict[str, object]:
    f, argument = one.asked
    expected, value = argument if f == "cas" else (None, argument)
    answer = int(one.answer) if isinstance(one.answer, int) else None
    return {
        "began": one.began_ns,
        "ended": one.ended_ns,
        "f": f,
        "value": value,
        "expected": expected,
        "answer": answer,
        "key": key,
    }
