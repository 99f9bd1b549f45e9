"""What a leader knows of one follower's log, and what to send it next. Pure.

Probing: the place where the logs part is sought, one message at a time. Replicating:
messages follow each other without waiting, up to a window of bytes. A refusal, or a
new link, leads back to probing. Lost messages need no timer of their own: the next
heartbeat names the place up to which we have sent, and is refused if there is a gap.
"""

from __future__ import annotations

from collections import deque

import attrs

FIRST_NEXT = 2
"""Entry 1 is the same on all nodes: it is never sent."""


@attrs.define
class Progress:
    """One follower, as its leader sees it in one term.

    Attributes:
        next: Index of the next entry to send.
        match: The follower's log equals ours up to here, on its disk. Never falls.
        is_probing: We do not know yet that the entry before ``next`` matches.
        is_probe_sent: A probe is on its way; there is one at a time.
    """

    next: int
    match: int = 0
    is_probing: bool = True
    is_probe_sent: bool = False
    _in_flight: deque[tuple[int, int]] = attrs.field(factory=deque, init=False)
    _in_flight_bytes: int = attrs.field(default=0, init=False)

    def may_send(self, *, window_bytes_max: int) -> bool:
        if self.is_probing:
            return not self.is_probe_sent
        return self._in_flight_bytes < window_bytes_max

    def sent(self, *, last_index: int, size_bytes: int) -> None:
        """Entries from ``next`` to ``last_index`` are on their way."""
        if self.is_probing:
            self.is_probe_sent = True
            return
        self.next = last_index + 1
        self._in_flight.append((last_index, size_bytes))
        self._in_flight_bytes += size_bytes

    def accepted(self, index: int) -> None:
        """The follower has everything up to ``index``."""
        self.match = max(self.match, index)
        while self._in_flight and self._in_flight[0][0] <= self.match:
            self._in_flight_bytes -= self._in_flight.popleft()[1]
        if self.is_probing:
            self.is_probing = False
            self.next = self.match + 1
        self.next = max(self.next, self.match + 1)

    def refused(self, index: int, *, hint: int) -> None:
        """The follower's log does not match at ``index``, nor anywhere after ``hint``.

        Old refusals, of a place that matches by now or is not the one being probed,
        are ignored: stepping back for each of them is how a follower is never
        caught up.
        """
        if index <= self.match or (self.is_probing and index != self.next - 1):
            return
        self._probe(min(index, hint + 1))

    def link_changed(self) -> None:
        """What was on its way may be lost."""
        self._probe(self.match + 1 if self.match else self.next)

    def _probe(self, index: int) -> None:
        self.next = max(index, self.match + 1, FIRST_NEXT)
        self.is_probing, self.is_probe_sent = True, False
        self._in_flight.clear()
        self._in_flight_bytes = 0
