"""Reads and writes of registers, as a model for ``linearizable``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping

import attrs

from chaos.checkers.linearizable import Timed
from chaos.history.queries import Operation
from chaos.history.records import OpType

READ, WRITE, CAS = "read", "write", "cas"
SECOND_NS = 1_000_000_000


@attrs.frozen
class Register:
    """A value that is read, written, or exchanged for another (``cas``: asked is
    ``(expected, new)``, the answer is whether it was the expected one).

    ``asked`` of a ``Timed`` is ``(f, argument)``.
    """

    initial: Hashable = None

    def step(self, state: Hashable, operation: Timed) -> tuple[bool, Hashable]:
        """See ``Model.step``."""
        f, argument = operation.asked
        is_open = operation.ended_ns is None
        if f == READ:
            return is_open or operation.answer == state, state
        if f == WRITE:
            return True, argument
        expected, new = argument
        is_expected = state == expected
        fits = is_open or operation.answer == is_expected
        return fits, new if is_expected else state


def register_histories(done: Iterable[Operation]) -> dict[str, list[Timed]]:
    """By key. What certainly did not happen is left out, and so are reads without an
    answer, which show nothing, and writes in doubt that nobody has read (of registers
    without exchanges): whether they happened makes no difference."""
    found: dict[str, list[Timed]] = defaultdict(list)
    for operation in done:
        is_open = operation.type is OpType.INFO
        if operation.f not in (READ, WRITE, CAS) or operation.type is OpType.FAIL:
            continue
        if is_open and operation.f == READ:
            continue
        asked = tuple_of(operation.value) if operation.f == CAS else operation.value
        found[operation.key].append(
            Timed(
                began_ns=operation.began_ns,
                ended_ns=None if is_open else operation.ended_ns,
                asked=(operation.f, hashable(asked)),
                answer=None if is_open else hashable(operation.answer),
                name=words_of(operation),
            )
        )
    return {key: _that_matter(history) for key, history in found.items()}


def _that_matter(history: list[Timed]) -> list[Timed]:
    if any(one.asked[0] == CAS for one in history):
        return history
    told = {one.answer for one in history if one.asked[0] == READ}
    return [
        one
        for one in history
        if one.ended_ns is not None or one.asked[0] != WRITE or one.asked[1] in told
    ]


def words_of(operation: Operation) -> str:
    """For a person: who did what, and when."""
    words = f"{operation.process} {operation.f}"
    if operation.f != READ:
        words += f" {operation.value!r}"
    if operation.is_ok and operation.f != WRITE:
        words += f" -> {operation.answer!r}"
    return words


def hashable(value: object) -> Hashable:
    """Lists and objects of JSON as tuples."""
    if isinstance(value, Mapping):
        return tuple(sorted((str(k), hashable(v)) for k, v in value.items()))
    if isinstance(value, list | tuple):
        return tuple(hashable(one) for one in value)
    assert isinstance(value, Hashable)
    return value


def tuple_of(value: object) -> tuple[object, object]:
    """The two values of an exchange. Raises ValueError if there are not two."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"an exchange needs two values, and has {value!r}")
    return value[0], value[1]
