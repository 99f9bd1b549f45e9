"""Our own terminal, and the streams that a shell gave us."""

from __future__ import annotations

import os
import select
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import trio

READ_BYTES = 32 * 1024
SIZE_DEFAULT = os.terminal_size((80, 24))


@attrs.define(eq=False, kw_only=True)
class LocalStreams:
    """Descriptors; ours if a test does not say otherwise. They stay as they are: what
    a shell shares with us is never made non-blocking."""

    stdin: int = 0
    stdout: int = 1
    stderr: int = 2

    @property
    def has_terminal(self) -> bool:
        """Whether somebody types."""
        return os.isatty(self.stdin)

    def size(self) -> os.terminal_size:
        """Of the window; a usual one if there is none."""
        for fd in (self.stdout, self.stdin, self.stderr):
            try:
                return os.get_terminal_size(fd)
            except OSError:
                continue
        return SIZE_DEFAULT

    async def read(self) -> bytes:
        """What is typed or piped in; empty at the end. Cancel-safe."""
        try:
            await trio.lowlevel.wait_readable(self.stdin)
        except OSError:  # a file: it never has to be waited for
            return await trio.to_thread.run_sync(os.read, self.stdin, READ_BYTES)
        try:
            return os.read(self.stdin, READ_BYTES)
        except OSError:
            return b""  # a terminal that was hung up

    async def write(self, fd: int, data: bytes) -> None:
        """Write everything. Raises BrokenPipeError when nobody reads."""
        await trio.to_thread.run_sync(_write_all, fd, data, abandon_on_cancel=True)

    @contextmanager
    def raw(self) -> Iterator[None]:
        """Hand on each key as it is typed, Ctrl-C too, and put the terminal back as
        it was, however this ends."""
        before = termios.tcgetattr(self.stdin)
        try:
            tty.setraw(self.stdin, termios.TCSADRAIN)
            yield
        finally:
            termios.tcsetattr(self.stdin, termios.TCSADRAIN, before)


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:  # whoever shares it made it so
            _wait_writable(fd)


def _wait_writable(fd: int) -> None:
    select.select([], [fd], [])
