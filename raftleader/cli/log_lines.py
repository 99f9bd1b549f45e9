"""Log lines: one line an event, its fields behind it, on standard error.

``logger.info("agent registered", extra={"agent_id": "a-1"})`` becomes
``2031-04-01T12:00:00.123Z INFO raftleader.node: agent registered agent_id=a-1``.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TextIO

from raftleader.errors import ConfigError

LOG_LEVELS = ("debug", "info", "warning", "error")

_STANDARD = frozenset(
    {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
)


class EventFormatter(logging.Formatter):
    """Time (UTC), level, who, what, fields; never more than one line."""

    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields = "".join(
            f" {key}={_quoted(value)}"
            for key, value in sorted(vars(record).items())
            if key not in _STANDARD
        )
        text = (
            f"{seconds}.{int(record.msecs):03d}Z {record.levelname} {record.name}: "
            f"{record.getMessage()}{fields}"
        )
        if record.exc_info:
            text += f" | {self.formatException(record.exc_info)}"
        return text.replace("\r", "\\r").replace("\n", "\\n")


def set_up_logging(level: str, *, stream: TextIO | None = None) -> None:
    """Send log lines of at least ``level`` to ``stream``. Raises ConfigError."""
    if level not in LOG_LEVELS:
        raise ConfigError(f"log_level: {level!r} is none of {', '.join(LOG_LEVELS)}")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(EventFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def _quoted(value: object) -> str:
    text = str(value)
    return (
        repr(text)
        if not text or any(c.isspace() or c in "'\"=" for c in text)
        else text
    )
