"""Writes the history of one process: a JSON object a line, and nothing gets lost.

Each record is one ``write`` to a file opened for appending, so what was written
survives SIGKILL of the writer, and a later life of it goes on in the same file. It
does not survive a power cut, and need not: the machine that runs the test stays up.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import TracebackType

import msgspec

from chaos.history.records import Record


def now_ns() -> int:
    """CLOCK_MONOTONIC, which all processes of a machine share."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


class HistoryWriter:
    """The history of one process. Use it as ``with HistoryWriter(path) as history:``.

    The folder must exist. ``write`` may be called from several threads. If an earlier
    life was ended in the middle of a line, that line is closed, and stays torn.
    Raises OSError where the file cannot be written, also in ``write``: a run whose
    history has holes must not go on.
    """

    def __init__(self, path: Path) -> None:
        self._encoder = msgspec.json.Encoder()
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o644)
        size = os.fstat(self._fd).st_size
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            os.write(self._fd, b"\n")

    def write(self, record: Record) -> None:
        """Append one record; it is in the kernel's hands when this returns."""
        line = memoryview(self._encoder.encode(record) + b"\n")
        while line:
            line = line[os.write(self._fd, line) :]

    def now_ns(self) -> int:
        """The clock of all histories."""
        return now_ns()

    def close(self) -> None:
        """Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> HistoryWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
