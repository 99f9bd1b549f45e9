"""Ends what a test's cluster leaves when the test's process is killed.

A program for itself, run by its path, of nothing but the standard library:

    python -I -S guard.py FOLDER GROUPS

It waits for the end of its standard input, whose other end that process holds. Nodes
see their own lifelines close and end by themselves, and end their tasks; but one that
is paused cannot, and tasks of an agent that was killed have nobody. FOLDER is that of
the cluster, GROUPS what the names of its control groups begin with. If ``done`` was
written to it, there is nothing to do. It hears no signal that a terminal sends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

DONE = b"done"
NODES_END_WITHIN_S = 12.0
"""A node that is left alone ends within ten seconds."""
GROUPS_GO_WITHIN_S = 2.0
_POLL_S = 0.05
_DAEMON = b"chaos.live.daemon"
_SANDBOX = b"MESOS_SANDBOX="


def main() -> None:
    """The program."""
    folder, groups = sys.argv[1], sys.argv[2]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    said = b""
    while more := os.read(0, 64):
        said += more
    if said != DONE:
        clean_up(os.fsencode(folder), groups)


def clean_up(folder: bytes, groups: str) -> None:
    """Returns when nothing of the cluster lives."""
    for pid in nodes_of(folder):
        _send(pid, signal.SIGCONT)
    deadline = time.monotonic() + NODES_END_WITHIN_S
    while nodes_of(folder) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    for pid in (*nodes_of(folder), *tasks_of(folder)):
        _send(pid, signal.SIGKILL)
    deadline = time.monotonic() + GROUPS_GO_WITHIN_S
    while left := list(_control_groups(groups)):
        for group in left:
            with contextlib.suppress(OSError):
                group.rmdir()
        if time.monotonic() > deadline:
            return
        time.sleep(_POLL_S)


def nodes_of(folder: bytes) -> list[int]:
    """Leader nodes and agents that keep something in the folder."""
    return [
        pid
        for pid, arguments in _read_all("cmdline")
        if _DAEMON in arguments
        and any(one.startswith(folder + b"/") for one in arguments)
    ]


def tasks_of(folder: bytes) -> list[int]:
    """Processes whose sandbox is in the folder."""
    wanted = _SANDBOX + folder + b"/"
    return [
        pid
        for pid, variables in _read_all("environ")
        if any(one.startswith(wanted) for one in variables)
    ]


def _read_all(name: str) -> Iterator[tuple[int, list[bytes]]]:
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            pid = int(path.name)
            if pid != os.getpid():
                yield pid, (path / name).read_bytes().split(b"\0")


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, number)


def _control_groups(prefix: str) -> Iterator[Path]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.split(" ")[0] in ("cgroup", "cgroup2"):
            yield from sorted(Path(before.split(" ")[4]).glob(f"{prefix}*"))


if __name__ == "__main__":
    main()
