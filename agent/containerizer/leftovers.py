"""Kills what is left of the tasks of an agent that died.

Of a task's processes we know the one we started, by pid and start time, and with it
its session. Others are known by their environment: they carry the task's
MESOS_SANDBOX and MESOS_TASK_ID (an executor's MESOS_EXECUTOR_ID), also those that made
a session of their own, and those whose start the agent had no time to note. Signals go
through pidfds that were opened before the proof was taken, so a pid that is used again
is never hit.
"""

from __future__ import annotations

import logging
import os
import select
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import trio

from agent.containerizer.interface import Leftover
from agent.records import ExecutorRun, ProcessKey

logger = logging.getLogger(__name__)

ROUNDS_MAX = 50
"""A process may make others while it is being killed: look again until none is
found, but not for ever."""

LOOK_AGAIN_S = 0.05
"""A process that is just becoming another program shows no environment: nothing is
left only if nothing is found twice."""

ROUND_TIMEOUT_S = 2.0
"""What was sent KILL is gone at once, unless the kernel holds it."""

_IDS = (b"MESOS_TASK_ID", b"MESOS_EXECUTOR_ID")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@attrs.frozen
class _Stat:
    parent: int
    session: int
    start_ticks: int
    is_over: bool


def read_boot_id() -> str:
    """Names the time since the machine was started."""
    return _BOOT_ID.read_text().strip()


def start_ticks_of(pid: int) -> int | None:
    """When a process started, in ticks since boot; None if there is none.

    From /proc itself: psutil's create time is in seconds of wall time, and moves
    when the clock is set.
    """
    stat = _stat_of(pid)
    return stat.start_ticks if stat else None


async def kill_leftovers(leftovers: Sequence[Leftover], *, boot_id: str) -> int:
    """See ``Containerizer.kill_leftovers``."""
    if not leftovers:
        return 0
    killed = quiet_rounds = 0
    sessions: set[int] = set()
    for _ in range(ROUNDS_MAX):
        pidfds, sessions = _kill_round(leftovers, boot_id, sessions)
        if not pidfds:
            quiet_rounds += 1
            if quiet_rounds == 2:
                return killed
            await trio.sleep(LOOK_AGAIN_S)
            continue
        quiet_rounds = 0
        killed += len(pidfds)
        is_gone = await _wait_gone(pidfds)
        if not is_gone:
            break
    logger.error("processes of tasks of the agent that died do not go away")
    return killed


def _kill_round(
    leftovers: Sequence[Leftover], boot_id: str, killed_sessions: set[int]
) -> tuple[list[int], set[int]]:
    """Send KILL to each that is found now: their pidfds, and our tasks' sessions of
    which one was hit.

    A session is known by its leader, or because it had members in the round before
    (``killed_sessions``): what they made meanwhile belongs to it.
    """
    leaders = {
        item.mark.pid: item.mark.start_ticks
        for item in leftovers
        if item.mark is not None and item.mark.boot_id == boot_id
    }
    sessions = killed_sessions | {
        pid for pid, ticks in leaders.items() if start_ticks_of(pid) == ticks
    }
    owners = {(item.sandbox, _id_of(item.key)) for item in leftovers}
    pidfds: list[int] = []
    hit: set[int] = set()
    for pid in _pids():
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            continue
        try:
            stat = _stat_of(pid)
            if (
                stat is not None
                and not stat.is_over
                and (stat.session in sessions or not owners.isdisjoint(_owners_of(pid)))
            ):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                pidfds.append(pidfd)
                if stat.session in sessions:
                    hit.add(stat.session)
                continue
        except OSError:
            pass  # gone meanwhile
        os.close(pidfd)
    return pidfds, hit


async def _wait_gone(pidfds: list[int]) -> bool:
    poller = select.epoll()
    waiting = set(pidfds)
    try:
        for pidfd in pidfds:
            poller.register(pidfd, select.EPOLLIN)
        with trio.move_on_after(ROUND_TIMEOUT_S):
            while waiting:
                await trio.lowlevel.wait_readable(poller.fileno())
                for pidfd, _ in poller.poll(0):
                    poller.unregister(pidfd)
                    waiting.discard(pidfd)
    finally:
        trio.lowlevel.notify_closing(poller.fileno())
        poller.close()
        for pidfd in pidfds:
            os.close(pidfd)
    return not waiting


def _pids() -> Iterator[int]:
    own = os.getpid()
    for name in os.listdir("/proc"):  # noqa: PTH208 - names, not paths
        if name.isdigit() and int(name) != own:
            yield int(name)


def _stat_of(pid: int) -> _Stat | None:
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123 - each launch
            text = file.read(4096)
    except OSError:
        return None
    # The name, in brackets, may hold anything; what follows the last one is plain.
    fields = text[text.rindex(b")") + 2 :].split()
    return _Stat(
        parent=int(fields[1]),
        session=int(fields[3]),
        start_ticks=int(fields[19]),
        is_over=fields[0] in (b"Z", b"X"),
    )


def _id_of(key: ProcessKey) -> str:
    return key.executor_id if isinstance(key, ExecutorRun) else key[1]


def _owners_of(pid: int) -> list[tuple[str, str]]:
    """Sandbox, and id of task or executor, that a process has in its environment."""
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:  # noqa: PTH123 - as above
            text = file.readall()
    except OSError:
        return []
    found: dict[bytes, str] = {}
    for entry in (text or b"").split(b"\0"):
        name, _, value = entry.partition(b"=")
        if name in (b"MESOS_SANDBOX", *_IDS):
            found[name] = os.fsdecode(value)
    sandbox = found.get(b"MESOS_SANDBOX")
    if sandbox is None:
        return []
    return [(sandbox, found[name]) for name in _IDS if name in found]
