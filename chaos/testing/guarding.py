"""Starting the guard of a cluster, and letting it go."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import attrs

from chaos.nemeses.process.cgroups import cgroup_prefix
from chaos.testing import guard

GO_WITHIN_S = 5.0


@attrs.frozen
class Guard:
    """A process that waits for our death to clean up (``chaos.testing.guard``).

    Start it before anything else, and release it when all has ended. One that is never
    released does its work when we end, or are ended.
    """

    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, folder: Path) -> Guard:
        """For the cluster in this folder. Raises OSError."""
        command = [sys.executable, "-I", "-S", guard.__file__]
        command += [str(folder), cgroup_prefix(folder)]
        return cls(
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        )

    def release(self) -> None:
        """It ends without doing anything. Idempotent."""
        stdin = self.process.stdin
        assert stdin is not None
        if stdin.closed:
            return
        try:
            stdin.write(guard.DONE)
            stdin.close()
        except BrokenPipeError:
            pass  # somebody has killed it
        try:
            self.process.wait(GO_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
