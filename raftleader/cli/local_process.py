"""One child process of a local cluster: started, watched, started again, ended."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs
import trio

import raftleader

RESTART_DELAY_S = 1.0
"""Between the death of a node and its restart: a broken node must not spin."""
STOP_GRACE_S = 8.0
"""Between TERM and KILL: an agent takes KILL_GRACE_S and three seconds at most to
end its tasks and to say so."""
LOG_TAIL_LINES = 12

Listener = Callable[["LocalEvent"], None]


@attrs.frozen(kw_only=True)
class LocalEvent:
    """Something happened to a node: ``what`` is ``started`` or ``died``."""

    node: str
    what: str
    detail: str = ""


@attrs.define(kw_only=True)
class LocalProcess:
    """A node's process, whichever of its lives it is in.

    Attributes:
        arguments: What follows ``command``.
        log_file: Where both outputs of all its lives go.
        lifeline_fd: Read end of a pipe; the child ends when the other end closes.
        is_restarted: Whether it is started again when it dies.
        exits: Exit codes of its ended lives (negative: the signal).
        before_start: Called before each life; may change what it is started with.
    """

    name: str
    arguments: Sequence[str]
    log_file: Path
    lifeline_fd: int
    environment: Mapping[str, str]
    is_restarted: bool
    listener: Listener
    exits: list[int] = attrs.field(factory=list)
    grace_s: float = STOP_GRACE_S
    restart_delay_s: float = RESTART_DELAY_S
    command: Sequence[str] = attrs.field(factory=lambda: child_command())
    before_start: Callable[[LocalProcess], None] = lambda process: None
    _process: trio.Process | None = None
    _restart_wanted: trio.Event = attrs.field(factory=trio.Event)
    _holds: int = 0
    _released: trio.Event = attrs.field(factory=trio.Event)

    @property
    def pid(self) -> int | None:
        """Its process id, or None while it is not running."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    async def run(self) -> None:
        """Keep the process running until cancelled.

        Cancelling ends it: TERM, then KILL after ``grace_s``; when this is left
        the process is gone and reaped. Raises OSError if it cannot be started.
        """
        while True:
            await self._wait_released()
            with trio.CancelScope(shield=True):
                process = await self._start()
            try:
                code = await process.wait()
            finally:
                await self._end(process)
            self.exits.append(code)
            self.listener(
                LocalEvent(node=self.name, what="died", detail=describe_exit(code))
            )
            await self._wait_restart()

    def kill(self, signal_number: int = signal.SIGKILL) -> None:
        """Send the signal now, if it runs."""
        if self._process is not None:
            self._process.send_signal(signal_number)

    async def wait_dead(self) -> None:
        """Until its present life has ended. Cancel-safe."""
        if self._process is not None:
            await self._process.wait()

    def restart(self) -> None:
        """If it is dead, start it now; if it dies, start it at once."""
        self._restart_wanted.set()

    def hold(self) -> None:
        """From now on no life of it begins, until as many releases have followed as
        there were holds."""
        self._holds += 1

    def release(self) -> None:
        """See ``hold``. The last one starts it at once if it is dead."""
        assert self._holds > 0, "not held"
        self._holds -= 1
        if not self._holds:
            self._released.set()
            self._released = trio.Event()
            if self.pid is None:
                self.restart()

    async def stop(self) -> None:
        """End its present life: TERM, then KILL after ``grace_s``. Returns when it is
        gone. Whether it begins another is decided as after any death."""
        if self._process is not None:
            await self._end(self._process)

    async def _wait_released(self) -> None:
        while self._holds:
            await self._released.wait()

    async def _end(self, process: trio.Process) -> None:
        if process.returncode is not None:
            return
        with trio.CancelScope(shield=True):
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)  # a paused child cannot hear TERM
            with trio.move_on_after(self.grace_s):
                await process.wait()
                return
            process.kill()
            await process.wait()

    def log_tail(self, lines: int = LOG_TAIL_LINES) -> str:
        """The last lines of its log."""
        try:
            text = self.log_file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    async def _start(self) -> trio.Process:
        self._restart_wanted = trio.Event()
        self.before_start(self)
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self._process = await trio.lowlevel.open_process(
                [
                    *self.command,
                    *self.arguments,
                    "--die-with-fd",
                    str(self.lifeline_fd),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(self.lifeline_fd,),
                # Its own session: Ctrl-C in a terminal is for us alone, and we
                # stop the children in order.
                start_new_session=True,
                env=dict(self.environment),
            )
        self.listener(LocalEvent(node=self.name, what="started"))
        return self._process

    async def _wait_restart(self) -> None:
        if not self.is_restarted:
            await self._restart_wanted.wait()
            return
        with trio.move_on_after(self.restart_delay_s):
            await self._restart_wanted.wait()


def child_command() -> list[str]:
    """How a child interpreter is started: never with the current folder in its path."""
    return [sys.executable, "-P", "-m", "raftleader"]


def child_environment() -> dict[str, str]:
    """Our environment; with PYTHONPATH if we run from a checkout.

    Settings meant for other commands (RAFTLEADER_LEADER_..., RAFTLEADER_AGENT_...)
    are left out: a local cluster is configured by us alone.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RAFTLEADER_LEADER_", "RAFTLEADER_AGENT_"))
    }
    root = Path(raftleader.__file__).resolve().parents[1]
    if not _is_installed_at(root):
        paths = [str(root), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return environment


def _is_installed_at(root: Path) -> bool:
    try:
        distribution = importlib.metadata.distribution("raftleader")
    except importlib.metadata.PackageNotFoundError:
        return False
    return Path(str(distribution.locate_file(""))).resolve() == root


def describe_exit(code: int) -> str:
    """``exit code 1`` or ``signal SIGKILL``."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
