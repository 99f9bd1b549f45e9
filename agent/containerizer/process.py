"""Tasks and executors as plain processes: no isolation but session and environment.

Started by ``subprocess``, which takes the vfork path as long as there is no
``preexec_fn`` and no change of user: measured at 1,200 starts a second, waiting
included, however much memory the agent has. posix_spawn (1,360) cannot set the
working folder; with a shell to do so it falls to 680. Ends are seen through
pidfds in an epoll set of our own: one trio task for all of them, no signal
handler, and children of somebody else are left alone.
"""

from __future__ import annotations

import os
import pwd
import select
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import trio

from agent.containerizer.interface import Launch, Leftover, OnExit, StartError
from agent.containerizer.leftovers import kill_leftovers, read_boot_id, start_ticks_of
from agent.fetcher.bounds import BOUNDS
from agent.fetcher.plan import BadUriError, plan_steps
from agent.fetcher.running import FetchFailedError, run_fetcher
from agent.fetcher.steps import FetchBounds, FetchPlan, FetchUser
from agent.machine.effects import Signal
from agent.machine.events import ProcessExit
from agent.records import ExecutorRun, ProcessKey, ProcessMark
from agent.sandbox import link_latest, make_sandbox, open_sandbox
from agent.volumes import VolumeError, link_volumes
from raftleader.protocol.tasks import CommandInfo

EXITS_PER_TURN = 64
"""Ends handled before others get a turn of the loop."""


@attrs.frozen(eq=False)
class _Child:
    key: ProcessKey
    process: subprocess.Popen[bytes]
    pidfd: int


@attrs.frozen(kw_only=True)
class _User:
    uid: int
    gid: int
    groups: tuple[int, ...]


@attrs.define(eq=False)
class ProcessContainerizer:
    """A :class:`agent.containerizer.interface.Containerizer` of real processes.

    Attributes:
        fetch_bounds: What may be fetched for one command.
    """

    fetch_bounds: FetchBounds = BOUNDS
    _devnull: int = attrs.field(init=False)
    _boot_id: str = attrs.field(factory=read_boot_id, init=False)
    _epoll: select.epoll = attrs.field(factory=select.epoll, init=False)
    _children: dict[ProcessKey, _Child] = attrs.field(factory=dict, init=False)
    _by_pidfd: dict[int, _Child] = attrs.field(factory=dict, init=False)

    @_devnull.default
    def _open_devnull(self) -> int:
        return os.open(os.devnull, os.O_RDWR)

    async def run(
        self,
        on_exit: OnExit,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        try:
            task_status.started()
            while True:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
                for pidfd, _ in self._epoll.poll(0, EXITS_PER_TURN):
                    child = self._by_pidfd[pidfd]
                    on_exit(child.key, self._reap(child))
        finally:
            trio.lowlevel.notify_closing(self._epoll.fileno())
            self._epoll.close()
            os.close(self._devnull)
            for pidfd in self._by_pidfd:
                os.close(pidfd)
            self._by_pidfd.clear()

    async def fetch(self, launch: Launch) -> None:
        with _start_errors(launch):
            user = _user_to_switch_to(launch.command.user)
            owner = (user.uid, user.gid) if user else None
            stdout, stderr = _make_sandbox(launch, owner)
            os.close(stdout)
            try:
                await self._fetch(launch, user, stderr)
            finally:
                os.close(stderr)

    async def _fetch(self, launch: Launch, user: _User | None, stderr: int) -> None:
        try:
            steps = plan_steps(launch.command.uris)
        except BadUriError as error:
            os.write(stderr, f"{error}\n".encode(errors="backslashreplace"))
            raise StartError(str(error)) from error
        as_user = None
        if user is not None:
            as_user = FetchUser(uid=user.uid, gid=user.gid, groups=user.groups)
        plan = FetchPlan(
            sandbox=launch.sandbox,
            steps=steps,
            bounds=self.fetch_bounds,
            user=as_user,
        )
        try:
            await run_fetcher(
                plan, task_environment=launch.environment(), stderr=stderr
            )
        except FetchFailedError as error:
            raise StartError(str(error)) from error

    def start_nowait(self, launch: Launch) -> ProcessMark:
        with _start_errors(launch):
            return self._start(launch)

    def _start(self, launch: Launch) -> ProcessMark:
        command = launch.command
        user = _user_to_switch_to(command.user)
        owner = (user.uid, user.gid) if user else None
        if launch.is_fetched:
            stdout, stderr = open_sandbox(launch.sandbox, owner=owner)
        else:
            stdout, stderr = _make_sandbox(launch, owner)
        try:
            executable, arguments = _program_of(command)
            options: dict[str, Any] = {}
            if user:
                options = {
                    "user": user.uid,
                    "group": user.gid,
                    "extra_groups": user.groups,
                }
            process = subprocess.Popen(
                arguments,
                executable=executable,
                stdin=self._devnull,
                stdout=stdout,
                stderr=stderr,
                cwd=launch.sandbox,
                env=launch.environment(),
                start_new_session=True,
                **options,
            )
        finally:
            os.close(stdout)
            os.close(stderr)
        try:
            pidfd = os.pidfd_open(process.pid)
            ticks = start_ticks_of(process.pid)
            assert ticks is not None, "our own child, not yet waited for"
            self._epoll.register(pidfd, select.EPOLLIN)
        except OSError:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        child = _Child(launch.key, process, pidfd)
        self._children[launch.key] = self._by_pidfd[pidfd] = child
        return ProcessMark(pid=process.pid, start_ticks=ticks, boot_id=self._boot_id)

    def signal_nowait(self, key: ProcessKey, signal_: Signal) -> None:
        self.signal_number_nowait(key, getattr(signal, signal_.value))

    def signal_number_nowait(self, key: ProcessKey, number: int) -> None:
        child = self._children.get(key)
        if child is not None:
            _signal_group(child.process.pid, number)

    async def kill_leftovers(self, leftovers: Sequence[Leftover]) -> int:
        return await kill_leftovers(leftovers, boot_id=self._boot_id)

    def _reap(self, child: _Child) -> ProcessExit:
        # Until it is waited for, the dead leader keeps its pid, and so the number
        # of its group, from being used again.
        _signal_group(child.process.pid, signal.SIGKILL)
        found = os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED | os.WNOHANG)
        assert found is not None, "its pidfd said that it ended"
        self._epoll.unregister(child.pidfd)
        os.close(child.pidfd)
        del self._children[child.key], self._by_pidfd[child.pidfd]
        if found.si_code == os.CLD_EXITED:
            child.process.returncode = found.si_status
            return ProcessExit(code=found.si_status)
        child.process.returncode = -found.si_status
        return ProcessExit(signal=_signal_name(found.si_status))


@contextmanager
def _start_errors(launch: Launch) -> Iterator[None]:
    """What may go wrong becomes a StartError."""
    try:
        yield
    except FileExistsError as error:
        raise StartError(
            f"the sandbox {launch.sandbox} exists already: a task of this id ran"
            " here before, and none is started twice"
        ) from error
    except VolumeError as error:
        raise StartError(str(error)) from error
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        what = "executor" if isinstance(launch.key, ExecutorRun) else "task"
        raise StartError(f"cannot start the {what}: {error}") from error


def _make_sandbox(launch: Launch, owner: tuple[int, int] | None) -> tuple[int, int]:
    """The descriptors of its stdout and stderr. Raises OSError, VolumeError."""
    stdout, stderr = make_sandbox(launch.sandbox, data=launch.data, owner=owner)
    try:
        if launch.run_sandbox is not None:
            link_latest(launch.run_sandbox)
        link_volumes(launch.sandbox, launch.volumes, owner)
    except BaseException:
        os.close(stdout)
        os.close(stderr)
        raise
    return stdout, stderr


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # no member is left, or those left have become somebody else


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _program_of(command: CommandInfo) -> tuple[str, list[str]]:
    assert command.value is not None, "the machine takes no task without a command"
    if command.shell:
        return "/bin/sh", ["sh", "-c", command.value]
    return command.value, list(command.arguments) or [command.value]


def _user_to_switch_to(name: str | None) -> _User | None:
    """None to stay who we are. Raises StartError."""
    if not name:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise StartError(f"there is no user {name!r} on this machine") from None
    if entry.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise StartError(
            f"cannot run as user {name!r}: the agent is not root, but user"
            f" {os.geteuid()}"
        )
    groups = tuple(os.getgrouplist(name, entry.pw_gid))
    return _User(uid=entry.pw_uid, gid=entry.pw_gid, groups=groups)
