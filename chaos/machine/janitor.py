"""Removes what a run has left that does not end with its processes.

A run is known by its *token*: three letters and six digits with which everything that
it makes on the machine begins, and which its processes have in their environment. Its
folder, named by the token, is locked while the run lives; an unlocked one is a dead
run's, to be removed by whoever sees it.

Also a program for itself, run by its path, of nothing but the standard library:

    python -I -S janitor.py FOLDER

It waits for the end of its standard input, whose other end the run holds, and cleans
up, however the run ended. It hears no signal that a terminal sends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

RUN_VARIABLE = "RAFTLEADER_CHAOS_RUN"
"""In the environment of all processes of a run: its token."""
LOCK = "lock"
_TOKEN = re.compile(r"rlc[0-9a-f]{6}")
_HOMELESS = re.compile(r"rlc-[0-9a-f]{8}-")
"""Control groups of runs without a house: ``chaos.nemeses.process.cgroups``."""
PATIENCE_S = 5.0
"""For processes that were killed to be gone."""
YOUNG_S = 60.0
_POLL_S = 0.01


def new_token() -> str:
    """Short enough for the beginning of a name of a network interface (15)."""
    return f"rlc{os.urandom(3).hex()}"


def main() -> None:
    """The program."""
    folder = Path(sys.argv[1])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 64):
        pass
    remove_run(folder)


def make_folder() -> tuple[Path, int]:
    """The folder of a new run, and the descriptor that holds its lock."""
    while True:
        folder = Path(tempfile.gettempdir()) / new_token()
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            fd = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX)
            if (folder / LOCK).exists():
                return folder, fd
            os.close(fd)  # somebody found it before it was locked


def remove_dead_runs() -> list[str]:
    """Whatever runs have left that live no more; a line for each thing."""
    removed: list[str] = []
    for folder in sorted(Path(tempfile.gettempdir()).glob("rlc??????")):
        if _TOKEN.fullmatch(folder.name) and _is_dead(folder):
            removed += remove_run(folder)
    for group in _groups("rlc"):
        token = _TOKEN.match(group.name) or _HOMELESS.match(group.name)
        # One with processes in it cannot be removed: it is in use.
        if token and not _is_alive_or_young(token[0], group):
            removed += _remove_group(group)
    return removed


def remove_run(folder: Path) -> list[str]:
    """Everything of one run: its processes, its control groups, its folder."""
    token = folder.name
    removed: list[str] = []
    deadline = time.monotonic() + PATIENCE_S
    while (pids := processes_of(token)) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                removed.append(f"process {pid}")
        _thaw(token)
        time.sleep(_POLL_S)
    for group in _groups(token):
        removed += _remove_group(group, until=deadline)
    if folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
        removed.append(f"folder {folder}")
    return list(dict.fromkeys(removed))


def processes_of(token: str) -> list[int]:
    """All that have the token in their environment; zombies have none."""
    wanted = f"{RUN_VARIABLE}={token}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            pid = int(path.name)
            if pid != os.getpid() and wanted in (path / "environ").read_bytes().split(
                b"\0"
            ):
                found.append(pid)
    return found


def _is_dead(folder: Path) -> bool:
    try:
        fd = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False  # being made, or another's
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _is_alive_or_young(token: str, group: Path) -> bool:
    """A run outside of a house has no folder, and may just have made its group."""
    if (Path(tempfile.gettempdir()) / token).exists():
        return True
    with contextlib.suppress(OSError):
        return time.time() - group.stat().st_mtime < YOUNG_S
    return False


def _groups(prefix: str) -> Iterator[Path]:
    """Control groups with such names, of every hierarchy."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.split(" ")[0] in ("cgroup", "cgroup2"):
            yield from sorted(Path(before.split(" ")[4]).glob(f"{prefix}*"))


def _remove_group(group: Path, *, until: float = 0.0) -> list[str]:
    """With those in it. Tried again until then, while processes in it die."""
    for below in [path for path in group.glob("*") if path.is_dir()]:
        _remove_group(below, until=until)
    while True:
        try:
            group.rmdir()
        except FileNotFoundError:
            return []
        except OSError:
            if time.monotonic() >= until:
                return []
            time.sleep(_POLL_S)
        else:
            return [f"control group {group}"]


def _thaw(token: str) -> None:
    """The frozen cannot die."""
    for group in _groups(token):
        for name, word in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
            with contextlib.suppress(OSError):
                if (group / name).exists():
                    (group / name).write_text(word)


if __name__ == "__main__":
    main()
