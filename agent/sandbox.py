"""The folders of tasks and executors, in ``frameworks/<framework id>`` of the work
folder: ``tasks/<task id>`` of a command task, ``executors/<id>/runs/<container id>`` of
an executor, and in that ``tasks/<task id>`` of a task that the agent runs for it.

A sandbox is made once; one that exists is never used again, which keeps a task from
being started twice even when its id is forgotten.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

from agent.records import ExecutorRun
from raftleader.limits import RESULT_BYTES_MAX
from raftleader.protocol.ids import TaskId, TaskKey, id_problem

NAME_BYTES_MAX = 255
"""Of a file name on Linux. Ids have 255 characters, which may be more bytes."""

STDOUT, STDERR, DATA, RESULT = "stdout", "stderr", "task.data", "task.result"
LATEST = "latest"
"""Beside the runs of an executor: a link to the latest of them."""


def name_of(identifier: str) -> str:
    """The folder's name for an id: the id, or a hash of it if it can be no name."""
    encoded = identifier.encode()
    if len(encoded) <= NAME_BYTES_MAX and id_problem(identifier) is None:
        return identifier
    return "~" + hashlib.blake2b(encoded, digest_size=16).hexdigest()


def sandbox_path(root: Path, key: TaskKey) -> str:
    """Where the sandbox of a task is, or would be."""
    return f"{root}/{name_of(key[0])}/tasks/{name_of(key[1])}"


def run_path(root: Path, run: ExecutorRun) -> str:
    """Where the sandbox of a run of an executor is, or would be."""
    executor = (
        f"{root}/{name_of(run.framework_id)}/executors/{name_of(run.executor_id)}"
    )
    return f"{executor}/runs/{run.container_id}"


def nested_sandbox_path(root: Path, run: ExecutorRun, task_id: TaskId) -> str:
    """The same of a task of the default executor."""
    return f"{run_path(root, run)}/tasks/{name_of(task_id)}"


def make_sandbox(
    path: str, *, data: bytes | None, owner: tuple[int, int] | None = None
) -> tuple[int, int]:
    """Make the folder and its files; the descriptors of stdout and stderr.

    The folder is readable by its owner only, ``owner`` (uid, gid) or ourselves.
    Raises FileExistsError if the task had a sandbox before, or another OSError.
    """
    try:
        os.mkdir(path, 0o700)  # noqa: PTH102 - on the path of every launch
    except FileNotFoundError:
        _make_parents(Path(path))
        os.mkdir(path, 0o700)  # noqa: PTH102 - as above
    descriptors: list[int] = []
    try:
        descriptors.append(_create(f"{path}/{STDOUT}", owner))
        descriptors.append(_create(f"{path}/{STDERR}", owner))
        if data is not None:
            fd = _create(f"{path}/{DATA}", owner)
            with open(fd, "wb") as file:  # noqa: PTH123 - a descriptor
                file.write(data)
        if owner is not None:
            os.chown(path, *owner)
    except BaseException:
        for fd in descriptors:
            os.close(fd)
        raise
    return descriptors[0], descriptors[1]


def open_sandbox(path: str, *, owner: tuple[int, int] | None = None) -> tuple[int, int]:
    """The descriptors of stdout and stderr of one that was made before, for the same
    owner. Raises OSError: also if they are no longer files of that owner's."""
    uid = owner[0] if owner is not None else os.geteuid()
    stdout = _open(f"{path}/{STDOUT}", uid)
    try:
        return stdout, _open(f"{path}/{STDERR}", uid)
    except BaseException:
        os.close(stdout)
        raise


def link_latest(path: str) -> None:
    """Let ``latest`` beside this run's sandbox lead to it. Raises OSError."""
    run = Path(path)
    new = run.with_name(f"{LATEST}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(run.name)
    new.replace(run.with_name(LATEST))


def _make_parents(path: Path) -> None:
    """Others may pass through these, so that a task of another user can."""
    missing = []
    for folder in path.parents:
        if folder.exists():
            break
        missing.append(folder)
    for folder in reversed(missing):
        folder.mkdir(mode=0o711, exist_ok=True)


def _create(path: str, owner: tuple[int, int] | None) -> int:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    if owner is not None:
        os.fchown(fd, *owner)
    return fd


def _open(path: str, uid: int) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
    fd = os.open(path, flags)
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != uid:
        os.close(fd)
        raise PermissionError(errno.EPERM, "not a file of the task's user", path)
    return fd


def read_result(path: str) -> bytes | None:
    """What the task left in ``task.result``, if it is a file of at most
    RESULT_BYTES_MAX. A larger one stays where it is."""
    try:
        fd = os.open(f"{path}/{RESULT}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size > RESULT_BYTES_MAX:
            return None
        data = os.read(fd, RESULT_BYTES_MAX + 1)
    except OSError:
        return None
    finally:
        os.close(fd)
    return data if len(data) <= RESULT_BYTES_MAX else None
