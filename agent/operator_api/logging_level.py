"""How much the agent logs, raised for a while by SET_LOGGING_LEVEL."""

from __future__ import annotations

import logging

import attrs
import trio

DURATION_S_MAX = 24 * 3600.0
"""A level that nobody takes back must not fill the disk for ever."""
_NAMES = ("agent", "raftleader", "transports")


@attrs.define(eq=False)
class LoggingLevel:
    """Verbosity as Mesos counts it: 0 is as configured, anything above is DEBUG.

    ``run`` has to run, or else a level stays until the next one is set.
    """

    level: int = 0
    _until: float = attrs.field(default=0.0, init=False)
    _set: trio.Event = attrs.field(factory=trio.Event, init=False)

    def set(self, level: int, duration_s: float) -> None:
        """Set it for so long."""
        self.level = level
        for name in _NAMES:
            wanted = logging.DEBUG if level > 0 else logging.NOTSET
            logging.getLogger(name).setLevel(wanted)
        self._until = trio.current_time() + min(duration_s, DURATION_S_MAX)
        self._set.set()

    async def run(self) -> None:
        """Take levels back when their time is over; the last one when cancelled."""
        try:
            while True:
                self._set = trio.Event()
                if self.level == 0:
                    await self._set.wait()
                    continue
                with trio.move_on_at(self._until):
                    await self._set.wait()
                    continue
                self.set(0, 0.0)
        finally:
            if self.level:
                self.set(0, 0.0)
