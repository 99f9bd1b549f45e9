"""Frames on their way to one peer."""

from __future__ import annotations

import trio


class Outgoing:
    """What waits for the link that we dial to one peer; lost when the link is, as the
    promise of the mesh allows.

    Attributes:
        scope: Around the task that keeps the link.
        is_up: There is a link; without one frames are dropped.
        is_replaced: Another one is kept for the same peer, at another address.
    """

    def __init__(self, peer: str, address: str, frames_max: int) -> None:
        self.peer = peer
        self.address = address
        self.scope = trio.CancelScope()
        self.is_up = False
        self.is_replaced = False
        self._frames_max = frames_max
        self._frames: list[bytes] = []
        self._filled = trio.Event()
        self._answers = trio.Event()

    def put(self, frames: list[bytes]) -> None:
        """Queue frames for one write, all or none."""
        if self.is_up and len(self._frames) + len(frames) <= self._frames_max:
            self._frames += frames
            self._filled.set()

    async def take(self) -> list[bytes]:
        """All that waits; at least one frame. Cancel-safe. One task at a time."""
        await self._filled.wait()
        self._filled = trio.Event()
        frames, self._frames = self._frames, []
        return frames

    def set_up(self, is_up: bool) -> None:
        """A link came or went; nothing queued before goes to the next one."""
        self.is_up = is_up
        self._frames, self._filled = [], trio.Event()

    def seems_up(self) -> None:
        """The peer was heard just now: a dial would succeed."""
        self._answers.set()

    async def pause(self, seconds: float) -> bool:
        """Wait so long before the next dial, or until the peer was heard: then True."""
        self._answers = trio.Event()
        with trio.move_on_after(seconds):
            await self._answers.wait()
        return self._answers.is_set()

    def end_at(self, deadline: float) -> None:
        """The link and the dialling end then, on trio's clock."""
        self.scope.deadline = min(self.scope.deadline, deadline)
