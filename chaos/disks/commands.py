"""Running the programs that make and mount file systems."""

from __future__ import annotations

import os
import subprocess

import trio

from chaos.disks.errors import DiskError
from chaos.machine.tools import find_tool, path_with_tools

COMMAND_TIMEOUT_S = 20.0
"""They take milliseconds."""


async def run_tool(name: str, *arguments: str, good: tuple[int, ...] = (0,)) -> str:
    """What it says. Raises DiskError if it is not there, hangs, or ends otherwise
    than with one of ``good``. Not cancelled half-way."""
    path = find_tool(name)
    if path is None:
        raise DiskError(f"{name} is not installed")
    with trio.CancelScope(shield=True), trio.move_on_after(COMMAND_TIMEOUT_S) as scope:
        ended = await trio.run_process(
            [path, *arguments],
            stdin=b"",
            capture_stdout=True,
            stderr=subprocess.STDOUT,
            check=False,
            env={**os.environ, "PATH": path_with_tools(), "LC_ALL": "C"},
        )
    if scope.cancelled_caught:
        raise DiskError(f"{name} did not end within {COMMAND_TIMEOUT_S:g} s")
    text = ended.stdout.decode(errors="replace")
    if ended.returncode not in good:
        words = " ".join(text.split()) or f"exit code {ended.returncode}"
        raise DiskError(f"{name}: {words}")
    return text
