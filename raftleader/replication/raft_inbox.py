"""What the mesh tells a member, between its steps.

A step may wait for the disk, and the event loop goes on meanwhile. What comes then is
kept, in order, until the step has ended. It is bounded by what peers may have on its
way to us (``RaftSettings.window_bytes_max`` each).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import trio

from raftleader.replication.member.member import Member
from raftleader.replication.wire import PeerMessage


class MemberInbox:
    """Hands everything on, and asks for a step. See ``mesh.Inbox``.

    Attributes:
        is_closed: The member has ended and hears no more.
        is_held: A step is under way, since ``held_at``: nothing is handed on.
    """

    def __init__(self, member: Member, wake_up: Callable[[], None]) -> None:
        self.is_closed = False
        self.is_held = False
        self.held_at = 0.0
        self._kept: list[Callable[[], None]] = []
        self._member = member
        self._wake_up = wake_up
        self._failure: Exception | None = None

    def raise_failure(self) -> None:
        """Raise what the member raised: a link's task is not to blame for it."""
        if self._failure is not None:
            raise self._failure

    def hold(self) -> None:
        """A step begins."""
        self.is_held = True
        self.held_at = trio.current_time()

    def release(self) -> None:
        """It has ended: hand on what came meanwhile."""
        self.is_held = False
        kept, self._kept = self._kept, []
        for hand_on in kept:
            self._tell(hand_on)

    def receive(self, peer: str, message: PeerMessage) -> None:
        """A message came from ``peer``."""
        now_s = trio.current_time()
        self._tell(partial(self._member.receive, peer, message, now_s))

    def link_up(self, peer: str) -> None:
        """We can send to ``peer``."""
        self._tell(partial(self._member.link_up, peer, trio.current_time()))

    def link_down(self, peer: str) -> None:
        """We can no longer send to ``peer``."""
        self._tell(partial(self._member.link_down, peer))

    def peer_lost(self, peer: str) -> None:
        """The link that ``peer`` sends on has ended."""
        self._tell(partial(self._member.peer_lost, peer, trio.current_time()))

    def _tell(self, hand_on: Callable[[], None]) -> None:
        if self.is_closed:
            return
        if self.is_held:
            self._kept.append(hand_on)
        else:
            try:
                hand_on()
            except Exception as error:
                self._failure = error
        self._wake_up()
