"""Starts the process of a container, with pipes or a terminal, in its own session."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from collections.abc import Mapping
from typing import Any

import attrs

from agent.nested.terminal import WindowSize, in_terminal, open_terminal
from raftleader.protocol.tasks import CommandInfo


class LaunchRefusedError(Exception):
    """The container cannot be started; nothing of it runs. For whoever asked."""


@attrs.frozen(kw_only=True)
class Started:
    """A process, and our ends of its streams, none of them blocking.

    Attributes:
        pid: Leader of its session and group.
        pidfd: Becomes readable when it ends.
        stdin: With a terminal, the same descriptor as ``stdout``.
        stderr: None with a terminal, which has only one stream.
    """

    process: subprocess.Popen[bytes]
    pidfd: int
    stdin: int
    stdout: int
    stderr: int | None

    @property
    def pid(self) -> int:
        return self.process.pid


@attrs.frozen(kw_only=True)
class User:
    """Whom to become."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def user_to_become(name: str | None) -> User | None:
    """None to stay who we are. Raises LaunchRefusedError."""
    if not name:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise LaunchRefusedError(f"there is no user '{name}' on this machine") from None
    if entry.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise LaunchRefusedError(f"the agent is not root and cannot become '{name}'")
    groups = tuple(os.getgrouplist(name, entry.pw_gid))
    return User(uid=entry.pw_uid, gid=entry.pw_gid, groups=groups)


def start_process(
    command: CommandInfo,
    *,
    folder: str,
    environment: Mapping[str, str],
    user: User | None,
    has_terminal: bool,
    window: WindowSize | None = None,
) -> Started:
    """Start it; takes about a millisecond. Raises LaunchRefusedError.

    A program that does not exist is found out here, unless it gets a terminal: then
    the terminal says so, and the exit code is 127, as of a shell.
    """
    if not command.value:
        raise LaunchRefusedError("there is no command to run")
    if command.shell:
        program, arguments = "/bin/sh", ["sh", "-c", command.value]
    else:
        program = command.value
        arguments = list(command.arguments) or [program]
    owner = (user.uid, user.gid) if user else None
    ours: list[int] = []
    theirs: list[int] = []
    try:
        try:
            if has_terminal:
                terminal = open_terminal(window, owner)
                ours.append(terminal.outer)
                theirs.append(terminal.inner)
                arguments = in_terminal(terminal.path, program, arguments)
                program = "/bin/sh"
                stdin = stdout = stderr = terminal.inner
            else:
                stdin, our_stdin = os.pipe()
                theirs.append(stdin)
                ours.append(our_stdin)
                for _ in (1, 2):
                    our_end, their_end = os.pipe()
                    ours.append(our_end)
                    theirs.append(their_end)
                stdout, stderr = theirs[1:]
                for fd in ours:
                    os.set_blocking(fd, False)
            process = subprocess.Popen(
                arguments,
                executable=program,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,
                **_options_of(user),
            )
            pidfd = _pidfd_of(process)
        finally:
            for fd in theirs:
                os.close(fd)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        for fd in ours:
            os.close(fd)
        raise LaunchRefusedError(f"cannot start the command: {error}") from error
    return Started(
        process=process,
        pidfd=pidfd,
        stdin=ours[0],
        stdout=ours[0] if has_terminal else ours[1],
        stderr=None if has_terminal else ours[2],
    )


def _options_of(user: User | None) -> dict[str, Any]:
    if user is None:
        return {}
    return {"user": user.uid, "group": user.gid, "extra_groups": user.groups}


def _pidfd_of(process: subprocess.Popen[bytes]) -> int:
    try:
        return os.pidfd_open(process.pid)
    except OSError:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
