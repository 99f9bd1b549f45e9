"""What the mesh tells a member, between its steps."""

from __future__ import annotations

from collections.abc import Callable

import trio

from raftleader.replication.member.member import Member
from raftleader.replication.wire import PeerMessage


class MemberInbox:
    """Hands everything on at once, and asks for a step. See ``mesh.Inbox``.

    Attributes:
        is_closed: The member has ended and hears no more.
    """

    def __init__(self, member: Member, wake_up: Callable[[], None]) -> None:
        self.is_closed = False
        self._member = member
        self._wake_up = wake_up
        self._failure: Exception | None = None

    def raise_failure(self) -> None:
        """Raise what the member raised: a link's task is not to blame for it."""
        if self._failure is not None:
            raise self._failure

    def receive(self, peer: str, message: PeerMessage) -> None:
        """A message came from ``peer``."""
        if not self.is_closed:
            try:
                self._member.receive(peer, message, trio.current_time())
            except Exception as error:
                self._failure = error
            self._wake_up()

    def link_up(self, peer: str) -> None:
        """We can send to ``peer``."""
        if not self.is_closed:
            self._member.link_up(peer, trio.current_time())
            self._wake_up()

    def link_down(self, peer: str) -> None:
        """We can no longer send to ``peer``."""
        if not self.is_closed:
            self._member.link_down(peer)
            self._wake_up()

    def peer_lost(self, peer: str) -> None:
        """The link that ``peer`` sends on has ended."""
        if not self.is_closed:
            self._member.peer_lost(peer, trio.current_time())
            self._wake_up()
