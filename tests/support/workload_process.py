"""A workload as a process, on a cluster that somebody else has."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.up_cluster import eventually

from chaos.history.merge import read_history
from chaos.history.records import Happening, Record
from raftleader.cli.local_process import child_environment

TIMEOUT_S = 30.0


class WorkloadProcess:
    """``python -m chaos.workloads.main KIND``, started at once."""

    def __init__(
        self, folder: Path, kind: str, name: str, leaders: Sequence[str]
    ) -> None:
        self.name = name
        self.kind = kind
        self.history = folder / f"{name}.jsonl"
        self.errors = folder / f"{name}.err"
        self._folder = folder
        self._leaders = leaders
        self.start()

    def start(self) -> None:
        """Another life."""
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "chaos.workloads.main", self.kind),
                    *("--name", self.name, "--seed", "7", "--pace", "1.5"),
                    *("--leaders", ",".join(self._leaders)),
                    *("--history", str(self.history)),
                    *("--state", str(self._folder / f"{self.name}.state")),
                ],
                env=child_environment(),
                stderr=errors,
            )

    def kill(self) -> None:
        """SIGKILL, and wait for it."""
        self.process.kill()
        self.process.wait(TIMEOUT_S)

    def tell_to_settle(self) -> None:
        self.process.send_signal(signal.SIGUSR1)

    def wait_told(self, what: str, *, count: int = 1) -> Any:
        """Until it has told so of itself ``count`` times; the last value."""

        def look() -> list[Any] | None:
            found = self.told(what)
            return found if len(found) >= count else None

        return eventually(look, f"{what} of {self.name}", TIMEOUT_S)[-1]

    def end(self) -> int:
        """TERM; the exit code."""
        self.process.terminate()
        return self.process.wait(TIMEOUT_S)

    def close(self) -> None:
        """Whatever happened."""
        if self.process.poll() is None:
            self.kill()

    @property
    def records(self) -> list[Record]:
        return read_history(self.history) if self.history.exists() else []

    def told(self, what: str) -> list[Any]:
        """Values of its happenings of this name."""
        return [
            record.value
            for record in self.records
            if isinstance(record, Happening) and record.what == what
        ]
