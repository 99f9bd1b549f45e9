"""What a process says in its log from a moment on."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import attrs
import trio

POLL_INTERVAL_S = 0.1
BYTES_MAX = 1 << 20
"""Read from the mark on; what a node says in some seconds is far less."""
LINE_MAX = 300


@attrs.frozen(kw_only=True)
class LogMark:
    """A place in a log file: its end when this was made."""

    file: Path
    offset: int

    @classmethod
    def at_end(cls, file: Path) -> LogMark:
        """Of a file that may not be there yet."""
        return cls(file=file, offset=file.stat().st_size if file.exists() else 0)

    def line_with(self, words: Collection[str]) -> str:
        """The first line since then that has any of these, or "". Its beginning."""
        for line in self._since().splitlines():
            if any(word in line for word in words):
                return line.strip()[:LINE_MAX]
        return ""

    async def wait_line(self, words: Collection[str], *, timeout_s: float) -> str:
        """That line once it is there; "" if it does not come in time."""
        with trio.move_on_after(timeout_s):
            while True:
                if line := self.line_with(words):
                    return line
                await trio.sleep(POLL_INTERVAL_S)
        return ""

    def _since(self) -> str:
        try:
            with self.file.open("rb") as log:
                log.seek(self.offset)
                return log.read(BYTES_MAX).decode(errors="replace")
        except FileNotFoundError:
            return ""
