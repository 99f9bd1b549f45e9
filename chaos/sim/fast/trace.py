"""What happened in a run, as a hash always and as lines when somebody wants to read.

Two runs with the same hash delivered the same messages at the same times, and saw the
same crashes, commits and answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec

from chaos.sim.fast.agenda import Agenda

TEXT_MAX = 400
"""Characters of a message in the trace: entries can be long."""


class Trace:
    """One run's. ``sink`` is given each line; None keeps only the hash."""

    __slots__ = ("_agenda", "_encode", "_sink", "_update", "hexdigest")

    def __init__(self, agenda: Agenda, sink: Callable[[str], object] | None) -> None:
        hasher = hashlib.blake2b(digest_size=16)
        self._agenda = agenda
        self._sink = sink
        self._update = hasher.update
        self._encode = msgspec.msgpack.Encoder().encode
        self.hexdigest = hasher.hexdigest

    def note(self, text: str) -> None:
        """Something happened."""
        line = f"{self._agenda.now_s:11.6f} {text}"
        self._update(line.encode())
        if self._sink is not None:
            self._sink(line)

    def delivered(self, sender: str, recipient: str, message: msgspec.Struct) -> None:
        """A message arrived."""
        now_s = self._agenda.now_s
        self._update(self._encode((now_s, sender, recipient, message)))
        if self._sink is not None:
            text = repr(message)
            if len(text) > TEXT_MAX:
                text = f"{text[:TEXT_MAX]}..."
            self._sink(f"{now_s:11.6f} {sender} > {recipient} {text}")
