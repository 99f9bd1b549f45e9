"""A house for a run: whatever is made in it ends with the run, however the run ends.

    outer process --- unshare --- init (process 1) --- inner process --- nodes, tasks
          `---------- janitor

Where the machine allows it, the house has namespaces of its own for mounts, the network
and processes: when init ends, the kernel ends every process in it, and with the last
one go its mounts, loop devices and networks. Init ends when its lifeline is cut, that
is, when the outer process is gone, also by SIGKILL. What does not live in a namespace
(control groups, a folder) is removed by the janitor, and if that was killed too, by the
next run.

Without namespaces init is the one to whom orphans are given; it kills all its
descendants.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import attrs
import trio

from chaos.machine import init, janitor
from chaos.machine.capabilities import Ability, Machine
from chaos.machine.janitor import RUN_VARIABLE, make_folder, new_token
from chaos.machine.tools import find_tool, namespace_flags, path_with_tools
from raftleader.cli.local_process import child_environment

HOUSE_VARIABLE = "RAFTLEADER_CHAOS_HOUSE"
"""In a house with namespaces: a folder on a file system of its own, for what must go
with the run."""
INSIDE = "inside"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Passed on to the inner process, HUP as TERM."""
END_TIMEOUT_S = 15.0
"""For init, and then the janitor, to have done their work once the lifeline is cut."""

ReadOutput = Callable[[trio.abc.ReceiveStream], Awaitable[None]]


@cache
def run_token() -> str:
    """With what the names of control groups and interfaces of this run begin."""
    return os.environ.get(RUN_VARIABLE) or new_token()


def house_folder() -> Path | None:
    """The house's own file system, or None outside of such a house."""
    path = os.environ.get(HOUSE_VARIABLE)
    return Path(path) if path else None


def remove_leftovers() -> list[str]:
    """Remove what killed runs have left, janitors and all; a line for each thing."""
    return janitor.remove_dead_runs()


async def run_in_house(
    command: Sequence[str],
    machine: Machine,
    *,
    is_private: bool = True,
    environment: Mapping[str, str] | None = None,
    read_output: ReadOutput | None = None,
) -> int:
    """Run a command in a house of its own; its exit code, or 128 and the number of the
    signal that ended it.

    INT and TERM are passed on to it. When this returns or is cancelled (that ends the
    command like a SIGKILL), nothing of it is left. Raises OSError if the house cannot
    be built.

    Args:
        is_private: With namespaces, where the machine has them.
        environment: Of the command; None for that of a child of ours.
        read_output: Is given both outputs of the command, to read them to their end;
            with None the command has ours.
    """
    flags: list[str] | None = None
    if is_private and machine.has(Ability.NAMESPACES):
        flags = namespace_flags(is_user=machine.is_user_mapped)
    async with _house(flags, environment) as house:
        return await house.run(command, read_output)


@attrs.frozen(kw_only=True)
class _House:
    """Attributes:
    folder: Of the run, named by its token.
    flags: Of ``unshare``; None for no namespaces.
    lifeline: Write end of the pipe that init reads.
    lifeline_end: The end that init inherits.
    """

    folder: Path
    flags: Sequence[str] | None
    environment: Mapping[str, str]
    lifeline: int
    lifeline_end: int

    async def run(self, command: Sequence[str], read_output: ReadOutput | None) -> int:
        with trio.open_signal_receiver(*SIGNALS) as signals:
            try:
                process = await trio.lowlevel.open_process(
                    self._command(command),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE if read_output else None,
                    stderr=subprocess.STDOUT if read_output else None,
                    pass_fds=(self.lifeline_end,),
                    # Ctrl-C in a terminal is for us alone, and we pass it on.
                    start_new_session=True,
                    env=dict(self.environment),
                )
            except BaseException:
                os.close(self.lifeline)
                raise
            finally:
                os.close(self.lifeline_end)
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._pass_on, signals)
                    if read_output is not None:
                        assert process.stdout is not None
                        await read_output(process.stdout)
                    code = await process.wait()
                    nursery.cancel_scope.cancel()
            finally:
                os.close(self.lifeline)
                with trio.CancelScope(shield=True):
                    with trio.move_on_after(END_TIMEOUT_S):
                        await process.wait()
                    if process.returncode is None:
                        process.kill()
                        await process.wait()
                    if process.stdout is not None:
                        await process.stdout.aclose()
        return code if code >= 0 else 128 - code

    def _command(self, command: Sequence[str]) -> list[str]:
        unshare = [find_tool("unshare") or "unshare", *self.flags] if self.flags else []
        inside = str(self.folder / INSIDE) if self.flags else "-"
        script = [sys.executable, "-I", "-S", str(init.__file__)]
        return [*unshare, *script, str(self.lifeline_end), inside, "--", *command]

    async def _pass_on(self, signals: AsyncIterator[int]) -> None:
        async for number in signals:
            is_interrupt = number == signal.SIGINT
            passed = signal.SIGINT if is_interrupt else signal.SIGTERM
            os.write(self.lifeline, bytes([passed]))


@asynccontextmanager
async def _house(
    flags: Sequence[str] | None, environment: Mapping[str, str] | None
) -> AsyncIterator[_House]:
    folder, lock = make_folder()
    try:
        (folder / INSIDE).mkdir()
        variables = dict(child_environment() if environment is None else environment)
        variables |= {RUN_VARIABLE: folder.name, "PATH": path_with_tools()}
        variables.pop(HOUSE_VARIABLE, None)
        if flags:
            variables[HOUSE_VARIABLE] = str(folder / INSIDE)
        async with _janitor(folder):
            lifeline_end, lifeline = os.pipe()
            yield _House(
                folder=folder,
                flags=flags,
                environment=variables,
                lifeline=lifeline,
                lifeline_end=lifeline_end,
            )
    finally:
        os.close(lock)


@asynccontextmanager
async def _janitor(folder: Path) -> AsyncIterator[None]:
    """One that cleans up when the block is left, or we are gone; it is done when this
    has ended."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-I", "-S", str(janitor.__file__), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={"PATH": os.defpath},
    )
    assert process.stdin is not None
    try:
        yield
    finally:
        with trio.CancelScope(shield=True):
            await process.stdin.aclose()
            with trio.move_on_after(END_TIMEOUT_S):
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
