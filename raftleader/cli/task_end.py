"""What the end of a task means as an exit code."""

from __future__ import annotations

import re
import signal

import typer

from raftleader.cli.exit_codes import EXIT_FAILED, EXIT_OK
from raftleader.protocol.tasks import TaskState, TaskStatus

_STATUS = re.compile(r"exited with status (\d+)")
_SIGNAL = re.compile(r"terminated by signal (SIG[A-Z0-9]+|\d+)")


def exit_code_of_task(end: TaskStatus) -> int:
    """The command's own exit code; 1 for a task that ended for another reason."""
    code = exit_code_in(end.message or "")
    if code is not None and end.state is not TaskState.KILLED:
        return code
    if end.state is TaskState.FINISHED:
        return EXIT_OK
    typer.echo(f"raftleader: {end.state.value}: {end.message or 'no reason'}", err=True)
    return EXIT_FAILED


def exit_code_in(message: str) -> int | None:
    """The exit code in an agent's words about a command that ended."""
    if found := _STATUS.search(message):
        return int(found[1])
    if found := _SIGNAL.search(message):
        name = found[1]
        number = int(name) if name.isdigit() else getattr(signal, name, 0)
        return 128 + int(number)
    return None
