"""A process beside the cluster's own, which ends when it should, or when we do."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import trio


@attrs.define(kw_only=True)
class SecondProcess:
    """A running process. It has the read end of a pipe whose other end is ours alone:
    given as ``--die-with-fd``, or as its standard input, it can see us end."""

    process: trio.Process
    log_file: Path
    lifeline_fd: int | None

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        log_file: Path,
        environment: Mapping[str, str],
        has_lifeline_flag: bool,
    ) -> SecondProcess:
        """Raises OSError."""
        read_end, write_end = os.pipe()
        flag = ["--die-with-fd", str(read_end)] if has_lifeline_flag else []
        try:
            with log_file.open("ab") as log, trio.CancelScope(shield=True):
                process = await trio.lowlevel.open_process(
                    [*command, *flag],
                    stdin=subprocess.DEVNULL if has_lifeline_flag else read_end,
                    stdout=log,
                    stderr=log,
                    pass_fds=(read_end,) if has_lifeline_flag else (),
                    start_new_session=True,
                    env=dict(environment),
                )
        except BaseException:
            os.close(write_end)
            raise
        finally:
            os.close(read_end)
        return cls(process=process, log_file=log_file, lifeline_fd=write_end)

    async def wait_ended(self, *, timeout_s: float) -> int | None:
        """Its exit code; None if it still runs then."""
        with trio.move_on_after(timeout_s):
            return await self.process.wait()
        return None

    async def end(self) -> None:
        """It is gone and reaped. Idempotent."""
        with trio.CancelScope(shield=True):
            if self.process.returncode is None:
                self.process.kill()
                await self.process.wait()
            if self.lifeline_fd is not None:
                os.close(self.lifeline_fd)
                self.lifeline_fd = None
