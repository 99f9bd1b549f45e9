"""A state machine that remembers what it was given, for tests and simulations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from raftleader.errors import InvalidInputError

PIECE_BYTES = 1000
"""Of a snapshot; small, so that tests see many."""


class Applied(NamedTuple):
    """What an applier was given."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs
    term: int
    data: bytes


class RecordingMachine:
    """Its state is the list of all entries it was given. Also an ``Applier``.

    Attributes:
        applied: The state; always this same list.
    """

    def __init__(self, on_apply: Callable[[Applied], object]) -> None:
        """``on_apply`` answers an entry before it is taken, or raises."""
        self.applied: list[Applied] = []
        self._on_apply = on_apply

    def apply(self, index: int, term: int, data: bytes) -> object:
        """Take one entry."""
        entry = Applied(index, term, data)
        result = self._on_apply(entry)
        self.applied.append(entry)
        return result

    __call__ = apply

    def capture(self) -> Iterator[bytes]:
        """The entries so far, written at once: they are few."""
        content = msgspec.msgpack.encode(self.applied)
        return (
            content[start : start + PIECE_BYTES]
            for start in range(0, len(content), PIECE_BYTES)
        )

    def restore(self) -> RecordingRestoration:
        """Take the place of the entries from a snapshot."""
        return RecordingRestoration(self.applied)


class RecordingRestoration:
    """See ``Restoration``."""

    def __init__(self, applied: list[Applied]) -> None:
        self._applied = applied
        self._bytes = bytearray()

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""
        self._bytes += chunk

    def finish(self) -> None:
        """Read all. Raises InvalidInputError."""
        try:
            entries = msgspec.msgpack.decode(self._bytes, type=list[Applied])
        except msgspec.DecodeError as error:
            raise InvalidInputError("snapshot", str(error)) from error
        self._applied[:] = entries
