"""What can be set about the replicated log, with the reason for each default."""

from __future__ import annotations

import attrs

from raftleader.errors import ConfigError
from raftleader.limits import KEEP_ENTRIES, SNAPSHOT_ENTRIES

STEP_BYTES_MAX = 80 * 1024 * 1024
"""What comes in one step, and one entry more, must fit one write of the journal."""


@attrs.frozen(kw_only=True)
class RaftSettings:
    """Timing and limits of one node. The same on every node of a cluster.

    Attributes:
        heartbeat_s: Between two messages of a leader to each follower.
        election_timeout_min_s: A follower waits at least this long for its leader;
            four heartbeats, so that one late one harms nothing.
        election_timeout_max_s: And at most this long; the spread avoids split votes.
        leader_fallback_s: A leader that no majority has answered for this long
            steps down: soon after a successor may have been elected.
        pending_max: Proposals at once; more are refused as overload.
        pending_bytes_max: Bytes of proposals at once.
        entry_bytes_max: Largest entry; with ``append_bytes_max`` below a frame.
        append_bytes_max: Entries of one message: several small entries, or one.
        window_bytes_max: Sent to one follower and not yet acknowledged. Catching up
            a long log therefore neither floods memory nor starves heartbeats.
        outbox_frames_max: Frames waiting for one slow link; more are dropped, which
            the protocol survives as it survives any loss.
        ping_interval_s: Between pings on a link.
        silence_s: A link without an answer for so long is replaced. Short, since a
            TCP link that outlived a partition would else wait for its retransmit
            timer, minutes after the network is back.
        handshake_s: For a dial and the first answer on a link.
        redial_min_s: First pause before a dial is repeated. A node that comes back
            must hear a heartbeat well within its election timeout.
        redial_max_s: Longest pause.
        snapshot_entries: Applied since the last snapshot when the next is taken: about
            a second of applying them again at a start.
        snapshot_bytes: Or so many bytes of entries.
        keep_entries: Kept before a snapshot: a follower that is no further behind
            gets them, instead of the snapshot.
        segment_bytes: Of a file of the journal, reserved at once.
    """

    heartbeat_s: float = 0.05
    election_timeout_min_s: float = 0.20
    election_timeout_max_s: float = 0.40
    leader_fallback_s: float = 0.45
    pending_max: int = 10_000
    pending_bytes_max: int = 64 * 1024 * 1024
    entry_bytes_max: int = 32 * 1024 * 1024
    append_bytes_max: int = 1024 * 1024
    window_bytes_max: int = 8 * 1024 * 1024
    outbox_frames_max: int = 4096
    ping_interval_s: float = 0.3
    silence_s: float = 1.0
    handshake_s: float = 1.0
    redial_min_s: float = 0.02
    redial_max_s: float = 0.2
    snapshot_entries: int = SNAPSHOT_ENTRIES
    snapshot_bytes: int = 64 * 1024 * 1024
    keep_entries: int = KEEP_ENTRIES
    segment_bytes: int = 64 * 1024 * 1024

    def __attrs_post_init__(self) -> None:
        for field in attrs.fields(RaftSettings):
            if getattr(self, field.name) <= 0:
                raise ConfigError(f"{field.name} must be more than 0")
        self._require_above("election_timeout_min_s", "heartbeat_s", 3)
        self._require_above("election_timeout_max_s", "election_timeout_min_s")
        self._require_above("leader_fallback_s", "election_timeout_max_s")
        self._require_above("silence_s", "ping_interval_s", 2)
        if self.entry_bytes_max + self.append_bytes_max > 48 * 1024 * 1024:
            raise ConfigError("entry_bytes_max: a message would exceed 48 MiB")
        for name in ("pending_bytes_max", "window_bytes_max"):
            if getattr(self, name) > STEP_BYTES_MAX:
                raise ConfigError(f"{name}: more than {STEP_BYTES_MAX} bytes at once")

    def _require_above(self, name: str, other: str, times: int = 1) -> None:
        if getattr(self, name) <= times * getattr(self, other):
            factor = f"{times} times " if times > 1 else ""
            raise ConfigError(f"{name} must be more than {factor}{other}")
