"""What a task or executor writes, read from the files of its sandbox as they grow.

Their output goes straight into files, so that nothing is lost of it when the agent
ends. Whoever attaches to it reads these: from the beginning, or of much the end, and
then on as long as the container runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import attrs
import trio

from agent.checkpoint import RunBlocking
from agent.file_access import open_file
from agent.nested.output import Piece, Source
from agent.sandbox import STDERR, STDOUT
from agent.view import AgentView, ContainerEnd, ContainerView
from raftleader.errors import InvalidInputError

READ_BYTES = 64 * 1024
"""Of one file, handed out in one go."""
BEFORE_BYTES_MAX = 1024 * 1024
"""Of each file, what was written before somebody attached: the newest."""
LOOK_S_MIN = 0.05
LOOK_S_MAX = 0.5
"""Between two looks at files that do not grow; longer the longer they do not."""
_NAMES = {Source.STDOUT: STDOUT, Source.STDERR: STDERR}


@attrs.define(eq=False)
class _File:
    """One of the two. Its task may do anything to it: it may come late, be made
    shorter, or never be there."""

    root: Path
    path: str
    _fd: int = attrs.field(default=-1, init=False)
    _offset: int = attrs.field(default=0, init=False)

    def read_next(self) -> bytes:
        """What was added, up to READ_BYTES. Blocks."""
        try:
            if self._fd < 0:
                self._fd = open_file(self.root, self.path)
                self._offset = os.fstat(self._fd).st_size - BEFORE_BYTES_MAX
            size = os.fstat(self._fd).st_size
            if size < self._offset:
                self._offset = 0
            self._offset = max(0, self._offset)
            data = os.pread(self._fd, READ_BYTES, self._offset)
        except (OSError, InvalidInputError):
            return b""
        self._offset += len(data)
        return data

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


@attrs.define(eq=False)
class FollowedOutput:
    """The output of one container of the agent itself. To be closed."""

    view: AgentView
    container: ContainerView
    root: Path
    run_blocking: RunBlocking
    was_cut: bool = False
    _files: dict[Source, _File] = attrs.field(init=False)
    _ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    _stop_watching: Callable[[], None] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        sandbox = self.container.sandbox
        self._files = {
            source: _File(self.root, f"{sandbox}/{name}")
            for source, name in _NAMES.items()
        }
        self._stop_watching = self.view.watch_ends(self._on_end)
        if self.view.find_container(self.container.container_id) is None:
            self._ended.set()

    async def receive(self) -> list[Piece]:
        """What was added, in the order of each file, once there is something; empty
        at the end. Cancel-safe: nothing is lost then."""
        look_s = LOOK_S_MIN
        while True:
            # Looked at before reading: what is written before the end is read.
            has_ended = self._ended.is_set()
            pieces: list[Piece] = await self.run_blocking(self._read_next)
            if pieces or has_ended:
                return pieces
            with trio.move_on_after(look_s):
                await self._ended.wait()
            look_s = min(2 * look_s, LOOK_S_MAX)

    def close(self) -> None:
        """Read no more. Idempotent."""
        self._stop_watching()
        self._stop_watching = _nothing
        for file in self._files.values():
            file.close()

    def _read_next(self) -> list[Piece]:
        pieces = ((source, file.read_next()) for source, file in self._files.items())
        return [(source, data) for source, data in pieces if data]

    def _on_end(self, end: ContainerEnd) -> None:
        if end.container_id == self.container.container_id:
            self._ended.set()


def _nothing() -> None:
    """Nobody watches any more."""
