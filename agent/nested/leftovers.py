"""Kills the processes of nested containers that a dead agent left behind.

They carry a mark of the agent in their environment. Most have ended by themselves:
their terminal was hung up, or their pipes broke.
"""

from __future__ import annotations

import logging
import os
import signal

import trio

MARKER = "RAFTLEADER_AGENT"
ROUNDS_MAX = 50
"""A process may make others while it is being killed."""
LOOK_AGAIN_S = 0.05
"""A process that is just becoming another program shows no environment: nothing is
left only if nothing is found twice."""

logger = logging.getLogger(__name__)


async def kill_marked(marker: str) -> int:
    """Kill all processes with this mark; how many there were."""
    count = quiet_rounds = 0
    for _ in range(ROUNDS_MAX):
        killed = _kill_round(f"{MARKER}={marker}".encode())
        count += killed
        quiet_rounds = 0 if killed else quiet_rounds + 1
        if quiet_rounds == 2:
            return count
        await trio.sleep(LOOK_AGAIN_S)
    logger.error("processes of nested containers of a dead agent do not go away")
    return count


def _kill_round(mark: bytes) -> int:
    killed = 0
    for name in os.listdir("/proc"):  # noqa: PTH208 - names, not paths
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            # Opened before the proof is taken: a pid used again is never hit.
            pidfd = os.pidfd_open(int(name))
        except OSError:
            continue
        try:
            with open(f"/proc/{name}/environ", "rb", buffering=0) as file:  # noqa: PTH123
                environment = file.readall() or b""
            if mark in environment.split(b"\0"):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                killed += 1
        except OSError:
            pass  # gone meanwhile, or somebody else's
        finally:
            os.close(pidfd)
    return killed
