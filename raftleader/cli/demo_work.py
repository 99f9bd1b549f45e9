"""The demo's work: groups of files as tasks, let go in portions between the kills."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Future
from pathlib import Path

import attrs
import trio

from raftleader.cli.demo_words import add_up, count_words
from raftleader.errors import RaftLeaderError
from raftleader.framework import ClusterExecutor

WINDOW = 24
"""Tasks submitted beyond the next kill: so many go on while the leader is gone."""

STALL_TIMEOUT_S = 60.0
"""Far longer than a failover and a task together, on any machine."""

Part = dict[str, int]


class WorkStalledError(RaftLeaderError):
    """The tasks do not end: the cluster does not do its work."""


@attrs.define
class WordCount:
    """Submits the groups and gathers what comes back.

    ``limit`` holds back submissions, so that every kill falls into work that is
    going on, however fast the machine is.
    """

    executor: ClusterExecutor
    groups: Sequence[Sequence[str]]
    limit: int = 0
    submitted: int = 0
    parts: list[Part] = attrs.field(factory=list)
    problems: list[str] = attrs.field(factory=list)
    _changed: trio.Event = attrs.field(factory=trio.Event)

    @property
    def ended(self) -> int:
        """Tasks that ended, well or badly."""
        return len(self.parts) + len(self.problems)

    @property
    def total(self) -> Counter[str]:
        """The count over all that came back."""
        return add_up(self.parts)

    def allow(self, limit: int) -> None:
        """Let the first ``limit`` groups be submitted."""
        self.limit = min(limit, len(self.groups))
        self._change()

    async def wait_ended(self, count: int) -> None:
        """Until so many tasks have ended."""
        while self.ended < count:
            await self._changed.wait()

    async def wait_moving_to(self, count: int) -> None:
        """Like ``wait_ended``; raises WorkStalledError when nothing moves."""
        while self.ended < count:
            seen = self.ended
            with trio.move_on_after(STALL_TIMEOUT_S) as patience:
                await self.wait_ended(seen + 1)
            if patience.cancelled_caught:
                raise WorkStalledError(
                    f"no task ended for {STALL_TIMEOUT_S:g} s; {seen} of "
                    f"{len(self.groups)} had"
                )

    async def run(self) -> None:
        """Submit and gather until every task has ended."""
        token = trio.lowlevel.current_trio_token()
        send, receive = trio.open_memory_channel[Future[Part]](math.inf)

        def on_done(future: Future[Part]) -> None:  # in the executor's thread
            try:
                token.run_sync_soon(send.send_nowait, future)
            except trio.RunFinishedError:
                pass  # we were interrupted

        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._gather, receive)
            while self.submitted < len(self.groups):
                while self.submitted >= self.limit:
                    await self._changed.wait()
                group = list(self.groups[self.submitted])
                self.submitted += 1
                try:
                    future = self.executor.submit(count_words, group)
                except BrokenExecutor as error:
                    self.problems.append(f"a task could not be submitted: {error}")
                    self._change()
                else:
                    future.add_done_callback(on_done)
                await trio.lowlevel.checkpoint()

    async def _gather(self, done: trio.MemoryReceiveChannel[Future[Part]]) -> None:
        while self.ended < len(self.groups):
            future = await done.receive()
            error = future.exception()
            if error is None:
                self.parts.append(future.result())
            else:
                self.problems.append(f"a task failed: {error}")
            self._change()

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


def runs_by_task(log: Path) -> Counter[str]:
    """How often each piece of work was really begun, by the log the tasks write.

    The second and later attempts at one piece, ``000012.1``, count for it.
    """
    try:
        lines = log.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return Counter()
    return Counter(line.split()[0].partition(".")[0] for line in lines if line.strip())
