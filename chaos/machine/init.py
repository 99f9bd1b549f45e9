"""The first process of a house: takes in orphans, and takes everything with it.

A program for itself, run by its path: it needs nothing but the standard library, and
is there within some milliseconds.

    python -I -S init.py LIFELINE_FD INSIDE -- COMMAND...

INSIDE is a folder for a file system of the house's own, or ``-`` where the house has no
namespaces. In a namespace of processes this is process 1, and with its end the kernel
ends all others. Elsewhere it makes itself the one to whom orphans are given, and kills
all of them before it ends.

Every byte that comes over the lifeline is the number of a signal for the command; its
end is the end of everything, at once. The exit code is that of the command, or 128 and
the number of the signal that ended it; 137 if the lifeline was cut.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_INTERFACE = struct.Struct("16sh22x")
CUT = 128 + signal.SIGKILL
FAILED_TO_BEGIN = 127
_SHARED_MEMORY = "/dev/shm"
KILL_TIMEOUT_S = 5.0
"""What does not die of SIGKILL in this time waits in the kernel; nobody can help it."""


def main() -> None:
    """The program."""
    lifeline = int(sys.argv[1])
    inside = sys.argv[2]
    command = sys.argv[sys.argv.index("--") + 1 :]
    is_private = inside != "-"
    if is_private:
        _furnish(Path(inside), [str(Path.cwd()), inside, *command])
    else:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    code = FAILED_TO_BEGIN
    try:
        code = _run(command, lifeline)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
    if not is_private:
        _kill_children()
    os._exit(code)


def _furnish(inside: Path, used: list[str]) -> None:
    """A file system that nobody else sees, and a loopback that works; and, unless
    something in it is ``used``, shared memory of its own: what is killed with a clock
    of its own (libfaketime) leaves something there."""
    mount = ["mount", "-t", "tmpfs", "-o", "mode=700", "tmpfs", str(inside)]
    subprocess.run(mount, check=True)
    if not any(word.startswith(_SHARED_MEMORY) for word in used):
        mount = ["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", _SHARED_MEMORY]
        subprocess.run(mount, check=False, stderr=subprocess.DEVNULL)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = _INTERFACE.pack(b"lo", 0)
        answer = fcntl.ioctl(control, _SIOCGIFFLAGS, request)
        _, flags = _INTERFACE.unpack(answer)
        fcntl.ioctl(control, _SIOCSIFFLAGS, _INTERFACE.pack(b"lo", flags | _IFF_UP))


def _run(command: list[str], lifeline: int) -> int:
    """Until the command has ended, or the lifeline is cut; the exit code."""
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    os.set_inheritable(lifeline, False)
    to_pass_on: list[int] = []
    # Without handlers of its own, process 1 is deaf.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: to_pass_on.append(number))
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    child = os.posix_spawnp(
        command[0],
        command,
        os.environ,
        setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE],
    )
    while True:
        ready, _, _ = select.select([lifeline, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            code = _reap(child)
            if code is not None:
                return code
        if lifeline in ready:
            numbers = os.read(lifeline, 64)
            if not numbers:
                return CUT
            to_pass_on += numbers
        while to_pass_on:
            os.kill(child, to_pass_on.pop(0))


def _reap(child: int) -> int | None:
    """Take in all that have ended; the exit code of ``child`` if it was among them."""
    found: int | None = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            found = code if code >= 0 else 128 - code


def _kill_children() -> None:
    """All there are, and theirs, which become ours when they die."""
    deadline = time.monotonic() + KILL_TIMEOUT_S
    while time.monotonic() < deadline:
        for pid in _children():
            os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)


def _children() -> list[int]:
    own = os.getpid()
    path = Path(f"/proc/{own}/task/{own}/children")
    return [int(word) for word in path.read_text().split()]


if __name__ == "__main__":
    main()
