"""How much of a busy machine a process gets: the nice value.

A leader that waits for a processor behind tasks is late with its heartbeats, and may
lose its office for it. It needs little, but soon.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path

from raftleader.errors import ConfigError

logger = logging.getLogger(__name__)

NICE_MIN, NICE_MAX = -20, 19
LOCAL_LEADER_NICE = -10
"""Of leaders that stand on one machine with agents and their tasks."""


def check_nice(nice: int) -> None:
    """Raises ConfigError for what is no nice value."""
    if not NICE_MIN <= nice <= NICE_MAX:
        raise ConfigError(
            f"nice: expected {NICE_MIN} (most urgent) to {NICE_MAX}, got {nice}"
        )


AUTOGROUP = Path("/proc/self/autogroup")
"""Where Linux groups processes by session, nice values count within a session only,
and the session has one of its own: here (sched(7))."""


def be_nice(nice: int) -> None:
    """Give this process, while it has one thread, another priority; and its session,
    if it is alone in it.

    Without the permission it keeps its own, and says so."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    except PermissionError:
        logger.warning(
            "nice: %d is not allowed here (it takes CAP_SYS_NICE, or LimitNICE of"
            " systemd); going on with %d",
            nice,
            os.getpriority(os.PRIO_PROCESS, 0),
        )
        return
    if os.getsid(0) == os.getpid():
        # Not every kernel has it; where it is switched off it says so, by an error.
        with contextlib.suppress(OSError):
            AUTOGROUP.write_text(str(nice), encoding="ascii")


def may_be_urgent() -> bool:
    """Whether this process, and so its children, may lower its nice value."""
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice - 1)
    except PermissionError:
        return False
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    return True
