"""One container: its process, what it reads and what it writes."""

from __future__ import annotations

import enum
import logging
import os
import signal
from collections.abc import Mapping

import attrs
import trio

from agent.files import write_all
from agent.nested.names import ContainerName
from agent.nested.output import Output, Source
from agent.nested.starting import Started
from agent.nested.terminal import WindowSize, resize

READ_BYTES = 64 * 1024
"""Of one read: what a pipe holds."""
DRAIN_S = 0.2
"""After the end of its first process a container's output is read as long as it
flows, and so long after: a process that left the group may hold it open for ever."""
KILL_WAIT_S = 2.0
"""What was sent KILL is gone at once, unless the kernel holds it."""

logger = logging.getLogger(__name__)


class Kind(enum.Enum):
    """What a container is for.

    NESTED: beside the processes of its parent, with a sandbox of its own within the
        parent's, where its output is kept.
    SESSION: a look into its parent: in the parent's sandbox, with its environment.
        It lives as long as the call that started it.
    STANDALONE: of nobody, with a sandbox of its own.
    """

    NESTED = "nested"
    SESSION = "session"
    STANDALONE = "standalone"


@attrs.define(eq=False, kw_only=True)
class Container:
    """A container that was started. ``run`` sees it to its end.

    Attributes:
        sandbox: Its folder; of a session, its parent's.
        environment: What its process was given.
        wait_status: As waitpid(2) has it, once ``ended`` is set: then its process
            group was sent KILL and all that was written has been handed out. None
            if ``run`` was cancelled and KILL did not help.
        is_input_taken: Whether somebody is attached to its input; one at a time.
    """

    name: ContainerName
    kind: Kind
    sandbox: str
    environment: Mapping[str, str]
    user: str | None
    has_terminal: bool
    started: Started
    files: dict[Source, int]
    output: Output = attrs.field(factory=Output)
    ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    wait_status: int | None = attrs.field(default=None, init=False)
    is_input_taken: bool = attrs.field(default=False, init=False)
    _has_exited: bool = attrs.field(default=False, init=False)
    _drain_until: float = attrs.field(default=float("inf"), init=False)
    _waits: set[trio.CancelScope] = attrs.field(factory=set, init=False)
    _is_stdin_open: bool = attrs.field(default=True, init=False)
    _writing: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    @property
    def pid(self) -> int | None:
        """Of its first process; None once that is over."""
        return None if self._has_exited else self.started.pid

    def signal(self, number: int) -> bool:
        """Send a signal to all of its group; false if its process is over.

        Raises OSError for a number that is no signal.
        """
        if self._has_exited:
            return False
        try:
            os.killpg(self.started.pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # ending just now, or become somebody else
        return True

    async def run(self) -> None:
        """Hand out its output and wait for its end.

        When cancelled it is killed, and its end waited for.
        """
        started = self.started
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pump, Source.STDOUT, started.stdout)
                if started.stderr is not None:
                    nursery.start_soon(self._pump, Source.STDERR, started.stderr)
                await trio.lowlevel.wait_readable(started.pidfd)
                self._reap()
                self._drain_until = trio.current_time() + DRAIN_S
                for scope in self._waits:
                    scope.deadline = self._drain_until
        finally:
            if not self._has_exited:
                self.signal(signal.SIGKILL)
                with trio.move_on_after(KILL_WAIT_S, shield=True):
                    await trio.lowlevel.wait_readable(started.pidfd)
                    self._reap()
            self.close_input()
            self._is_stdin_open = False
            for fd in {started.stdout, started.stderr, *self.files.values()}:
                if fd is not None:
                    trio.lowlevel.notify_closing(fd)
                    os.close(fd)
            os.close(started.pidfd)
            self.output.end()
            self.ended.set()

    def _reap(self) -> None:
        # As long as it is not waited for, its pid and group number are its own.
        self.signal(signal.SIGKILL)
        self._has_exited = True
        _, self.wait_status = os.waitpid(self.started.pid, 0)
        self.started.process.returncode = os.waitstatus_to_exitcode(self.wait_status)

    async def _pump(self, source: Source, fd: int) -> None:
        while True:
            try:
                data = os.read(fd, READ_BYTES)
            except BlockingIOError:
                if not await self._wait_readable(fd):
                    return
                continue
            except OSError:
                return  # The terminal's last program has gone.
            if not data:
                return
            self._keep(source, data)
            await self.output.put(source, data)
            await trio.lowlevel.checkpoint()

    async def _wait_readable(self, fd: int) -> bool:
        with trio.CancelScope(deadline=self._drain_until) as scope:
            self._waits.add(scope)
            try:
                await trio.lowlevel.wait_readable(fd)
            finally:
                self._waits.discard(scope)
        return not scope.cancelled_caught

    def _keep(self, source: Source, data: bytes) -> None:
        fd = self.files.get(source)
        if fd is None:
            return
        try:
            write_all(fd, data)
        except OSError as error:
            logger.warning("cannot keep the output of container %s: %s", self, error)
            os.close(self.files.pop(source))

    async def write_input(self, data: bytes) -> None:
        """Give it something to read; waits while it reads nothing.

        What a process that reads no more is sent is dropped, as a terminal would.
        """
        async with self._writing:
            rest = memoryview(data)
            while rest and self._is_stdin_open:
                fd = self.started.stdin
                try:
                    rest = rest[os.write(fd, rest) :]
                except BlockingIOError:
                    try:
                        await trio.lowlevel.wait_writable(fd)
                    except trio.ClosedResourceError:
                        return
                except OSError:
                    self.close_input()

    def close_input(self) -> None:
        """It reads the end of its input. Nothing with a terminal, where the end is a
        character. Idempotent."""
        if self._is_stdin_open and not self.has_terminal:
            self._is_stdin_open = False
            trio.lowlevel.notify_closing(self.started.stdin)
            os.close(self.started.stdin)

    def resize(self, size: WindowSize) -> None:
        """Tell its terminal how large the window is. Raises OSError without one."""
        if self._is_stdin_open:
            resize(self.started.stdin, size)

    def __str__(self) -> str:
        return str(self.name)
