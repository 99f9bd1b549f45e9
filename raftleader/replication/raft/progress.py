"""What a leader knows of one member's log, and what to send it next.

    PROBE      the place where the logs part is sought, one message at a time
    REPLICATE  messages follow each other without waiting, up to a window of bytes
    SNAPSHOT   what it needs is forgotten here: a snapshot goes over, piece by piece

            refused, lost, new link
        .---------------------------------.
        v                                 |
      PROBE ------ accepted ---------> REPLICATE
        | ^                               ^
        | '-- leads no more                | installed
        |     (a new reign begins)        |
        '--- needs a forgotten entry -> SNAPSHOT

Lost messages need no timer: a heartbeat that was sent after a message, and answered
without it, shows that it or its answer was lost.
"""

from __future__ import annotations

import enum
from collections import deque

import attrs

from raftleader.replication.raft.messages import SnapshotMeta


class ProgressState(enum.Enum):
    """See the module."""

    PROBE = "probe"
    REPLICATE = "replicate"
    SNAPSHOT = "snapshot"


PROBE, REPLICATE, SNAPSHOT = ProgressState


@attrs.frozen(kw_only=True)
class PeerProgress:
    """One member, for status pages."""

    node_id: str
    match: int
    next: int
    state: ProgressState
    is_recently_active: bool


class Progress:
    """One member, as its leader sees it in one reign.

    Attributes:
        match: Its log equals ours up to here, on its disk. Never falls.
        next: Index of the next entry to send; always above ``match``.
        is_waiting: Nothing is sent until an answer comes: one probe, or one piece of
            a snapshot, is on its way.
        in_flight_bytes: Sent and not acknowledged, while replicating.
        heard_at: When it last answered in this reign.
        round: The latest round of heartbeats that it echoed.
        sent_round: The round that was open when it was last sent something.
        snapshot: The one it is being sent.
        offset: Where its next piece begins.
        chunk_at: When the piece on its way was sent.
    """

    __slots__ = (
        "_in_flight",
        "chunk_at",
        "heard_at",
        "in_flight_bytes",
        "is_waiting",
        "match",
        "next",
        "offset",
        "round",
        "sent_round",
        "snapshot",
        "state",
    )

    def __init__(self, *, next_index: int, now_s: float) -> None:
        self.next = next_index
        self.match = 0
        self.state = PROBE
        self.is_waiting = False
        self.in_flight_bytes = 0
        self.heard_at = now_s
        self.round = 0
        self.sent_round = 0
        self.snapshot: SnapshotMeta | None = None
        self.offset = 0
        self.chunk_at = now_s
        self._in_flight: deque[tuple[int, int]] = deque()

    def sent(self, *, last_index: int, size_bytes: int, in_round: int) -> None:
        """Entries from ``next`` to ``last_index`` are on their way."""
        self.sent_round = in_round
        if self.state is PROBE:
            self.is_waiting = True
            return
        self.next = last_index + 1
        self._in_flight.append((last_index, size_bytes))
        self.in_flight_bytes += size_bytes

    def accepted(self, index: int) -> bool:
        """Its log equals ours up to ``index``; whether that is news.

        An answer to a probe ends the probing, also one that says nothing new.
        """
        is_news = index > self.match
        if is_news:
            self.match = index
            in_flight = self._in_flight
            while in_flight and in_flight[0][0] <= index:
                self.in_flight_bytes -= in_flight.popleft()[1]
        if self.state is PROBE or (
            self.snapshot is not None and index >= self.snapshot.index
        ):
            self.state = REPLICATE
            self.is_waiting = False
            self.snapshot = None
            self.next = self.match + 1
        elif self.next <= self.match:
            self.next = self.match + 1
        return is_news

    def refused(self, index: int, *, last_possible: int) -> bool:
        """Its log does not match at ``index``, nor anywhere after ``last_possible``;
        whether that is news.

        Old refusals, of a place that matches by now or is not the one being probed,
        mean nothing: stepping back for each is how a member is never caught up.
        """
        if index <= self.match or self.state is SNAPSHOT:
            return False
        if self.state is PROBE and index != self.next - 1:
            return False
        self.probe(min(index, last_possible + 1))
        return True

    def answered(self, *, in_round: int, last_index: int) -> bool:
        """A heartbeat was answered; whether that shows that something was lost.

        What was sent before that heartbeat has come before it, or never will.
        """
        if in_round > self.round:
            self.round = in_round
        if in_round <= self.sent_round:
            return False
        if self.state is PROBE and self.is_waiting:
            self.is_waiting = False
            return True
        if self.state is REPLICATE and self.match < self.next - 1:
            self.probe(min(last_index + 1, self.next))
            return True
        return False

    def link_changed(self, *, is_up: bool) -> None:
        """What was on its way may be lost. Without a link nothing is sent until it
        is back, or the member is heard."""
        if self.state is not SNAPSHOT:
            self.probe(self.match + 1 if self.match else self.next)
        self.is_waiting = not is_up

    def probe(self, next_index: int) -> None:
        """Seek the place where the logs part, from ``next_index`` on."""
        self.next = max(next_index, self.match + 1)
        self.state = PROBE
        self.is_waiting = False
        self._in_flight.clear()
        self.in_flight_bytes = 0

    def send_snapshot(self, meta: SnapshotMeta) -> None:
        """What it needs is forgotten: it shall have this instead, from the start."""
        self.probe(self.next)
        self.state = SNAPSHOT
        self.snapshot = meta
        self.offset = 0
