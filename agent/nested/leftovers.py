"""Kills the processes of nested containers that a dead agent left behind.

They carry a mark in their environment: the agent's name, and which of its lives they
were started in. Most have ended by themselves:
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


def mark(agent: str, life: str) -> str:
    """The value of MARKER for a process that is started now."""
    return f"{agent}#{life}"


async def kill_leftovers(agent: str, life: str) -> int:
    """Kill all processes of other lives of this agent; how many there were."""
    of_agent = f"{MARKER}={mark(agent, '')}".encode()
    own = of_agent + life.encode()
    count = quiet_rounds = 0
    for _ in range(ROUNDS_MAX):
        killed = _kill_round(of_agent, own)
        count += killed
        quiet_rounds = 0 if killed else quiet_rounds + 1
        if quiet_rounds == 2:
            return count
        await trio.sleep(LOOK_AGAIN_S)
    logger.error("processes of nested containers of a dead agent do not go away")
    return count


def _kill_round(of_agent: bytes, own: bytes) -> int:
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
            with open(f"/proc/{name}/environ", "rb", buffering=0) as file:  # noqa: PTH123 - unbuffered
                environment = file.readall() or b""
            entries = environment.split(b"\0")
            if any(e.startswith(of_agent) and e != own for e in entries):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                killed += 1
        except OSError:
            pass  # gone meanwhile, or somebody else's
        finally:
            os.close(pidfd)
    return killed
