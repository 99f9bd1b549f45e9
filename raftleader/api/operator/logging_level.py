"""How much this node logs, changed for a while: SET_LOGGING_LEVEL, /logging/toggle.

Mesos counts verbosity from 0; here 0 is what the node was started with, and any more
is DEBUG. The level is that of the process.
"""

from __future__ import annotations

import logging

import trio

DURATION_S_MAX = 24 * 3600.0
"""Longest time of a changed level: a forgotten one fills disks."""


class LoggingLevel:
    """The level of ``logger``, by default of all that is ours."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger()
        self._original: int | None = None
        self._scope: trio.CancelScope | None = None

    @property
    def level(self) -> int:
        """0, or 1 while it is raised."""
        return 0 if self._original is None else 1

    def set(self, level: int, duration_s: float) -> None:
        """Change the level for this time; 0 ends an earlier change. A later change
        counts for its own time. To be called within trio."""
        self._revert()
        if level > 0:
            self._original = self._logger.level
            self._logger.setLevel(logging.DEBUG)
            self._scope = trio.CancelScope()
            trio.lowlevel.spawn_system_task(
                self._revert_after, self._scope, min(duration_s, DURATION_S_MAX)
            )

    async def _revert_after(self, scope: trio.CancelScope, duration_s: float) -> None:
        with scope:
            await trio.sleep(duration_s)
            self._revert()

    def _revert(self) -> None:
        if self._scope is not None:
            self._scope.cancel()
            self._scope = None
        if self._original is not None:
            self._logger.setLevel(self._original)
            self._original = None
