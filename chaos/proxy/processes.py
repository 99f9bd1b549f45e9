"""A server as a process of its own: the real one where there is one, else ours."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from chaos.proxy.control import (
    CALL_TIMEOUT_S,
    Control,
    ProxyError,
    Server,
    missing_library,
)
from raftleader.cli.local_ports import LOOPBACK, free_ports
from raftleader.cli.local_process import child_environment

REAL_NAME, REAL_VARIABLE = "toxiproxy-server", "TOXIPROXY_SERVER"
OUR_NAME = "raftleader chaos proxy"
OURS = (sys.executable, "-P", "-m", "chaos.proxy.main", "-die-with-fd", "0")
"""It ends when its standard input does."""

START_TIMEOUT_S = 20.0
"""Of the process, until its API answers."""
START_ATTEMPTS = 3
"""Each on another port: somebody may have taken it meanwhile."""
POLL_S = 0.02
STOP_TIMEOUT_S = 5.0

_LIFELINE = """\
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ read -r _ <&3; kill -KILL $server; } 2>/dev/null &
reader=$!
exec 3<&-
wait $server
code=$?
kill $reader 2>/dev/null
exit $code
"""
"""The real one does not notice that it is left alone: this shell does, and ends it."""


class ServerError(Exception):
    """The server could not be started, or has ended."""


@attrs.frozen(kw_only=True)
class RunningServer:
    """A server that answers.

    Attributes:
        name: ``toxiproxy-server`` or ``raftleader chaos proxy``, and its version.
        is_real: Whether it is the former.
        process: Its own, or the shell's that ends when it does.
    """

    name: str
    is_real: bool
    control: Control
    process: trio.Process

    async def wait_ended(self) -> ServerError:
        """It should not end by itself."""
        return ServerError(f"{self.name} ended with {await self.process.wait()}")


def find_real_server(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The binary that TOXIPROXY_SERVER names, or else the one on the PATH."""
    wanted = environ.get(REAL_VARIABLE) or REAL_NAME
    found = shutil.which(wanted, path=environ.get("PATH"))
    return Path(found) if found else None


@asynccontextmanager
async def open_server(
    *,
    real: Path | None,
    seed: int | None = None,
    log_file: Path | None = None,
    options: Sequence[str] = (),
    call_timeout_s: float = CALL_TIMEOUT_S,
) -> AsyncIterator[RunningServer]:
    """Run ``real``, or ours if that is None, while the block runs. Should this
    process be killed, the server ends too.

    Raises ServerError if it does not come up. Its output goes to ``log_file``;
    ``options`` are flags of its command line, the same for both; ``call_timeout_s`` is
    for each call of its ``control``.
    """
    if missing := missing_library():
        raise ServerError(missing)
    program = ("sh", "-c", _LIFELINE, "sh", str(real)) if real else OURS
    seeded = () if seed is None else ("-seed", str(seed))
    process, control, version = await _start(
        [*program, *seeded, *options], log_file or Path(os.devnull), call_timeout_s
    )
    try:
        yield RunningServer(
            name=f"{REAL_NAME if real else OUR_NAME} {version}",
            is_real=real is not None,
            control=control,
            process=process,
        )
    finally:
        await _stop(process)


async def _start(
    command: list[str], log_file: Path, call_timeout_s: float
) -> tuple[trio.Process, Control, str]:
    problem = ServerError("never tried")
    for _ in range(START_ATTEMPTS):
        port = free_ports(1, random.Random())[0]
        with trio.CancelScope(shield=True):
            process = await _spawn(
                [*command, "-host", LOOPBACK, "-port", str(port)], log_file
            )
        control = Control(Server(LOOPBACK, port), call_timeout_s)
        try:
            return process, control, await _wait_answers(process, control)
        except ServerError as error:
            problem = error
            await _stop(process)
        except BaseException:
            await _stop(process)
            raise
    raise problem


async def _spawn(command: list[str], log_file: Path) -> trio.Process:
    try:
        with log_file.open("ab") as log:
            return await trio.lowlevel.open_process(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=child_environment(),
                # Ctrl-C is for us: links must not break before the run ends.
                start_new_session=True,
            )
    except OSError as error:
        raise ServerError(f"{command[0]}: {error.strerror}") from error


async def _wait_answers(process: trio.Process, control: Control) -> str:
    """Its version."""
    problem: object = "did not answer"
    with trio.move_on_after(START_TIMEOUT_S):
        while process.poll() is None:
            try:
                return await control.version()
            except ProxyError as error:
                problem = error
            await trio.sleep(POLL_S)
        problem = f"ended with {process.returncode}"
    raise ServerError(f"the proxy server did not begin: {problem}")


async def _stop(process: trio.Process) -> None:
    """Let it go, and see that it is gone."""
    with trio.CancelScope(shield=True):
        assert process.stdin is not None
        await process.stdin.aclose()
        with trio.move_on_after(STOP_TIMEOUT_S):
            await process.wait()
        if process.poll() is None:
            # It leads a group of its own.
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
