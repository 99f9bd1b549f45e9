"""The subscription of a framework, as a pure machine: whom to ask, and when.

SEEKING -> SUBSCRIBING -> SUBSCRIBED -> SEEKING ... -> ENDED

*Seeking* must be quick after a failover and gentle in a long outage, and a
SUBSCRIBE must not be sent twice at once: the later one would throw out the
earlier. So leaders are first looked for with harmless probes (a GET of the
scheduler endpoint: a node that leads answers 405, another one redirects with 307
or answers 503), several of which may be in flight, and only the node that says
it leads is sent the SUBSCRIBE.

The machine does no IO and reads no clock: every method is told ``now_s``, of any
clock that does not go back.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from raftleader.errors import ApiError, RaftLeaderError
from raftleader.framework.errors import FrameworkEndedError
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.scheduler_api import Subscribed

if TYPE_CHECKING:
    import random

MISSED_HEARTBEATS_MAX = 3
"""Heartbeats that may fail to come before the stream is given up."""
SILENCE_S = 2.0
"""After so long without an event the leader is asked whether it still leads: a
paused leader, or one beyond a cut, sends no end of stream."""
QUICK_PROBES = 12
"""Probes sent 20-50 ms apart after a loss: an election takes some 0.3 s."""
QUICK_S_MIN, QUICK_S_MAX = 0.020, 0.050
SLOW_S_MAX = 1.0
"""Longest time between two probes in a long outage."""
SLOW_FACTOR = 1.5
CANDIDATES_MAX = 16
"""Addresses remembered; those learnt from redirects go first."""
DOUBT_S = 30.0
"""A SUBSCRIBE that was given up may still be carried out within this time, and
then throws out its successor: that is no reason to end."""

FAILED_OVER = "Framework failed over"


class Phase(enum.Enum):
    """Where the session is."""

    SEEKING = "seeking"
    SUBSCRIBING = "subscribing"
    SUBSCRIBED = "subscribed"
    ENDED = "ended"


@attrs.frozen
class Probe:
    """Ask ``address`` whether it leads, now."""

    address: str


@attrs.frozen
class Wait:
    """Nothing to send before ``until_s``, unless an answer comes."""

    until_s: float


@attrs.define(eq=False)
class Session:
    """One framework's subscription. Give it ``leaders`` to begin with.

    Attributes:
        framework_id: What to re-subscribe with; None until the first SUBSCRIBED.
        leader: Whom to send SUBSCRIBE (SUBSCRIBING) or calls (SUBSCRIBED).
        failovers: Re-subscriptions so far.
        gaps_s: For each of them, the seconds from losing the stream to SUBSCRIBED.
        error: Why the session ENDED.
    """

    leaders: Sequence[str]
    rng: random.Random
    missed_heartbeats_max: int = MISSED_HEARTBEATS_MAX
    framework_id: FrameworkId | None = None
    phase: Phase = attrs.field(default=Phase.SEEKING, init=False)
    leader: str | None = attrs.field(default=None, init=False)
    failovers: int = attrs.field(default=0, init=False)
    gaps_s: list[float] = attrs.field(factory=list, init=False)
    error: RaftLeaderError | None = attrs.field(default=None, init=False)
    _candidates: deque[str] = attrs.field(init=False)
    _urgent: deque[str] = attrs.field(factory=deque, init=False)
    _asked_s: dict[str, float] = attrs.field(factory=dict, init=False)
    _in_flight: set[str] = attrs.field(factory=set, init=False)
    _next_s: float = attrs.field(default=0.0, init=False)
    _probes: int = attrs.field(default=0, init=False)
    _refusals: int = attrs.field(default=0, init=False)
    _lost_s: float | None = attrs.field(default=None, init=False)
    _heard_s: float = attrs.field(default=0.0, init=False)
    _heartbeat_s: float = attrs.field(default=15.0, init=False)
    _doubtful_until_s: float | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        assert self.leaders, "a session needs at least one leader address"
        self._candidates = deque(dict.fromkeys(self.leaders))

    # --- Seeking ------------------------------------------------------------------

    def next_step(self, now_s: float) -> Probe | Wait:
        """What to do next while SEEKING."""
        assert self.phase is Phase.SEEKING
        while self._urgent:
            address = self._urgent.popleft()
            if address not in self._in_flight:
                return self._probe(address, now_s)
        if now_s < self._next_s:
            return Wait(self._next_s)
        for _ in range(len(self._candidates)):
            address = self._candidates[0]
            self._candidates.rotate(-1)
            if address not in self._in_flight:
                self._next_s = now_s + self._spacing_s()
                return self._probe(address, now_s)
        self._next_s = now_s + self._spacing_s()
        return Wait(self._next_s)

    def _probe(self, address: str, now_s: float) -> Probe:
        self._probes += 1
        self._in_flight.add(address)
        self._asked_s[address] = now_s
        return Probe(address)

    def _spacing_s(self) -> float:
        if self._probes < QUICK_PROBES:
            return self.rng.uniform(QUICK_S_MIN, QUICK_S_MAX)
        exponent = min(self._probes - QUICK_PROBES, 20)
        longest = min(QUICK_S_MAX * SLOW_FACTOR**exponent, SLOW_S_MAX)
        return self.rng.uniform(longest / 2, longest)

    def probe_answered(
        self, address: str, status: int, location: str | None, now_s: float
    ) -> None:
        """A node answered a probe; ``location`` is the address it redirects to."""
        self._in_flight.discard(address)
        if self.phase is not Phase.SEEKING:
            return
        self._refusals = 0
        if location is not None:
            self._learn(location, now_s)
        elif status < 500 and status != 429:
            # 405 as a rule. Anything else it may have against a GET (401, 404)
            # SUBSCRIBE will hear too, and can tell the user.
            self.phase = Phase.SUBSCRIBING
            self.leader = address

    def probe_failed(self, address: str, now_s: float) -> None:
        """No answer. A node that refuses at once costs no time: the next is asked.

        At most once around, so that a cluster that is all down is not hammered.
        """
        self._in_flight.discard(address)
        is_quick = now_s - self._asked_s.get(address, now_s) < QUICK_S_MIN
        if is_quick and self._refusals < len(self._candidates) - 1:
            self._refusals += 1
            self._next_s = now_s
        else:
            self._refusals = 0

    def _learn(self, address: str, now_s: float) -> None:
        if address in self._candidates:
            self._candidates.remove(address)
        self._candidates.appendleft(address)
        while len(self._candidates) > CANDIDATES_MAX:
            self._candidates.pop()
        # Two nodes that redirect to each other, or to one that is dead, must not
        # make us spin: an address is asked out of turn only now and then.
        if now_s - self._asked_s.get(address, float("-inf")) >= QUICK_S_MIN:
            self._urgent.append(address)

    # --- Subscribing ----------------------------------------------------------------

    def subscribe_refused(
        self, status: int, text: str, location: str | None, now_s: float
    ) -> None:
        """SUBSCRIBE was answered with something else than a stream."""
        assert self.phase is Phase.SUBSCRIBING
        if location is None and 400 <= status < 500 and status not in (408, 429):
            self._end(ApiError(status, text))
            return
        self._seek(now_s)
        if location is not None:
            self._learn(location, now_s)

    def subscribe_failed(self, now_s: float, *, may_happen: bool) -> None:
        """SUBSCRIBE got no answer; ``may_happen`` if it may have been sent."""
        assert self.phase is Phase.SUBSCRIBING
        if may_happen:
            self._doubtful_until_s = now_s + DOUBT_S
        self._seek(now_s)

    def subscribed(self, event: Subscribed, now_s: float) -> None:
        """SUBSCRIBED came: the stream is open."""
        assert self.phase is Phase.SUBSCRIBING
        self.phase = Phase.SUBSCRIBED
        self.framework_id = event.framework_id
        if event.heartbeat_interval_s > 0:
            self._heartbeat_s = event.heartbeat_interval_s
        if self._lost_s is not None:
            self.failovers += 1
            self.gaps_s.append(now_s - self._lost_s)
            self._lost_s = None
        self._heard_s = now_s
        self._probes = self._refusals = 0

    # --- Subscribed -----------------------------------------------------------------

    def heard(self, now_s: float) -> None:
        """Something came on the stream."""
        self._heard_s = now_s

    @property
    def silent_at_s(self) -> float:
        """When a stream still silent should be looked into with a probe."""
        return self._heard_s + min(SILENCE_S, self._heartbeat_s)

    @property
    def lost_at_s(self) -> float:
        """When a stream still silent is lost, whatever probes say."""
        return self._heard_s + self._heartbeat_s * self.missed_heartbeats_max

    def stream_lost(self, now_s: float) -> None:
        """The stream ended, broke or fell silent: look for a leader at once."""
        assert self.phase is Phase.SUBSCRIBED
        self._lost_s = now_s
        lost, self._probes = self.leader, 0
        self._seek(now_s)
        self._next_s = now_s
        assert lost is not None
        if lost in self._candidates:  # ask it last: most likely it is down
            self._candidates.remove(lost)
            self._candidates.append(lost)

    def error_received(self, message: str, now_s: float) -> None:
        """An ERROR event came. The session ends, but for one case (DOUBT_S)."""
        doubtful_until_s, self._doubtful_until_s = self._doubtful_until_s, None
        is_own_echo = (
            message == FAILED_OVER
            and doubtful_until_s is not None
            and now_s < doubtful_until_s
        )
        if not is_own_echo:
            self._end(FrameworkEndedError(message))
        elif self.phase is Phase.SUBSCRIBED:
            self.stream_lost(now_s)
        else:
            self._seek(now_s)

    def _seek(self, now_s: float) -> None:
        self.phase = Phase.SEEKING
        self.leader = None
        self._in_flight.clear()
        self._urgent.clear()
        self._next_s = now_s + self._spacing_s()

    def _end(self, error: RaftLeaderError) -> None:
        self.phase = Phase.ENDED
        self.leader = None
        self.error = error
