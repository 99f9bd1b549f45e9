"""Calls that fail or wait, by a tracer: where nothing could be compiled.

``strace`` stops the process at each of these calls, so it is slower than it is told to
be; and it knows no paths here: all files of the process are concerned. It ends with the
process' life.
"""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from chaos.disks.errors import DiskError
from chaos.machine.tools import find_tool

ATTACH_WITHIN_S = 5.0
_CALLS = "fsync,fdatasync"


async def trace_syncs(
    pid: int, *, error: int = 0, delay_ms: int = 0, times: int = -1
) -> Callable[[], Awaitable[None]]:
    """From now on the syncs of this process wait, and fail with an errno, the next
    ``times`` of them or all; until what is returned is called.

    Raises DiskError if strace cannot be attached. Cancelled, nothing stays.
    """
    strace = find_tool("strace")
    if strace is None:
        raise DiskError("strace is not installed")
    what = f"inject={_CALLS}"
    if error:
        what += f":error={errno.errorcode[error]}"
    if delay_ms:
        what += f":delay_enter={delay_ms * 1000}"
    if times > 0:
        what += f":when=1..{times}"
    process = await trio.lowlevel.open_process(
        [
            *(strace, "-f", "-p", str(pid), "-o", "/dev/null"),
            *("-e", f"trace={_CALLS}", "-e", what),
        ],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        await _wait_attached(process)
    except BaseException:
        await _detach(process)
        raise
    return partial(_detach, process)


async def _wait_attached(process: trio.Process) -> None:
    said = b""
    assert process.stderr is not None
    with trio.move_on_after(ATTACH_WITHIN_S):
        while b" attached" not in said:
            piece = await process.stderr.receive_some()
            if not piece:
                break
            said += piece
    if b" attached" not in said:
        words = " ".join(said.decode(errors="replace").split())
        raise DiskError(f"strace cannot be attached: {words or 'it says nothing'}")


async def _detach(process: trio.Process) -> None:
    with trio.CancelScope(shield=True):
        if process.returncode is None:
            process.terminate()
        await process.wait()
        assert process.stderr is not None
        await process.stderr.aclose()
