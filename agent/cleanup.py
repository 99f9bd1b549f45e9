"""Removes sandboxes of what has ended: the old ones, and the oldest of too many."""

from __future__ import annotations

import logging
import os
import shutil
from collections import deque
from pathlib import Path

import attrs
import trio

from agent.checkpoint import RunBlocking
from agent.config import AgentConfig
from agent.sandbox import LATEST

logger = logging.getLogger(__name__)

ROUND_INTERVAL_S = 60.0
BUSY_INTERVAL_S = 1.0
"""Between two rounds while there is more to remove."""

REMOVALS_PER_ROUND_MAX = 500
"""Bounds the work of a round; more than a machine starts tasks in the same time."""


@attrs.define(eq=False)
class Cleanup:
    """Remembers which sandboxes are of the past, in order of their end.

    Attributes:
        removed: Sandboxes removed since the start.
    """

    config: AgentConfig
    run_blocking: RunBlocking
    removed: int = attrs.field(default=0, init=False)
    _ended: deque[tuple[float, Path]] = attrs.field(factory=deque, init=False)
    _woken: trio.Event = attrs.field(factory=trio.Event, init=False)

    def add_ended(self, sandbox: str) -> None:
        """What used this sandbox ended just now."""
        self._ended.append((trio.current_time(), Path(sandbox)))

    def add_found(self, now_ms: int) -> None:
        """All sandboxes from before the agent started; nothing runs in any.

        Blocks. Their age counts from the last change of their folder.
        """
        found = []
        root = self.config.sandbox_root
        for folder in (*root.glob("*/tasks"), *root.glob("*/executors/*/runs")):
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        continue  # it leads to the latest run
                    modified_s = entry.stat(follow_symlinks=False).st_mtime
                    age_s = max(0.0, now_ms / 1000 - modified_s)
                    found.append((trio.current_time() - age_s, Path(entry.path)))
        self._ended.extend(sorted(found))

    async def run(self) -> None:
        """Clean up until cancelled; a removal that began is finished."""
        while True:
            is_done = await self.clean_once()
            await trio.sleep(ROUND_INTERVAL_S if is_done else BUSY_INTERVAL_S)

    async def clean_once(self) -> bool:
        """One round. False if the bounds ask for more than it was allowed."""
        for _ in range(REMOVALS_PER_ROUND_MAX):
            if not self._ended or not self._is_due():
                return True
            _, path = self._ended.popleft()
            await self.run_blocking(_remove, path)
            self.removed += 1
            # In the loop's own thread, where sandboxes are made: neither of these
            # can go between the making of a folder and of the sandbox in it.
            for folder in path.parents:
                if folder == self.config.sandbox_root:
                    break
                try:
                    _drop_latest(folder)
                    folder.rmdir()
                except OSError:
                    break  # not empty
        return False

    def _is_due(self) -> bool:
        if len(self._ended) > self.config.sandboxes_max:
            return True
        if trio.current_time() - self._ended[0][0] > self.config.sandbox_age_s_max:
            return True
        disk = shutil.disk_usage(self.config.work_dir)
        return disk.free < disk.total * self.config.disk_free_fraction_min


def _drop_latest(folder: Path) -> None:
    """The link to the latest run goes with the run it leads to."""
    latest = folder / LATEST
    if latest.is_symlink() and not latest.exists():
        latest.unlink()


def _remove(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        logger.warning("cannot remove the sandbox %s: %s", path, error)
